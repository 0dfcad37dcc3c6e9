// stream: numbers through a stage that does little or nothing, what a stream itself costs. A reader takes
// each result, adds it up and gives its place back; the sum is checked.
//
//   coppice, fifo             the thread outside reads, on the first worker's core, beside W workers
//   coppice_inside, onetbb    one of the W workers reads
//   ..._ordered               in the order of the numbers, otherwise as they come
#pragma once

#include <cstdint>
#include <ranges>
#include <string>

#include "workloads/base.hpp"

namespace bench {

inline constexpr std::uint64_t stream_items = 200000;
inline constexpr std::size_t stream_window = 1024;

struct stream_work {
  const char* name;
  unsigned rounds;
};
inline constexpr stream_work stream_works[] = {{"none", 0}, {"1us", 1000}};

/// Some rounds of a generator that the compiler cannot shorten; about 1 ns each.
inline std::uint64_t worked(std::uint64_t i, unsigned rounds) {
  std::uint64_t x = i;
  for (unsigned k = 0; k < rounds; ++k) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    asm volatile("" : "+r"(x));
  }
  return i + (x & 0);
}

/// A stream of coppice's, on either of its pools, which the calling thread reads.
template <class Pool>
std::uint64_t read_stream(Pool& pool, unsigned rounds, bool ordered) {
  std::uint64_t sum = 0;
  for (auto& r : pool.map(std::views::iota(std::uint64_t{0}, stream_items),
                          [rounds](std::uint64_t i) { return worked(i, rounds); },
                          {.capacity = stream_window, .ordered = ordered}))
    sum += r.value();
  return sum;
}

/// Runtime: one that has stream(rounds, ordered), which sends the numbers through worked() and returns the
/// sum.
template <class Runtime>
void add_streams(const std::string& runtime, unsigned workers) {
  for (const bool ordered : {false, true})
    for (const stream_work& work : stream_works)
      add_row({"stream", ordered ? runtime + "_ordered" : runtime, std::string("work:") + work.name, workers},
              [=, rounds = work.rounds](benchmark::State& state) {
                Runtime made(workers);
                const auto caller = beside_the_first_worker<Runtime>(workers);
                for (auto _ : state)
                  check("stream", made.stream(rounds, ordered), stream_items * (stream_items - 1) / 2);
                state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(stream_items));
                made.report(state);
              });
}

}  // namespace bench
