#include "measure.hpp"

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <thread>

namespace bench {
namespace {

std::chrono::nanoseconds cpu_time_of(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double microseconds(wake_meter::moment from, wake_meter::moment to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

}  // namespace

void work_for(std::chrono::nanoseconds cpu_time) {
  const auto end = cpu_time_of(CLOCK_THREAD_CPUTIME_ID) + cpu_time;
  std::uint64_t x = 1;
  do {
    for (int i = 0; i < 2000; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
    benchmark::DoNotOptimize(x);
  } while (cpu_time_of(CLOCK_THREAD_CPUTIME_ID) < end);
}

void wake_meter::let_it_fall_asleep() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

void wake_meter::add(benchmark::State& state, moment asked, moment started, moment back) {
  state.SetIterationTime(std::chrono::duration<double>(back - asked).count());
  there_us_.push_back(microseconds(asked, started));
  and_back_us_.push_back(microseconds(asked, back));
}

void wake_meter::report(benchmark::State& state) {
  if (there_us_.empty()) return;
  state.counters["start_us"] = median(there_us_);
  state.counters["back_us"] = median(and_back_us_);
}

void measure_idle(benchmark::State& state) {
  using namespace std::chrono;
  std::this_thread::sleep_for(milliseconds(50));
  nanoseconds cpu{0};
  nanoseconds wall{0};
  for (auto _ : state) {
    const auto cpu_before = cpu_time_of(CLOCK_PROCESS_CPUTIME_ID);
    const auto before = steady_clock::now();
    std::this_thread::sleep_for(seconds(1));
    wall += steady_clock::now() - before;
    cpu += cpu_time_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
  }
  state.counters["cpu_percent"] =
      100.0 * static_cast<double>(cpu.count()) / static_cast<double>(wall.count());
}

}  // namespace bench
