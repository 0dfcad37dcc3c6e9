// Storms for as long as they are told.
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storm.hpp"
#include "support/command_line.hpp"
#include "support/scale.hpp"
#include "support/watchdog.hpp"

int main(int argc, char** argv) {
  support::command_line line(
      "Storms at random times: what the scheduler promises, whatever happens at the same moment.", "storms");
  double seconds = 10;
  std::uint64_t seed = std::random_device{}();
  unsigned workers = 0;
  std::string only;
  std::vector<std::string> names;
  for (const storms::storm& s : storms::all_storms()) names.emplace_back(s.name);
  line.add_option("--seconds", seconds, "how long; each storm runs once at least").shows_default();
  line.add_option("--seed", seed, "of the times and shapes (default: a new one, printed)");
  line.add_option("--workers", workers, "of each scheduler (default: drawn)");
  line.add_option("--only", only, "the one storm to run").one_of(names);
  if (const std::optional<int> status = line.parse(argc, argv)) return *status;

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
