// What a loop around a call does not measure: CPU time spent, the way to a sleeping worker, the price of
// idling.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <vector>

namespace bench {

/// Works until this thread has used that much CPU time. Not until a moment: then two threads on one core
/// would both be ready in time. Not for a number of steps: then the best schedule would be as long as the
/// machine's mood.
void work_for(std::chrono::nanoseconds cpu_time);

/// The most memory that this process has had resident. Of a row alone only where the row has the process for
/// itself, as with scripts/bench.
double peak_resident_mib();

/// Collects the two halves of how long a submitted task takes: until it starts, and until its submitter goes
/// on.
class response_meter {
 public:
  using moment = std::chrono::steady_clock::time_point;

  /// Longer than any of the runtimes spins.
  static void let_it_fall_asleep();
  void add(benchmark::State& state, moment asked, moment started, moment back);
  /// Adds medians and 99th percentiles as counters; the time of the row is a mean, in which one late
  /// interrupt can be seen.
  void report(benchmark::State& state);
  /// Writes all samples to the file that COPPICE_BENCH_SAMPLES names, if any. Before report().
  void write_samples() const;

 private:
  std::vector<double> there_us_;
  std::vector<double> and_back_us_;
};

/// Measures a runtime that is given single tasks while it sleeps. `submit(f)` has f run by a worker and
/// returns f's value, which is the moment when f ran. The row must use manual time.
template <class Submit>
void measure_wake(benchmark::State& state, Submit submit) {
  response_meter meter;
  for (auto _ : state) {
    response_meter::let_it_fall_asleep();
    const auto asked = std::chrono::steady_clock::now();
    const response_meter::moment started = submit([] { return std::chrono::steady_clock::now(); });
    meter.add(state, asked, started, std::chrono::steady_clock::now());
  }
  meter.write_samples();
  meter.report(state);
}

/// Measures a runtime that is given small tasks, the next one as soon as the one before has come back.
/// `submit()` has a task run and returns the moment when it did. The row must use manual time.
template <class Submit>
void measure_responses(benchmark::State& state, Submit submit) {
  response_meter meter;
  // Nobody's first steps are among the samples.
  for (int i = 0; i < 200; ++i) submit();
  for (auto _ : state) {
    const auto asked = std::chrono::steady_clock::now();
    const response_meter::moment started = submit();
    meter.add(state, asked, started, std::chrono::steady_clock::now());
  }
  meter.report(state);
}

/// The CPU time of this process over a second in which nobody gives the runtime anything to do, as a counter.
/// The row must have one iteration.
void measure_idle(benchmark::State& state);

}  // namespace bench
