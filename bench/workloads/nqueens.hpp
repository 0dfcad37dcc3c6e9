// nqueens: all ways to place n queens, one fork for each safe square: fine-grained, and unbalanced.
#pragma once

#include <array>

#include "workloads/base.hpp"
#include "workloads/wide.hpp"

namespace bench {

// The squares of the next row that a queen above holds, as bits.
struct queens {
  std::uint32_t columns = 0;
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  std::uint32_t open(int n) const { return ((1U << n) - 1) & ~(columns | left | right); }
  queens with(std::uint32_t queen) const {
    return {columns | queen, (left | queen) << 1, (right | queen) >> 1};
  }
};

constexpr std::uint32_t lowest(std::uint32_t bits) { return bits & (~bits + 1); }

// The serial program needs no list of the squares.
inline std::uint64_t serial_queens(int n, int row,
                                   queens above) {  // NOLINT(misc-no-recursion)
  if (row == n) return 1;
  std::uint64_t ways = 0;
  for (std::uint32_t open = above.open(n); open != 0; open &= open - 1)
    ways += serial_queens(n, row + 1, above.with(lowest(open)));
  return ways;
}

template <class Verbs, class Form>
std::uint64_t place_queens(int n, int row, queens above) {  // NOLINT(misc-no-recursion)
  if (row == n) return 1;
  std::array<std::uint32_t, 32> safe;
  int count = 0;
  for (std::uint32_t open = above.open(n); open != 0; open &= open - 1)
    safe[static_cast<std::size_t>(count++)] = lowest(open);
  return Form::template sum<Verbs>(count, [&](int i) {
    return place_queens<Verbs, Form>(n, row + 1, above.with(safe[static_cast<std::size_t>(i)]));
  });
}

template <class Form>
struct nqueens_work {
  int n;
  template <class Verbs>
  std::uint64_t run() {
    if constexpr (std::is_same_v<Verbs, serial_verbs>)
      return serial_queens(n, 0, {});
    else
      return place_queens<Verbs, Form>(n, 0, {});
  }
  void check(std::uint64_t ways) const {
    constexpr std::array<std::uint64_t, 14> known{1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712};
    bench::check("nqueens", ways, known[static_cast<std::size_t>(n)]);
  }
};

template <class Runtime, class Form>
void add_nqueens(const char* runtime, unsigned workers) {
  const int n = the_settings().sized(11, 13);
  add_work_row<Runtime>({"nqueens", runtime, parameter("n", static_cast<std::uint64_t>(n)), workers},
                        [=] { return nqueens_work<Form>{n}; });
}

}  // namespace bench
