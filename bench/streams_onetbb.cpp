// The same on oneTBB's parallel_pipeline: a serial source, a parallel stage, a serial sink; as many tokens as
// the window of a stream has places.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include "streams.hpp"

namespace {

std::uint64_t run(unsigned rounds, bool ordered) {
  std::uint64_t next = 0;
  std::uint64_t sum = 0;
  const auto source = [&next](tbb::flow_control& control) -> std::uint64_t {
    if (next == bench::stream_items) {
      control.stop();
      return 0;
    }
    return next++;
  };
  tbb::parallel_pipeline(
      bench::stream_window,
      tbb::make_filter<void, std::uint64_t>(tbb::filter_mode::serial_in_order, source) &
          tbb::make_filter<std::uint64_t, std::uint64_t>(
              tbb::filter_mode::parallel, [rounds](std::uint64_t i) { return bench::worked(i, rounds); }) &
          tbb::make_filter<std::uint64_t, void>(
              ordered ? tbb::filter_mode::serial_in_order : tbb::filter_mode::serial_out_of_order,
              [&sum](std::uint64_t i) { sum += i; }));
  return sum;
}

const bool registered = [] {
  for (const bool ordered : {false, true})
    bench::add_stream_rows(ordered ? "onetbb_ordered" : "onetbb", [ordered](unsigned workers, auto measure) {
      tbb::global_control limit(tbb::global_control::max_allowed_parallelism, workers);
      tbb::task_arena arena(static_cast<int>(workers));
      measure([&](unsigned rounds) { return arena.execute([&] { return run(rounds, ordered); }); });
    });
  return true;
}();

}  // namespace
