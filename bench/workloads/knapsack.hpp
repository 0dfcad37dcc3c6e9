// knapsack: branch and bound. A branch stops where its bound is below the best found so far, by whichever
// worker: how much there is to do depends on the order. The serial program goes depth first, as all do with
// one worker. So there is no number of branches to check: only that the best is found.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "workloads/base.hpp"

namespace bench {

class knapsack_work {
 public:
  explicit knapsack_work(int items) {
    std::uint64_t seed = 7;
    for (int i = 0; i < items; ++i) {
      // Values that follow the weights make bounds weak, and the tree large.
      const auto weight = static_cast<std::int64_t>(1000 + next_random(seed) % 1000);
      items_.push_back({weight + 100, weight});
      capacity_ += weight;
    }
    capacity_ /= 2;
    std::sort(items_.begin(), items_.end(),
              [](const item& a, const item& b) { return a.value * b.weight > b.value * a.weight; });
    // All that can be carried, by another method: the table over weights.
    std::vector<std::int64_t> best(static_cast<std::size_t>(capacity_) + 1);
    for (const item& it : items_)
      for (std::int64_t w = capacity_; w >= it.weight; --w)
        best[static_cast<std::size_t>(w)] = std::max(
            best[static_cast<std::size_t>(w)], best[static_cast<std::size_t>(w - it.weight)] + it.value);
    expected_ = best.back();
  }
  knapsack_work(const knapsack_work&) = delete;
  knapsack_work& operator=(const knapsack_work&) = delete;

  void reset() { best_ = 0; }
  template <class Verbs>
  std::int64_t run() {
    pack<Verbs>(0, capacity_, 0);
    return best_;
  }
  void check(std::int64_t value) const { bench::check("knapsack", value, expected_); }

 private:
  struct item {
    std::int64_t value;
    std::int64_t weight;
  };

  template <class Verbs>
  void pack(std::size_t next, std::int64_t room, std::int64_t value) {  // NOLINT(misc-no-recursion)
    std::int64_t best = best_.load(std::memory_order_relaxed);
    while (value > best && !best_.compare_exchange_weak(best, value, std::memory_order_relaxed)) {
    }
    if (next == items_.size()) return;
    // The rest in the density of the next item, which is the highest left.
    const item& it = items_[next];
    if (value + room * it.value / it.weight <= best) return;
    if (it.weight > room) return pack<Verbs>(next + 1, room, value);
    Verbs::all([=, this, &it] { pack<Verbs>(next + 1, room - it.weight, value + it.value); },
               [=, this] { pack<Verbs>(next + 1, room, value); });
  }

  std::vector<item> items_;
  std::int64_t capacity_ = 0;
  std::int64_t expected_ = 0;
  std::atomic<std::int64_t> best_ = 0;
};

template <class Runtime>
void add_knapsack(const char* runtime, unsigned workers) {
  const int items = the_settings().sized(30, 36);
  add_work_row<Runtime>({"knapsack", runtime, parameter("items", static_cast<std::uint64_t>(items)), workers},
                        [=] { return knapsack_work(items); });
}

}  // namespace bench
