// Fibonacci numbers by the definition: nothing but forks. Shows what coppice::join looks like, and what a
// fork costs: compare the seconds with those of --serial.
//
//   $ fib 35
//   fib(35) = 9227465 (0.042 s, 2 workers)
//   $ fib 35 --json
//   {"result":9227465,"seconds":0.0424,"workers":2}
#include <fmt/format.h>

#include <coppice/coppice.hpp>
#include <cstdint>

#include "support/command_line.hpp"
#include "support/program.hpp"

namespace {

std::uint64_t fib(int n) {
  if (n < 2) return static_cast<std::uint64_t>(n);
  auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

// fib() gives the same outside of a scheduler; this one does not even ask whether it is in one.
std::uint64_t serial_fib(int n) {
  return n < 2 ? static_cast<std::uint64_t>(n) : serial_fib(n - 1) + serial_fib(n - 2);
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Computes a Fibonacci number by the definition.", "fib");
  support::run_options options;
  int n = 0;
  line.add_option("N", n, "Which one").required().within(0, 93);
  support::add_run_options(line, options);
  return support::run_program(line, argc, argv, [&] {
    const auto m = support::measure(
        options, [=] { return serial_fib(n); }, [=] { return fib(n); });
    support::print(options, fmt::format("fib({})", n), m);
    return 0;
  });
}
