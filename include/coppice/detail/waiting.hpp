// What is waited with beside the futex: a condition variable and the clock. Named here for the reason that
// atomics are named in atomic.hpp: another policy can take their place.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/mutex.hpp>
#include <cstdint>
#include <mutex>

namespace coppice {
inline namespace v0 {
namespace detail {

// The condition variable of adaptive_mutex. What is waited for changes under the mutex, and whoever has
// changed it notifies, under the mutex or after it.
//
// Invariant. Who waits has counted himself and read the number of notifications before he unlocks. Whoever
// has the mutex after that sees the count, and changes the number before he wakes: the system finds another
// number, or somebody who sleeps.
class COPPICE_API condition {
 public:
  using lock_type = std::unique_lock<adaptive_mutex>;
  using time_point = std::chrono::steady_clock::time_point;

  condition() = default;
  condition(const condition&) = delete;
  condition& operator=(const condition&) = delete;

  void notify_one() noexcept;
  void notify_all() noexcept;
  // As all waits here it may return for no reason.
  void wait(lock_type& hold) noexcept { sleep(hold, nullptr); }
  template <class Predicate>
  void wait(lock_type& hold, Predicate met) {
    while (!met()) sleep(hold, nullptr);
  }
  void wait_until(lock_type& hold, time_point when) noexcept { sleep(hold, &when); }
  template <class Predicate>
  bool wait_until(lock_type& hold, time_point when, Predicate met) {
    while (!met())
      if (!sleep(hold, &when)) return met();
    return true;
  }

 private:
  // False: the time has come.
  bool sleep(lock_type& hold, const time_point* until) noexcept;

  // order(notified): relaxed on all; the mutex orders them, and the system the number with its sleepers.
  atomic<std::uint32_t> number_{0};
  atomic<std::uint32_t> waiting_{0};  // written under the mutex
};

#ifndef COPPICE_POLICY

using condition_variable = condition;
// Its time points are steady_clock's.
using clock = std::chrono::steady_clock;

#endif

}  // namespace detail
}  // namespace v0
}  // namespace coppice
