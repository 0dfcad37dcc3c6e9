// Counts the ways to place N queens on a board of N by N so that none attacks another. Shows a search in
// which each choice is a fork: there is no depth below which it turns serial, and no list of tasks.
//
//   $ nqueens 12
//   nqueens(12) = 14200 (0.013 s, 2 workers)
//   $ nqueens 12 --json
//   {"result":14200,"seconds":0.0132,"workers":2}
#include <fmt/format.h>

#include <coppice/coppice.hpp>
#include <cstdint>

#include "support/command_line.hpp"
#include "support/program.hpp"

namespace {

// The rows placed so far, seen from the next one. A bit is a column.
struct board {
  std::uint32_t all;      // the columns that there are
  std::uint32_t columns;  // taken
  std::uint32_t left;     // attacked along one diagonal
  std::uint32_t right;    // and along the other one

  bool full() const { return columns == all; }
  std::uint32_t free() const { return all & ~(columns | left | right); }
  board with(std::uint32_t queen) const {
    return {all, columns | queen, (left | queen) << 1, (right | queen) >> 1};
  }
};

std::uint64_t solutions(board b);

// The solutions of b that have one of these columns in the next row.
std::uint64_t solutions(board b, std::uint32_t candidates) {
  if (candidates == 0) return 0;
  const std::uint32_t queen = candidates & (~candidates + 1), rest = candidates ^ queen;
  if (rest == 0) return solutions(b.with(queen));
  auto [here, elsewhere] =
      coppice::join([=] { return solutions(b.with(queen)); }, [=] { return solutions(b, rest); });
  return here + elsewhere;
}

std::uint64_t solutions(board b) { return b.full() ? 1 : solutions(b, b.free()); }

std::uint64_t serial_solutions(board b) {
  if (b.full()) return 1;
  std::uint64_t sum = 0;
  for (std::uint32_t candidates = b.free(); candidates != 0; candidates &= candidates - 1)
    sum += serial_solutions(b.with(candidates & (~candidates + 1)));
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Counts the solutions of the N queens problem.", "nqueens");
  support::run_options options;
  unsigned n = 0;
  line.add_option("N", n, "Size of the board").required().within(1, 31);
  support::add_run_options(line, options);
  return support::run_program(line, argc, argv, [&] {
    const board empty{(std::uint32_t{1} << n) - 1, 0, 0, 0};
    const auto m = support::measure(
        options, [=] { return serial_solutions(empty); }, [=] { return solutions(empty); });
    support::print(options, fmt::format("nqueens({})", n), m);
    return 0;
  });
}
