#include "platform/deadline_clock.hpp"

#include <atomic>
#include <cassert>
#include <limits>

namespace coppice {
inline namespace v0 {
namespace platform {

namespace {

using ticks = deadline_time::duration::rep;
constexpr ticks not_held = std::numeric_limits<ticks>::min();

// Relaxed: who must see a move is told of it under a lock.
constinit std::atomic<ticks> held_at{not_held};

std::mutex waiters_lock;
deadline_waiter* first_waiter = nullptr;  // under waiters_lock

}  // namespace

deadline_time deadline_now() noexcept {
  const ticks at = held_at.load(std::memory_order_relaxed);
  return at == not_held ? std::chrono::steady_clock::now() : deadline_time(deadline_time::duration(at));
}

bool deadline_clock_is_held() noexcept { return held_at.load(std::memory_order_relaxed) != not_held; }

// The lock is asked for only by tests, so a fork finds it free.
deadline_waiter::deadline_waiter(void (*told)(void*), void* who) noexcept : told_(told), who_(who) {
  if (!deadline_clock_is_held()) return;
  const std::lock_guard hold(waiters_lock);
  next_ = first_waiter;
  first_waiter = this;
}

deadline_waiter::~deadline_waiter() {
  if (!deadline_clock_is_held()) return;
  const std::lock_guard hold(waiters_lock);
  for (deadline_waiter** at = &first_waiter; *at != nullptr; at = &(*at)->next_) {
    if (*at != this) continue;
    *at = next_;
    return;
  }
}

held_clock::held_clock(deadline_time at) {
  assert(!deadline_clock_is_held());
  held_at.store(at.time_since_epoch().count(), std::memory_order_relaxed);
}

held_clock::~held_clock() {
  assert(first_waiter == nullptr);
  held_at.store(not_held, std::memory_order_relaxed);
}

void held_clock::advance(std::chrono::nanoseconds by) {
  const std::lock_guard hold(waiters_lock);
  held_at.store((deadline_now() + by).time_since_epoch().count(), std::memory_order_relaxed);
  for (deadline_waiter* w = first_waiter; w != nullptr; w = w->next_) w->told_(w->who_);
}

}  // namespace platform
}  // namespace v0
}  // namespace coppice
