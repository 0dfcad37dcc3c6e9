#include "measure.hpp"

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "settings.hpp"

namespace bench {
namespace {

std::chrono::nanoseconds cpu_time_of(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

/// Changes the order of the values.
double quantile(std::vector<double>& values, double share) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void write_to(const char* path, const std::vector<double>& there, const std::vector<double>& back) {
  std::ofstream file(path);
  const auto list = [&](const char* name, const std::vector<double>& values) {
    file << '"' << name << "\": [";
    for (std::size_t i = 0; i < values.size(); ++i) file << (i == 0 ? "" : ", ") << values[i];
    file << ']';
  };
  file << '{';
  list("start_us", there);
  file << ", ";
  list("back_us", back);
  file << "}\n";
  if (!file.flush()) {
    std::fprintf(stderr, "coppice_bench: cannot write the samples to '%s'\n", path);
    std::exit(2);
  }
}

double microseconds(response_meter::moment from, response_meter::moment to) {
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

double peak_resident_mib() {
  // Not getrusage: its maximum begins with that of the process which started this one.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

void response_meter::let_it_fall_asleep() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

void response_meter::add(benchmark::State& state, moment asked, moment started, moment back) {
  state.SetIterationTime(std::chrono::duration<double>(back - asked).count());
  there_us_.push_back(microseconds(asked, started));
  and_back_us_.push_back(microseconds(asked, back));
}

void response_meter::report(benchmark::State& state) {
  if (there_us_.empty()) return;
  state.counters["start_us"] = quantile(there_us_, 0.5);
  state.counters["start_p99_us"] = quantile(there_us_, 0.99);
  state.counters["back_us"] = quantile(and_back_us_, 0.5);
  state.counters["back_p99_us"] = quantile(and_back_us_, 0.99);
}

void response_meter::write_samples() const {
  if (const char* path = std::getenv("COPPICE_BENCH_SAMPLES")) write_to(path, there_us_, and_back_us_);
}

void measure_idle(benchmark::State& state) {
  using namespace std::chrono;
  const milliseconds idle_time(the_settings().sized(300, 1000, 1000));
  std::this_thread::sleep_for(milliseconds(50));
  nanoseconds cpu{0};
  nanoseconds wall{0};
  for (auto _ : state) {
    const auto cpu_before = cpu_time_of(CLOCK_PROCESS_CPUTIME_ID);
    const auto before = steady_clock::now();
    std::this_thread::sleep_for(idle_time);
    wall += steady_clock::now() - before;
    cpu += cpu_time_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
  }
  state.counters["cpu_percent"] =
      100.0 * static_cast<double>(cpu.count()) / static_cast<double>(wall.count());
}

}  // namespace bench
