// Streams of results on the scheduler and on the FIFO pool. streams.hpp holds what is measured.
#include "streams.hpp"

#include <coppice/coppice.hpp>
#include <ranges>

namespace {

std::uint64_t run(auto& pool, unsigned rounds, bool ordered) {
  std::uint64_t sum = 0;
  for (auto& r : pool.map(std::views::iota(std::uint64_t{0}, bench::stream_items),
                          [rounds](std::uint64_t i) { return bench::worked(i, rounds); },
                          {.capacity = bench::stream_window, .ordered = ordered}))
    sum += r.value();
  return sum;
}

const bool registered = [] {
  for (const bool ordered : {false, true}) {
    const std::string suffix = ordered ? "_ordered" : "";
    bench::add_stream_rows("coppice" + suffix, [ordered](unsigned workers, auto measure) {
      coppice::scheduler scheduler({.workers = workers});
      measure([&](unsigned rounds) { return run(scheduler, rounds, ordered); });
    });
    bench::add_stream_rows("fifo" + suffix, [ordered](unsigned workers, auto measure) {
      coppice::fifo_pool pool({.workers = workers});
      measure([&](unsigned rounds) { return run(pool, rounds, ordered); });
    });
  }
  return true;
}();

}  // namespace
