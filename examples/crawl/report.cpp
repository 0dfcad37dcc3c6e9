#include "crawl/report.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "support/text.hpp"

namespace crawl {
namespace {

constexpr auto interval = std::chrono::milliseconds(250);

const char* plural(std::uint64_t n) { return n == 1 ? "" : "s"; }

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

// What kept the crawl from its end; empty: nothing did.
std::string why_unfinished(const crawler& c, const run_facts& run) {
  const std::uint64_t left = c.left();
  if (run.interrupted) return fmt::format("interrupted, {} known page{} left", left, plural(left));
  if (left != 0)
    return fmt::format("{} known page{} left{}", left, plural(left), c.is_limited() ? " (--max-pages)" : "");
  return {};
}

// Why there are fewer pages than one may expect.
void print_notes(const crawler& c, const run_facts& run) {
  if (const std::string to = c.led_out(); !to.empty())
    fmt::print("the start leads out of the site, to {}\n", support::one_line(to));
  if (const std::string why = why_unfinished(c, run); !why.empty()) fmt::print("{}\n", why);
}

}  // namespace

void progress_line::show(const counters& now) {
  const auto time = clock::now();
  next_ = time + interval;
  if (!line_.is_seen()) return;
  const std::uint64_t pages = now.pages + now.failed;
  const double seconds = std::chrono::duration<double>(time - last_).count();
  const double speed = seconds > 0 ? static_cast<double>(pages - last_pages_) / seconds : 0;
  last_ = time;
  last_pages_ = pages;
  line_.draw(fmt::format("{} pages, {:.0f} pages/s, {} in flight, {} waiting, {} error{}", pages, speed,
                         now.active, now.waiting, now.failed, plural(now.failed)));
}

void print_text(const crawler& c, const run_facts& run) {
  const counters n = c.so_far();
  fmt::print("{} page{}, {}, {} link{}, {} of them out of the site ({:.3f} s)\n", n.pages, plural(n.pages),
             megabytes(n.bytes), n.links, plural(n.links), n.outside, run.seconds);
  print_notes(c, run);
  if (n.disallowed != 0)
    fmt::print("{} page{} disallowed by robots.txt\n", n.disallowed, plural(n.disallowed));
  if (n.retries != 0) fmt::print("{} request{} tried again\n", n.retries, plural(n.retries));
  const auto failures = c.failures();
  if (failures.empty()) return;
  fmt::print("{} error{}:\n", failures.size(), plural(failures.size()));
  for (const failure& f : failures) {
    fmt::print("  {}: {}\n", support::one_line(f.url), support::one_line(f.reason));
    for (const std::string& r : f.referrers) fmt::print("    from {}\n", support::one_line(r));
  }
}

void print_check(const crawler& c, const run_facts& run) {
  const auto broken = c.broken_links();
  for (const auto& [target, why] : broken) {
    fmt::print("{}: {}\n", support::one_line(target), support::one_line(why.first));
    for (const std::string& page : why.second) fmt::print("  in {}\n", support::one_line(page));
  }
  const counters n = c.so_far();
  fmt::print("{} broken link{} in {} page{} ({:.3f} s)\n", broken.size(), plural(broken.size()), n.pages,
             plural(n.pages), run.seconds);
  print_notes(c, run);
}

void print_json(const crawler& c, const run_facts& run, bool check) {
  const counters n = c.so_far();
  nlohmann::ordered_json json = {
      {"pages", n.pages},       {"bytes", n.bytes},           {"links", n.links},
      {"outside", n.outside},   {"disallowed", n.disallowed}, {"retries", n.retries},
      {"errors", n.failed},     {"left", c.left()},           {"interrupted", run.interrupted},
      {"seconds", run.seconds}, {"tasks", run.job->spawned},  {"task_errors", run.job->errors_total}};
  json["error_list"] = nlohmann::ordered_json::array();
  for (const failure& f : c.failures())
    json["error_list"].push_back(
        {{"url", f.url}, {"reason", support::valid_utf8(f.reason)}, {"referrers", f.referrers}});
  if (check) {
    json["broken"] = nlohmann::ordered_json::array();
    for (const auto& [target, why] : c.broken_links())
      json["broken"].push_back({{"target", support::valid_utf8(target)},
                                {"reason", support::valid_utf8(why.first)},
                                {"in", why.second}});
  }
  fmt::print("{}\n", json.dump(2));
}

}  // namespace crawl
