// The watchdog: says what every worker runs when all of them stand still although jobs have not ended. A
// thread of its own, only where it was asked for.
//
// What stands still uses no processor time, so that is what is compared; a tree of joins leaves no other
// trace.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "platform/thread.hpp"
#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

class scheduler_core;

// Of the workers of a scheduler.
struct worker_times {
  std::chrono::nanoseconds used{0};  // processor time of those that are there
  std::uint64_t left = 0;            // those that have gone, ever
};

// What one look at a scheduler sees.
struct standstill_look {
  std::uint64_t came = 0, live = 0;  // jobs, ever; those that have not ended
  worker_times workers{};
  std::uint64_t ended() const noexcept { return came - live; }
};

// Whether all of them stood still from one look to the next, although there was a job all the time.
bool stood_still(const standstill_look& before, const standstill_look& now,
                 std::chrono::milliseconds between) noexcept;

class stall_watchdog {
 public:
  stall_watchdog(scheduler_core& watched, std::chrono::milliseconds after) noexcept
      : watched_(watched), after_(after) {}
  ~stall_watchdog() { stop(); }
  stall_watchdog(const stall_watchdog&) = delete;
  stall_watchdog& operator=(const stall_watchdog&) = delete;

  bool on() const noexcept { return after_.count() > 0; }
  void start();  // throws std::system_error
  void stop() noexcept;
  std::uint64_t reports() const noexcept { return reports_.load(memory_order_relaxed); }

 private:
  void run() noexcept;
  standstill_look look() const;
  std::string report() const;

  scheduler_core& watched_;
  const std::chrono::milliseconds after_;
  mutex lock_;
  condition_variable changed_;
  bool stopping_ = false;
  bool told_ = false;  // once for each time that they stand still
  atomic<std::uint64_t> reports_{0};
  std::optional<platform::thread> thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
