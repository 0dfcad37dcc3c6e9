// Storms for as long as they are told.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <random>

#include "storm.hpp"
#include "support/scale.hpp"
#include "support/watchdog.hpp"

int main(int argc, char** argv) {
  CLI::App app{"Storms at random times: what the scheduler promises, whatever happens at the same moment."};
  double seconds = 10;
  std::uint64_t seed = std::random_device{}();
  unsigned workers = 0;
  std::string only;
  app.add_option("--seconds", seconds, "how long; each storm runs once at least")->capture_default_str();
  app.add_option("--seed", seed, "of the times and shapes (default: a new one, printed)");
  app.add_option("--workers", workers, "of each scheduler (default: drawn)");
  app.add_option("--only", only, "the one storm to run")->check([](const std::string& name) {
    std::string names;
    for (const storms::storm& s : storms::all_storms()) {
      if (name == s.name) return std::string();
      names += std::string(" ") + s.name;
    }
    return "there is no storm '" + name + "'. There are:" + names;
  });
  CLI11_PARSE(app, argc, argv);

  std::string again = "storms --seed " + std::to_string(seed);
  if (workers != 0) again += " --workers " + std::to_string(workers);
  if (!only.empty()) again += " --only " + only;
  std::cout << "seed " << seed << std::endl;
  support::watchdog dog(std::chrono::seconds(support::sanitized ? 300 : 60), "Again: " + again);
  try {
    const auto until =
        std::chrono::steady_clock::now() +
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
    const std::uint64_t rounds = storms::run_storms(seed, workers, only, until, [&dog] { dog.progress(); });
    std::cout << "storms: " << rounds << " rounds of "
              << (only.empty() ? std::to_string(storms::all_storms().size()) + " storms" : only) << ", seed "
              << seed << std::endl;
  } catch (const std::exception& e) {
    std::cerr << "storms: " << e.what() << "\nAgain: " << again << std::endl;
    return 1;
  }
  return 0;
}
