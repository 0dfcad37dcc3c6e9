// Fibonacci numbers by the definition: the smallest work that is nothing but forks.
#pragma once

#include <coppice/coppice.hpp>

namespace support {

inline long fib(int n) {
  if (n < 2) return n;
  const auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

}  // namespace support
