// Random task trees, run by the scheduler and judged by an oracle.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "campaign.hpp"
#include "printer.hpp"

int main(int argc, char** argv) {
  fuzz::orders orders;
  unsigned seconds = 0;
  unsigned limit = 60;
  bool print = false;
  CLI::App app("Runs random task trees on coppice and compares each with a serial oracle.");
  app.add_option("--seed", orders.seed, "Seed of the first tree; each further tree has the next number");
  app.add_option("--trees", orders.trees, "Number of trees; 0: no limit");
  app.add_option("--seconds", seconds, "Ends after so many seconds; 0: no limit");
  app.add_option("--workers", orders.workers, "Workers; 0: each tree chooses among 1, 2, 3, 8, 64");
  app.add_option("--repeat", orders.repeat, "Runs of each tree");
  app.add_option("--alarm", limit,
                 "Seconds that one tree may take before it counts as hanging: its seed is printed, the "
                 "process aborts; 0: no limit");
  app.add_flag("--print", print, "Prints the first tree as a C++ program and runs nothing");
  CLI11_PARSE(app, argc, argv);

  if (print) {
    std::cout << fuzz::as_cpp(fuzz::make_program(orders.seed, orders.workers));
    return 0;
  }
  if (seconds != 0) {
    orders.until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    if (app.count("--trees") == 0) orders.trees = 0;
  }
  // hwloc without its plugins loads 10 ms sooner: programs with detached jobs make schedulers of their own.
  setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 0);
  fuzz::arm(limit, orders.workers);
  const fuzz::tally done = fuzz::run_campaign(orders, std::cerr);
  std::cout << fuzz::summary(done, orders.seed) << std::endl;
  return done.failed ? 1 : 0;
}
