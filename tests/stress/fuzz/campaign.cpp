#include "campaign.hpp"

#include <ostream>
#include <vector>

#include "checker.hpp"
#include "first_failure.hpp"
#include "printer.hpp"
#include "shrinker.hpp"

namespace fuzz {

namespace {

void count(const program& p, const observation& seen, tally& t) {
  for_each(p, [&](const node& n) { t.kinds.insert(n.what); });
  for (const seen_job& job : seen.jobs) {
    if (!job.report) continue;
    t.tasks += job.report->spawned;
    t.errors += job.report->errors_total;
    t.skipped += job.report->skipped;
  }
}

observation run_aloud(const program& p, stage& on) {
  running(p.seed);
  return run(p, on);
}

}  // namespace

tally run_campaign(const orders& o, std::ostream& out) {
  tally t;
  stage on;
  const auto make = [&](std::uint64_t seed) {
    program p = make_program(seed, o.workers);
    if (is_exact(p)) ++t.exact;
    return p;
  };
  const auto goes_well = [&](const program& p) {
    if (!is_valid(p)) {
      out << "fuzz_trees: the generator made an invalid program from seed " << p.seed << '\n';
      t.failed = true;
      return false;
    }
    const observation seen = run_aloud(p, on);
    const std::vector<std::string> wrong = complaints(p, seen);
    count(p, seen, t);
    if (wrong.empty()) return true;
    t.failed = true;
    tell_of_failure(
        trees_name, o, p, wrong, [&](const program& now) { return complaints(now, run_aloud(now, on)); },
        as_cpp, out);
    return false;
  };
  t.trees = carry_out(o, make, goes_well);
  return t;
}

std::string summary(const tally& t, std::uint64_t seed) {
  return "fuzz_trees: " + std::to_string(t.trees) + " trees, " + std::to_string(t.tasks) + " tasks, " +
         std::to_string(t.errors) + " errors, " + std::to_string(t.kinds.size()) + " kinds of node, seed " +
         std::to_string(seed) + ", " + std::to_string(t.exact) + " exact, " + std::to_string(t.skipped) +
         " tasks skipped" + (t.failed ? ", FAILED" : "");
}

}  // namespace fuzz
