// fib: a tree of forks with nothing in the leaves: the price of a fork.
#pragma once

#include "workloads/base.hpp"

namespace bench {

BENCH_REAL_CALLS inline long serial_fib(int n) {  // NOLINT(misc-no-recursion)
  if (n < 2) return n;
  const long a = opaque(serial_fib(n - 1));
  const long b = opaque(serial_fib(n - 2));
  return a + b;
}

template <class Verbs>
long fib(int n) {  // NOLINT(misc-no-recursion)
  if (n < 2) return n;
  auto [a, b] = Verbs::both([=] { return fib<Verbs>(n - 1); }, [=] { return fib<Verbs>(n - 2); });
  return a + b;
}

constexpr long fib_expected(int n) {
  long a = 0;
  long b = 1;
  for (; n > 0; --n) b += std::exchange(a, b);
  return a;
}

inline std::string fib_parameters() { return parameter("n", static_cast<std::uint64_t>(the_settings().fib)); }

struct fib_work {
  int n;
  template <class Verbs>
  long run() {
    if constexpr (std::is_same_v<Verbs, serial_verbs>)
      return serial_fib(n);
    else
      return fib<Verbs>(n);
  }
  void check(long value) const { bench::check("fib", value, fib_expected(n)); }
};

template <class Runtime>
void add_fib(const char* runtime, unsigned workers) {
  add_work_row<Runtime>({"fib", runtime, fib_parameters(), workers},
                        [] { return fib_work{the_settings().fib}; });
}

}  // namespace bench
