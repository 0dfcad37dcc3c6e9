// Streams as oneTBB's parallel_pipeline: a serial source, a parallel stage, a serial sink; as many tokens as
// the window of a stream has places.
#include <oneapi/tbb/parallel_pipeline.h>

#include "runtimes/onetbb.hpp"

namespace bench {
namespace {

std::uint64_t pipeline(unsigned rounds, bool ordered) {
  std::uint64_t next = 0;
  std::uint64_t sum = 0;
  const auto source = [&next](tbb::flow_control& control) -> std::uint64_t {
    if (next == stream_items) {
      control.stop();
      return 0;
    }
    return next++;
  };
  tbb::parallel_pipeline(
      stream_window,
      tbb::make_filter<void, std::uint64_t>(tbb::filter_mode::serial_in_order, source) &
          tbb::make_filter<std::uint64_t, std::uint64_t>(
              tbb::filter_mode::parallel, [rounds](std::uint64_t i) { return worked(i, rounds); }) &
          tbb::make_filter<std::uint64_t, void>(
              ordered ? tbb::filter_mode::serial_in_order : tbb::filter_mode::serial_out_of_order,
              [&sum](std::uint64_t i) { sum += i; }));
  return sum;
}

class onetbb_stream_runtime : public onetbb_runtime<invoke_verbs> {
 public:
  using onetbb_runtime::onetbb_runtime;
  std::uint64_t stream(unsigned rounds, bool ordered) {
    return run([=] { return pipeline(rounds, ordered); });
  }
};

}  // namespace

void add_onetbb_stream_rows(unsigned workers) { add_streams<onetbb_stream_runtime>("onetbb", workers); }

}  // namespace bench
