// What the command lines of the examples share: the options, the exit status, the result with its time.
//
//   support::command_line line("Computes a Fibonacci number", "fib");
//   support::run_options options;
//   support::add_run_options(line, options);
//   return support::run_program(line, argc, argv, [&] {
//     support::print(options, "fib(30)", support::measure(options, [] { return serial(30); }, [] { return
//     fib(30); })); return 0;
//   });
#pragma once

#include <chrono>
#include <coppice/scheduler.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "support/command_line.hpp"

namespace support {

struct run_options {
  unsigned workers = 0;  // 0: as many as this process may use
  bool serial = false;
  bool json = false;
};

// Adds --workers.
command_line::option add_workers_option(command_line& line, unsigned& workers);
// Adds --workers, --serial and --json.
void add_run_options(command_line& line, run_options& options);

// The exit status of a program whose command line `line` describes: 2 if it is wrong; 1, with a message on
// stderr, if `body` throws or its output cannot be written; else what `body` returns.
int run_program(command_line& line, int argc, const char* const* argv, const std::function<int()>& body);

class stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

template <class Result>
struct measured {
  Result result;
  double seconds;
  unsigned workers;
};

// Runs one of the two, as the options say. The start of the workers is not part of the time.
template <class Serial, class Parallel>
auto measure(const run_options& options, Serial serial, Parallel parallel) -> measured<decltype(serial())> {
  if (options.serial) {
    const stopwatch watch;
    auto result = serial();
    return {std::move(result), watch.seconds(), 1};
  }
  coppice::scheduler scheduler({.workers = options.workers});
  const stopwatch watch;
  auto result = scheduler.run(parallel);
  return {std::move(result), watch.seconds(), scheduler.workers()};
}

// "0.125 s, 2 workers", or "0.125 s, serial".
std::string time_text(const run_options& options, double seconds, unsigned workers);

// "fib(30) = 832040 (0.125 s, 2 workers)", or JSON with the keys result, seconds and workers.
void print(const run_options& options, const std::string& what, const measured<std::uint64_t>& m);

}  // namespace support
