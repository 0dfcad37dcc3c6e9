// Random task trees, run by the scheduler and judged by an oracle.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "campaign.hpp"
#include "printer.hpp"
#include "support/command_line.hpp"

int main(int argc, char** argv) {
  fuzz::orders orders;
  unsigned seconds = 0;
  unsigned limit = 60;
  bool print = false;
  std::optional<std::uint64_t> trees;
  support::command_line line("Runs random task trees on coppice and compares each with a serial oracle.",
                             "fuzz_trees");
  line.add_option("--seed", orders.seed, "Seed of the first tree; each further tree has the next number");
  line.add_option("--trees", trees,
                  "Number of trees; 0: no limit; default: 1000, or no limit with --seconds");
  line.add_option("--seconds", seconds, "Ends after so many seconds; 0: no limit");
  line.add_option("--workers", orders.workers, "Workers; 0: each tree chooses among 1, 2, 3, 8, 64");
  line.add_option("--repeat", orders.repeat, "Runs of each tree");
  line.add_option("--alarm", limit,
                  "Seconds that one tree may take before it counts as hanging: its seed is printed, the "
                  "process aborts; 0: no limit");
  line.add_flag("--print", print, "Prints the first tree as a C++ program and runs nothing");
  if (const std::optional<int> status = line.parse(argc, argv)) return *status;

  if (print) {
    std::cout << fuzz::as_cpp(fuzz::make_program(orders.seed, orders.workers));
    return 0;
  }
  if (seconds != 0) {
    orders.until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    orders.trees = 0;
  }
  if (trees) orders.trees = *trees;
  // hwloc without its plugins loads 10 ms sooner: programs with detached jobs make schedulers of their own.
  setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 0);
  fuzz::arm(limit, orders.workers);
  const fuzz::tally done = fuzz::run_campaign(orders, std::cerr);
  std::cout << fuzz::summary(done, orders.seed) << std::endl;
  return done.failed ? 1 : 0;
}
