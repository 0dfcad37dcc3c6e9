// The one door to the time by which jobs meet their deadlines: steady_clock's, or one that a test holds.
//
//   platform::held_clock clock;                        // before what waits by it is made
//   coppice::scheduler s;
//   auto job = s.submit(search, {.deadline = clock.now() + 10s});
//   clock.advance(10s);                                // the deadline is reached now
//
// Threads: any. Who waits by this clock is told of each move, in the thread that moves it.
#pragma once

#include <chrono>
#include <mutex>

#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace platform {

using deadline_time = std::chrono::steady_clock::time_point;

deadline_time deadline_now() noexcept;
bool deadline_clock_is_held() noexcept;

// Who waits by the clock, while it is held: told(who) is called after each move. Made and destroyed under no
// lock that told() takes.
class deadline_waiter {
 public:
  deadline_waiter(void (*told)(void* who), void* who) noexcept;
  ~deadline_waiter();
  deadline_waiter(const deadline_waiter&) = delete;
  deadline_waiter& operator=(const deadline_waiter&) = delete;

 private:
  friend class held_clock;
  void (*const told_)(void*);
  void* const who_;
  deadline_waiter* next_ = nullptr;
};

// Waits on `changed` until it is notified or, by this clock, `when`. May wake for nothing. With a clock that
// is held, a deadline_waiter notifies.
template <class Lock>
void wait_for_deadline(detail::condition_variable& changed, Lock& hold, deadline_time when) {
  if (deadline_clock_is_held())
    changed.wait(hold);
  else
    changed.wait_until(hold, when);
}

// While it lives the time stands still but for advance(). One at a time.
class held_clock {
 public:
  explicit held_clock(deadline_time at = deadline_time(std::chrono::hours(1)));
  ~held_clock();
  held_clock(const held_clock&) = delete;
  held_clock& operator=(const held_clock&) = delete;

  deadline_time now() const noexcept { return deadline_now(); }
  void advance(std::chrono::nanoseconds by);
};

}  // namespace platform
}  // namespace v0
}  // namespace coppice
