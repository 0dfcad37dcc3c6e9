// What a user writes first, and one error that crosses the border of the library.
#include <coppice/coppice.hpp>

#include <iostream>
#include <stdexcept>

static long fib(int n) {
  if (n < 2) return n;
  auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

int main() {
  coppice::scheduler scheduler;
  std::cout << "fib(20) = " << scheduler.run([] { return fib(20); }) << '\n';

  try {
    scheduler.run([] { throw std::runtime_error("on purpose"); });
  } catch (const coppice::job_error&) {
    return 0;
  }
  std::cerr << "the error of the job did not arrive\n";
  return 1;
}
