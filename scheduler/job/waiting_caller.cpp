#include "job/waiting_caller.hpp"

#include <algorithm>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/job_core.hpp>
#include <cstdint>

#include "job/job_state.hpp"
#include "platform/fork.hpp"
#include "platform/thread.hpp"
#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// What it costs to be woken on a core that has gone idle meanwhile (2-core x86-64 virtual machine, 2026-11).
constexpr std::chrono::microseconds caller_polls{20};

// A slice is some milliseconds long, a yield without one a microsecond.
constexpr std::chrono::microseconds long_yield{200};
constexpr std::uint32_t least_rest = 64;
constexpr std::uint32_t longest_rest = 4096;

struct alignas(cache_line) waiting_callers {
  atomic<std::uint32_t> now{0};
  // Hints: how many waits sleep at once from now on, and how many would after the next long yield.
  atomic<std::uint32_t> resting{0};
  atomic<std::uint32_t> next_rest{least_rest};
};
process_wide<waiting_callers> callers;

// Those who waited were other threads, which the child has not.
const bool nobody_waits_in_children =
    (platform::at_fork(nullptr, nullptr, [] { callers->now.store(0, memory_order_relaxed); }), true);

}  // namespace

waiting_caller::waiting_caller() noexcept : alone_(callers->now.fetch_add(1, memory_order_relaxed) == 0) {}
waiting_caller::~waiting_caller() { callers->now.fetch_sub(1, memory_order_relaxed); }

bool waiting_caller::polls(const job_core& job, const job_state& s, clock::time_point latest) const noexcept {
  if (!alone_ || !s.submitter_polls || s.submitted_on != platform::current_cpu()) return false;
  const auto until = std::min(clock::now() + caller_polls, latest);
  do {
    for (unsigned i = 0; i < 8; ++i) relax();
    if (job.done()) return true;
  } while (clock::now() < until);
  return false;
}

bool waiting_caller::gives_way(const job_core& job) const noexcept {
  if (alone_) return false;
  if (const std::uint32_t left = callers->resting.load(memory_order_relaxed)) {
    callers->resting.store(left - 1, memory_order_relaxed);
    return false;
  }
  const auto since = clock::now();
  yield();
  if (clock::now() - since <= long_yield) {
    callers->next_rest.store(least_rest, memory_order_relaxed);
  } else {
    const std::uint32_t rest = callers->next_rest.load(memory_order_relaxed);
    callers->resting.store(rest, memory_order_relaxed);
    callers->next_rest.store(std::min(rest * 4, longest_rest), memory_order_relaxed);
  }
  return job.done();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
