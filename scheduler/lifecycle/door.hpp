// The door of a scheduler: who is on his way in, and whether anybody may come.
//
// One word. Whoever comes counts himself first and then reads whether the door is open: what closes it sees
// him, or he sees that it is closed.
//
// Orders
//   door  acq_rel on all: what someone did in the door is over for whoever reads that nobody is left.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

class door {
 public:
  // Counts the caller, who must leave in any case. False: it is closed.
  // order(door): acq_rel; pairs with itself.
  bool enter() noexcept { return (word_.fetch_add(1, memory_order_acq_rel) & is_closed) == 0; }
  // False: it is closed, and the caller is still in it: it leaves under the lock of whoever waits for that,
  // who may take all away as soon as nobody is left.
  bool leave_if_open() noexcept {
    std::uint64_t seen = word_.load(memory_order_relaxed);
    while ((seen & is_closed) == 0)
      // order(door): acq_rel; pairs with itself.
      if (word_.compare_exchange_weak(seen, seen - 1, memory_order_acq_rel, memory_order_relaxed))
        return true;
    return false;
  }
  // order(door): acq_rel; pairs with itself.
  void leave() noexcept { word_.fetch_sub(1, memory_order_acq_rel); }
  // order(door): acq_rel; pairs with itself.
  void close() noexcept { word_.fetch_or(is_closed, memory_order_acq_rel); }
  // order(door): acquire; pairs with the fetch_or in close().
  bool closed() const noexcept { return (word_.load(memory_order_acquire) & is_closed) != 0; }
  // order(door): acquire; pairs with the fetch_sub in leave().
  bool nobody() const noexcept { return (word_.load(memory_order_acquire) & ~is_closed) == 0; }

 private:
  static constexpr std::uint64_t is_closed = std::uint64_t{1} << 63;
  atomic<std::uint64_t> word_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
