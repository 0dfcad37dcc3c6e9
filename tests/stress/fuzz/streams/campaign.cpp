#include "streams/campaign.hpp"

#include <ostream>
#include <vector>

#include "first_failure.hpp"
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
    out << to_text(p);
    tell_of_failure(
        campaign_name, o, p, wrong, [&](const plan& now) { return complaints(now, run_aloud(now, on)); },
        to_text, out);
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
