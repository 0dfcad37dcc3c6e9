// Looks for a number whose SHA-1, behind a text, begins with a given number of zero bits, and stops at the
// first hit. Shows this_task::cancel_job: exactly one call is the one that did it, the tasks that wait are
// skipped, and the report says who stopped the job and how long it took to become quiet.
//
//   $ stop_a_search --bits 20
//   hit: SHA-1 of "coppice 68719370229" is 00000424fc9c544bcf7700ac7102e2e3ec5a8d0b
//   tasks: 51 run, 174 skipped
//   stopped by root/0/15/15/15/15/14/5 for the reason "found 68719370229", while 2 tasks were running; quiet
//   after 1.874 ms
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "support/command_line.hpp"
#include "support/program.hpp"
#include "support/sha1.hpp"

namespace {

std::string message(std::uint64_t number) { return "coppice " + std::to_string(number); }

support::sha1_digest digest(std::uint64_t number) {
  const std::string text = message(number);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  return support::sha1({bytes, text.size()});
}

int leading_zero_bits(const support::sha1_digest& d) {
  int bits = 0;
  for (const std::uint32_t word : d) {
    bits += std::countl_zero(word);
    if (word != 0) break;
  }
  return bits;
}

struct search {
  int bits;
  // Written by the one task that cancels the job, read when the job is quiet: no lock, no atomic.
  std::optional<std::uint64_t> hit = std::nullopt;

  void range(std::uint64_t first, std::uint64_t last) {
    constexpr std::uint64_t small = 4096, parts = 16;
    if (last - first <= small) return look_at(first, last);
    const std::uint64_t step = (last - first + parts - 1) / parts;
    // spawn returns false once the job is cancelled; nothing is left to do here then.
    for (std::uint64_t begin = first; begin < last; begin += step)
      if (!coppice::spawn([this, begin, end = std::min(begin + step, last)] { range(begin, end); })) return;
  }

  void look_at(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t n = first; n != last; ++n) {
      if (leading_zero_bits(digest(n)) < bits) continue;
      if (coppice::this_task::cancel_job("found " + std::to_string(n))) hit = n;
      return;
    }
  }
};

std::string hex(const support::sha1_digest& d) {
  std::string text;
  for (const std::uint32_t word : d) text += fmt::format("{:08x}", word);
  return text;
}

void print_text(const search& s, const coppice::job_report& report) {
  if (s.hit)
    fmt::print("hit: SHA-1 of \"{}\" is {}\n", message(*s.hit), hex(digest(*s.hit)));
  else
    fmt::print("no hit\n");
  fmt::print("tasks: {} run, {} skipped\n", report.spawned - report.skipped, report.skipped);
  if (!report.cancel) return;
  const coppice::cancel_record& stop = *report.cancel;
  fmt::print("stopped by {} for the reason \"{}\", while {} task{} running; quiet after {:.3f} ms\n", stop.by,
             stop.reason, stop.running, stop.running == 1 ? " was" : "s were",
             static_cast<double>(stop.until_quiet.count()) / 1e6);
}

void print_json(const search& s, const coppice::job_report& report, double seconds, unsigned workers) {
  nlohmann::ordered_json json = {{"result", nullptr},         {"seconds", seconds},
                                 {"workers", workers},        {"run", report.spawned - report.skipped},
                                 {"skipped", report.skipped}, {"cancel", nullptr}};
  if (s.hit) json["result"] = {{"text", message(*s.hit)}, {"sha1", hex(digest(*s.hit))}};
  if (report.cancel)
    json["cancel"] = {{"by", report.cancel->by},
                      {"reason", report.cancel->reason},
                      {"running", report.cancel->running},
                      {"seconds_until_quiet", static_cast<double>(report.cancel->until_quiet.count()) / 1e9}};
  fmt::print("{}\n", json.dump());
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line(
      "Looks for a text whose SHA-1 begins with zeros; the exit status is 1 if there is none.",
      "stop_a_search");
  unsigned workers = 0;
  bool json = false;
  search s{.bits = 20};
  std::uint64_t limit = std::uint64_t{1} << 40;
  support::add_workers_option(line, workers);
  line.add_flag("--json", json, "Print the result as JSON");
  line.add_option("--bits", s.bits, "How many zero bits").within(0, 160).shows_default();
  line.add_option("--limit", limit, "How many numbers to try, from 0 on")
      .within(std::uint64_t{0}, std::uint64_t{1} << 60)
      .shows_default();
  return support::run_program(line, argc, argv, [&] {
    coppice::scheduler scheduler({.workers = workers});
    const support::stopwatch watch;
    auto job = scheduler.submit([&] { s.range(0, limit); }, {.name = "search"});
    const coppice::job_report& report = job.wait();
    const double seconds = watch.seconds();
    if (json)
      print_json(s, report, seconds, scheduler.workers());
    else
      print_text(s, report);
    return s.hit ? 0 : 1;
  });
}
