// The mutex of everything below the FIFO pool.
//
// Its lock polls for about a microsecond before it has the system put the thread to sleep: nearly all locks
// here are held for less than that, and a sleep with its wake costs several, of which the holder pays one.
// (Longer: a deque's while one of its frames is exposed, 11 to 21 us; a crew's while workers are bound or
// described; the queue's while a stop goes through its jobs.) To lock and to unlock takes a locked
// instruction each and little else.
//
// Invariant. Whoever sleeps has made the word `is_awaited`, or seen it so, and the system looks at it once
// more; whoever unlocks it takes that away and wakes one. The one that wakes makes it `is_awaited` again:
// there may be others.
//
// Orders
//   lock  acquire when it is taken, release when it is given back: what was done under it is seen under it.
//
// Source: Drepper, Futexes are tricky (2011), the second mutex.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <cstdint>
#include <mutex>

namespace coppice {
inline namespace v0 {
namespace detail {

class COPPICE_API adaptive_mutex {
 public:
  adaptive_mutex() = default;
  adaptive_mutex(const adaptive_mutex&) = delete;
  adaptive_mutex& operator=(const adaptive_mutex&) = delete;

  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_or_sleep();
  }
  bool try_lock() noexcept {
    std::uint32_t seen = is_free;
    // order(lock): acquire; pairs with the release in unlock().
    return word_.compare_exchange_strong(seen, is_held, memory_order_acquire, memory_order_relaxed);
  }
  void unlock() noexcept {
    // order(lock): release; pairs with the acquire of the next one. From here on the mutex may be gone.
    if (word_.exchange(is_free, memory_order_release) == is_awaited) [[unlikely]]
      wake_one(word_);
  }

 private:
  static constexpr std::uint32_t is_free = 0, is_held = 1, is_awaited = 2;
  COPPICE_COLD void lock_or_sleep() noexcept;
  COPPICE_COLD static void wake_one(const atomic<std::uint32_t>& word) noexcept;
  atomic<std::uint32_t> word_{is_free};
};

#ifndef COPPICE_POLICY

using mutex = adaptive_mutex;
using unique_lock = std::unique_lock<mutex>;

#endif

}  // namespace detail
}  // namespace v0
}  // namespace coppice
