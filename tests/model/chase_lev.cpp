// The explorer's own acceptance: a Chase-Lev deque, right and broken.
//
// One owner with three pushes and four pops, two thieves with two steals each. Source: Le, Pop, Cohen and
// Zappa Nardelli, Correct and efficient work-stealing for weak memory models (2013), figure 1, without the
// growth.
#include <coppice/detail/atomic.hpp>

#include "explorer/program.hpp"

namespace {

using coppice::detail::atomic;
constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
constexpr auto seq_cst = std::memory_order_seq_cst;

void fence() { model::execution::current()->fence(seq_cst, model::where::current()); }

// What is done differently from the right version.
struct variant {
  std::memory_order publish = release;    // bottom, in push
  std::memory_order steal_top = acquire;  // top, in steal
  bool fence_in_pop = true, fence_in_steal = true;
  bool exchange_for_the_last = true;
};

class chase_lev {
 public:
  explicit chase_lev(variant v) : v_(v) {}

  void push(int* item) {
    const int b = bottom_.load(relaxed);
    items_[b % capacity].store(item, relaxed);
    bottom_.store(b + 1, v_.publish);
  }
  int* pop() {
    const int b = bottom_.load(relaxed) - 1;
    // Release, though it publishes nothing: since C++20 a later plain store of the same thread no longer
    // continues the release sequence of push, and a thief may read this one.
    bottom_.store(b, v_.publish);
    if (v_.fence_in_pop) fence();
    int t = top_.load(relaxed);
    if (t > b) {
      bottom_.store(b + 1, v_.publish);
      return nullptr;
    }
    int* item = items_[b % capacity].load(relaxed);
    if (t == b) {
      if (!v_.exchange_for_the_last)
        top_.store(t + 1, relaxed);
      else if (!top_.compare_exchange_strong(t, t + 1, acq_rel, relaxed))
        item = nullptr;
      bottom_.store(b + 1, v_.publish);
    }
    return item;
  }
  int* steal() {
    int t = top_.load(v_.steal_top);
    if (v_.fence_in_steal) fence();
    const int b = bottom_.load(acquire);
    if (t >= b) return nullptr;
    int* const item = items_[t % capacity].load(relaxed);
    // No more than acq_rel: what the owner must not miss, the fences show.
    return top_.compare_exchange_strong(t, t + 1, acq_rel, relaxed) ? item : nullptr;
  }

 private:
  static constexpr int capacity = 4;
  const variant v_;
  atomic<int> top_{0}, bottom_{0};
  atomic<int*> items_[capacity];
};

void owner_and_two_thieves(variant v) {
  constexpr int pushes = 3;
  chase_lev deque(v);
  int items[pushes] = {};
  model::ledger taken(pushes);
  const auto take = [&](int* item) {
    if (item == nullptr) return;
    model::check(*item == 1, "the item's contents came with it");
    taken.enter(static_cast<std::size_t>(item - items));
  };
  const auto steal_twice = [&] {
    take(deque.steal());
    take(deque.steal());
  };
  model::thread a(steal_twice), b(steal_twice);
  const auto push = [&](int i) {
    items[i] = 1;
    deque.push(&items[i]);
  };
  push(0);
  push(1);
  take(deque.pop());
  push(2);
  take(deque.pop());
  take(deque.pop());
  take(deque.pop());
  a.join();
  b.join();
  taken.check_exactly_once();
}

MODEL(ChaseLev, {.preemptions = 2}) { owner_and_two_thieves({}); }
MODEL(ChaseLevWithARelaxedTopInSteal, {.preemptions = 1}) { owner_and_two_thieves({.steal_top = relaxed}); }
MODEL_MUST_FAIL(ChaseLevPublishesBottomRelaxed, "data race", {.preemptions = 1}) {
  owner_and_two_thieves({.publish = relaxed});
}
MODEL_MUST_FAIL(ChaseLevPopsWithoutAFence, "times", {.preemptions = 1}) {
  owner_and_two_thieves({.fence_in_pop = false});
}
MODEL_MUST_FAIL(ChaseLevStealsWithoutAFence, "times", {.preemptions = 1}) {
  owner_and_two_thieves({.fence_in_steal = false});
}
MODEL_MUST_FAIL(ChaseLevTakesTheLastWithoutAnExchange, "times", {.preemptions = 1}) {
  owner_and_two_thieves({.exchange_for_the_last = false});
}

}  // namespace
