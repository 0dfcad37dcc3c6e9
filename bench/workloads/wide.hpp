// How a node with several children is walked: the three ways to write it.
//
//   by_loop    one after the other: the serial program
//   by_halves  the children are halved until there is one
//   by_group   a task for each child
#pragma once

#include <atomic>
#include <cstdint>

#include "work.hpp"

namespace bench {

struct by_loop {
  /// f(0) + ... + f(n - 1)
  template <class Verbs, class F>
  static std::uint64_t sum(int n, const F& f) {
    if constexpr (std::is_same_v<Verbs, counting_verbs>) Verbs::tasks += static_cast<std::uint64_t>(n);
    std::uint64_t sum = 0;
    for (int i = 0; i < n; ++i) sum += f(i);
    return sum;
  }
};

struct by_halves {
  template <class Verbs, class F>
  static std::uint64_t sum(int n, const F& f) {
    return n == 0 ? 0 : range<Verbs>(0, n, f);
  }

 private:
  template <class Verbs, class F>
  static std::uint64_t range(int first, int last, const F& f) {  // NOLINT(misc-no-recursion)
    if (last - first == 1) return f(first);
    const int middle = first + (last - first) / 2;
    auto [a, b] = Verbs::both([&f, first, middle] { return range<Verbs>(first, middle, f); },
                              [&f, middle, last] { return range<Verbs>(middle, last, f); });
    return a + b;
  }
};

struct by_group {
  template <class Verbs, class F>
  static std::uint64_t sum(int n, const F& f) {
    if (n == 0) return 0;
    std::atomic<std::uint64_t> sum = 0;
    typename Verbs::group group;
    for (int i = 0; i < n; ++i) group.spawn([&, i] { sum.fetch_add(f(i), std::memory_order_relaxed); });
    group.wait();
    return sum;
  }
};

}  // namespace bench
