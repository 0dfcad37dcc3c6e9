// How a row of the table is made: one workload on one runtime with one number of workers.
//
//   add_row({"fib", "coppice", "n:32", 2}, [](benchmark::State& state) {
//     coppice::scheduler scheduler({.workers = 2});            // not measured
//     long value = 0;
//     for (auto _ : state) value = scheduler.run([] { return fib(32); });
//     check("fib", value, 2178309L);
//   });
//
// Each source file registers the rows of its runtime. scripts/bench runs each row in a process of its own,
// the runtimes in turns, so that the machine's moods fall on every runtime alike.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "measure.hpp"

namespace bench {

struct row {
  std::string workload;
  std::string runtime;
  std::string parameters = {};  ///< `n:32`, empty for none
  unsigned workers = 0;         ///< 0: a serial row

  std::string name() const {
    std::string all = workload + '/' + runtime;
    if (!parameters.empty()) all += '/' + parameters;
    if (workers != 0) all += "/workers:" + std::to_string(workers);
    return all;
  }
};

/// manual: the body says itself how long an iteration took.
enum class timing { wall_clock, manual };

template <class Body>
benchmark::internal::Benchmark* add_row(const row& r, Body body, timing how = timing::wall_clock) {
  auto* const made =
      benchmark::RegisterBenchmark(r.name().c_str(), [body = std::move(body)](benchmark::State& state) {
        body(state);
        state.counters["peak_mib"] = peak_resident_mib();
      })->Unit(benchmark::kMillisecond);
  return how == timing::manual ? made->UseManualTime() : made->UseRealTime();
}

/// A fast wrong answer is worth nothing: the program ends.
[[noreturn]] inline void wrong_result(const char* workload) {
  std::fprintf(stderr, "coppice_bench: wrong result of %s\n", workload);
  std::abort();
}

template <class T>
void check(const char* workload, const T& got, const T& expected) {
  if (got != expected) wrong_result(workload);
}

void add_serial_rows();
void add_coppice_rows();
void add_onetbb_rows();
void add_openmp_rows();
void add_async_rows();
void add_fifo_rows();

}  // namespace bench
