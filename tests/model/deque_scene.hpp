// The shipped split deque with items, which whoever takes them accounts for. Programs call it as the owner
// and as thieves.
#pragma once

#include <coppice/detail/deque.hpp>

#include "explorer/program.hpp"

namespace deque_model {

using coppice::detail::basic_split_deque;
using coppice::detail::frame;
using model::check;

inline bool barrier_on_every_thread() {
  model::execution::current()->heavy_fence(model::where::current());
  return true;
}

struct item : frame {
  item() : frame{nullptr, frame::fresh} {}
  int contents = 0;  // written before the push, read by whoever takes it: plain
};

// A deque with items, and the account of who was taken.
template <std::uint32_t Capacity, unsigned Items, std::uint32_t Reserve = 0>
struct scene {
  scene() = default;
  explicit scene(coppice::detail::deque_index first) : deque(first) {}

  basic_split_deque<Capacity, Reserve> deque;
  item items[Items];
  coppice::detail::deque_index index[Items] = {};
  model::ledger taken{Items};

  // Owner.
  void push(unsigned i) {
    items[i].contents = 1;
    check(deque.has_room() && deque.push_below_bound(items[i], &index[i]), "there is room");
  }
  bool try_push(unsigned i) {
    items[i].contents = 1;
    return deque.has_room() && deque.push_below_bound(items[i], &index[i]);
  }
  bool pop() { return take(deque.pop()); }
  // The join of item i, which is on top unless it was stolen.
  void join(unsigned i) {
    if (deque.pop_if_private(index[i])) {
      take(&items[i]);
      return;
    }
    frame* const f = deque.pop();
    check(f == nullptr || f == &items[i], "a join finds its own frame on top, or nothing");
    take(f);
  }
  // Thieves.
  bool steal() { return take(deque.steal()); }
  std::uint32_t expose() { return deque.expose(&barrier_on_every_thread); }

  bool take(frame* f) {
    if (f == nullptr) return false;
    auto* const i = static_cast<item*>(f);
    check(i->contents == 1, "the item's contents came with it");
    i->contents = 2;
    taken.enter(static_cast<std::size_t>(i - items));
    return true;
  }
  // The owner takes what is left, then nothing is.
  void drain() {
    while (pop()) {
    }
    check(deque.empty_for_owner(), "an owner that pops nothing has an empty deque");
  }
  void check_all_taken() const { taken.check_exactly_once(); }
};

}  // namespace deque_model
