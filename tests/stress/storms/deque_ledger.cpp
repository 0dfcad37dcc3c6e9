// The deque's ledger for as long as it is told: a small deque, whose slots are refilled under thieves all the
// time, and the one that is shipped, in turns.
#include "deque_ledger.hpp"

#include <coppice/detail/worker.hpp>
#include <iostream>
#include <optional>
#include <random>

#include "support/command_line.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/watchdog.hpp"

namespace {

void add(storms::ledger_counts& sum, const storms::ledger_counts& part) {
  sum.operations += part.operations;
  sum.frames += part.frames;
  sum.stolen += part.stolen;
  sum.exposed += part.exposed;
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Owner and thieves on one deque; each frame is taken exactly once.",
                             "deque_ledger");
  std::uint64_t operations = 100'000'000;
  unsigned thieves = 2;
  std::uint64_t seed = std::random_device{}();
  line.add_option("--operations", operations, "of the owner and steals, about").shows_default();
  line.add_option("--thieves", thieves, "threads that steal").within(1, 256).shows_default();
  line.add_option("--seed", seed, "of the choices (default: a new one, printed)");
  if (const std::optional<int> status = line.parse(argc, argv)) return *status;

  const std::string again =
      "deque_ledger --seed " + std::to_string(seed) + " --thieves " + std::to_string(thieves);
  std::cout << "seed " << seed << std::endl;
  support::watchdog dog(std::chrono::seconds(support::sanitized ? 300 : 60), "Again: " + again);
  const auto progress = [&dog] { dog.progress(); };
  storms::ledger_counts sum;
  try {
    const std::uint64_t share = support::scaled(std::size_t{10'000'000});
    for (std::uint64_t turn = 0; sum.operations < operations; ++turn) {
      const std::uint64_t part = std::min(share, operations - sum.operations);
      const std::uint64_t its_seed = support::mixed(seed, turn);
      using coppice::detail::basic_split_deque;
      if (turn % 3 == 0)
        add(sum, storms::deque_ledger<basic_split_deque<8>>(its_seed, thieves).run(part, progress));
      else if (turn % 3 == 1)
        add(sum, storms::deque_ledger<coppice::detail::split_deque>(its_seed, thieves).run(part, progress));
      else
        add(sum, storms::deque_ledger<basic_split_deque<64>>(its_seed, thieves).run(part, progress));
    }
  } catch (const storms::ledger_broken& e) {
    std::cerr << "deque_ledger: not so: " << e.what() << " (seed " << seed << ", after " << sum.operations
              << " operations)\nAgain: " << again << std::endl;
    return 1;
  }
  std::cout << "deque_ledger: " << sum.operations << " operations, " << sum.frames << " frames, "
            << sum.stolen << " stolen, " << sum.exposed << " exposed: exactly once" << std::endl;
  return 0;
}
