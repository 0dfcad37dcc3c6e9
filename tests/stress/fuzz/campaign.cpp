#include "campaign.hpp"

#include <ostream>
#include <vector>

#include "checker.hpp"
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

void print_failure(const program& failing, const std::vector<std::string>& wrong, unsigned workers, stage& on,
                   std::ostream& out) {
  out << "fuzz_trees: the program of seed " << failing.seed << " fails:\n";
  for (const std::string& line : wrong) out << "  " << line << '\n';
  out << "repeat it with: fuzz_trees --seed " << failing.seed << " --trees 1 --repeat 1000";
  if (workers != 0) out << " --workers " << workers;
  out << '\n' << std::flush;
  std::vector<std::string> last = wrong;
  const patience patient;
  const program small = shrink(failing, [&](const program& p) {
    return patient.fails([&] {
      running(p.seed);
      std::vector<std::string> now = complaints(p, run(p, on));
      if (now.empty()) return true;
      last = std::move(now);
      return false;
    });
  });
  out << "made smaller, to " << number_of_nodes(small) << " nodes, it fails so:\n";
  for (const std::string& line : last) out << "  " << line << '\n';
  out << "\n" << as_cpp(small) << std::flush;
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
    running(p.seed);
    const observation seen = run(p, on);
    const std::vector<std::string> wrong = complaints(p, seen);
    count(p, seen, t);
    if (wrong.empty()) return true;
    t.failed = true;
    print_failure(p, wrong, o.workers, on, out);
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
