// A parker: one thread sleeps in it, anybody wakes it. A wake that comes first is kept, one at most.
//
// Orders
//   word_  unpark: exchange(release); pairs with the acquire of park(): what the waker did before is seen by
//   the woken.
// The parker outlives every wake because workers live as long as their crew.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <cstdint>

#include "platform/futex.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

class parker {
 public:
  // Sleeps until woken; at once if a wake was kept. False: the deadline passed first.
  bool park(const std::chrono::steady_clock::time_point* deadline = nullptr) noexcept {
    std::uint32_t seen = idle;
    if (word_.compare_exchange_strong(seen, asleep, memory_order_relaxed, memory_order_relaxed))
      while (platform::futex_wait(word_, asleep, deadline) && word_.load(memory_order_relaxed) == asleep) {
      }
    return use_up();
  }

  void unpark() noexcept {
    // order(unpark): release; pairs with the acquire of park().
    if (word_.exchange(woken, memory_order_release) == asleep) platform::futex_wake_one(word_);
  }

 private:
  // True: there was a wake. By an exchange: a plain store could take effect after the caller has looked at
  // what it waits for, and undo a second wake that came in between.
  bool use_up() noexcept {
    // order(unpark): acquire; pairs with the release of unpark().
    return word_.exchange(idle, memory_order_acquire) == woken;
  }

  static constexpr std::uint32_t idle = 0, asleep = 1, woken = 2;
  platform::futex_word word_{idle};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
