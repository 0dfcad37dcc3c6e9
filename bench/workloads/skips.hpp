// Cancelling what is queued: each worker has a full deque, one of them cancels, and the time is measured
// until all closures are gone and whoever waits goes on.
#pragma once

#include <chrono>

#include "workloads/base.hpp"

namespace bench {

inline constexpr unsigned queued_on_each = 8000;  // no deque of a runtime refuses them

/// Runtime: one that has skip(workers, n): n queued tasks on each worker, none of which runs; the time from
/// the cancel until whoever waits for them goes on.
template <class Runtime>
void add_skip(const char* runtime, unsigned workers) {
  const unsigned rounds = the_settings().sized(1'000'000U, 4'000'000U) / (queued_on_each * workers);
  add_row(
      {"skip", runtime, parameter("n", std::uint64_t{rounds} * queued_on_each * workers), workers},
      [=](benchmark::State& state) {
        Runtime made(workers);
        const auto caller = beside_the_first_worker<Runtime>(workers);
        std::chrono::nanoseconds took{0};
        for (auto _ : state) {
          std::chrono::nanoseconds all{0};
          for (unsigned i = 0; i < rounds; ++i) all += made.skip(workers, queued_on_each);
          took += all;
          state.SetIterationTime(std::chrono::duration<double>(all).count());
        }
        const double tasks = static_cast<double>(state.iterations()) * rounds * queued_on_each;
        state.counters["skipped_per_s_and_worker"] = tasks / std::chrono::duration<double>(took).count();
        made.report(state);
      },
      timing::manual);
}

}  // namespace bench
