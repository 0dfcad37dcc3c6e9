#include "streams/campaign.hpp"

#include <ostream>
#include <vector>

#include "streams/checker.hpp"
#include "streams/oracle.hpp"
#include "streams/runner.hpp"
#include "streams/shrinker.hpp"
#include "streams/world.hpp"

namespace fuzz::streams {

namespace {

observation run_aloud(const plan& p, worlds& on) {
  running(p.seed, to_text(p));
  return run(p, on.of(p));
}

void count(const plan& p, const observation& seen, tally& t) {
  for (std::uint32_t i = 0; i < p.streams.size(); ++i) {
    ++t.streams;
    if (foresee(p.streams[i], i).exact) ++t.exact;
    for (const stage& g : p.streams[i].stages)
      for (const action& a : g.acts) t.acts.insert(a.what);
    for (const seen_result& r : seen.streams[i].results) {
      ++t.results;
      if (r.end.what == fate::not_run)
        ++t.not_run;
      else if (r.end.what != fate::value)
        ++t.errors;
    }
  }
}

void print_failure(const plan& failing, const std::vector<std::string>& wrong, const orders& o, worlds& on,
                   std::ostream& out) {
  const auto list = [&](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) out << "  " << line << '\n';
  };
  out << "fuzz_streams: the plan of seed " << failing.seed << " fails:\n";
  list(wrong);
  out << "repeat it with: fuzz_streams --seed " << failing.seed << " --plans 1 --repeat 1000";
  if (o.workers != 0) out << " --workers " << o.workers;
  out << '\n' << to_text(failing) << std::flush;
  std::vector<std::string> last = wrong;
  const patience patient;
  const plan small = shrink(failing, [&](const plan& p) {
    return patient.fails([&] {
      std::vector<std::string> now = complaints(p, run_aloud(p, on));
      if (now.empty()) return true;
      last = std::move(now);
      return false;
    });
  });
  out << "made smaller, it fails so:\n";
  list(last);
  out << to_text(small) << std::flush;
}

}  // namespace

tally run_campaign(const orders& o, std::ostream& out) {
  tally t;
  worlds on;
  const auto goes_well = [&](const plan& p) {
    if (!is_valid(p)) {
      out << "fuzz_streams: the generator made an invalid plan of seed " << p.seed << '\n' << to_text(p);
      t.failed = true;
      return false;
    }
    const observation seen = run_aloud(p, on);
    const std::vector<std::string> wrong = complaints(p, seen);
    count(p, seen, t);
    if (wrong.empty()) return true;
    t.failed = true;
    print_failure(p, wrong, o, on, out);
    return false;
  };
  t.plans = carry_out(
      o, [&](std::uint64_t seed) { return make_plan(seed, o.workers); }, goes_well);
  return t;
}

std::string summary(const tally& t, std::uint64_t seed) {
  return "fuzz_streams: " + std::to_string(t.plans) + " plans, " + std::to_string(t.streams) + " streams, " +
         std::to_string(t.results) + " results, " + std::to_string(t.errors) + " errors, " +
         std::to_string(t.not_run) + " not run, " + std::to_string(t.acts.size()) + " kinds of act, seed " +
         std::to_string(seed) + ", " + std::to_string(t.exact) + " exact" + (t.failed ? ", FAILED" : "");
}

}  // namespace fuzz::streams
