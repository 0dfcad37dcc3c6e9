// Numbers through a stage that does little or nothing: what a stream itself costs. The sums are checked.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace bench {

inline constexpr std::uint64_t stream_items = 200000;
inline constexpr std::size_t stream_window = 1024;

struct stream_work {
  const char* name;
  unsigned rounds;
};
inline constexpr stream_work stream_works[] = {{"none", 0}, {"1us", 1000}};

// Some rounds of a generator that the compiler cannot shorten; about 1 ns each.
inline std::uint64_t worked(std::uint64_t i, unsigned rounds) {
  std::uint64_t x = i;
  for (unsigned k = 0; k < rounds; ++k) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    asm volatile("" : "+r"(x));
  }
  return i + (x & 0);
}

inline void check_stream(std::uint64_t sum) {
  if (sum == stream_items * (stream_items - 1) / 2) return;
  std::fputs("coppice_bench: wrong result of stream\n", stderr);
  std::abort();
}

inline std::vector<unsigned> stream_workers() {
  std::vector<unsigned> counts{1};
  for (unsigned n = 2; n <= std::max(2U, std::thread::hardware_concurrency()); n *= 2) counts.push_back(n);
  return counts;
}

template <class Body>  // makes what runs the stream, then gives the function that runs it once
void add_stream_rows(const std::string& runtime, Body body) {
  for (const unsigned workers : stream_workers())
    for (const stream_work& work : stream_works)
      benchmark::RegisterBenchmark(
          ("stream/" + runtime + "/work:" + work.name + "/workers:" + std::to_string(workers)).c_str(),
          [=](benchmark::State& state) {
            body(workers, [&](auto run) {
              for (auto _ : state) check_stream(run(work.rounds));
            });
            state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(stream_items));
          })
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
}

}  // namespace bench
