// Going to sleep without missing anything. idle.md holds the argument.
#include <chrono>

#include "platform/membarrier.hpp"
#include "platform/waiting.hpp"
#include "worker/crew.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// A worker that was woken for nothing several times, while others work, sleeps for a while without asking
// anybody to share: a tree without parallelism is left in peace. Doubles with each fruitless wake, from 100
// us to 6.4 ms.
constexpr std::chrono::microseconds shortest_rest{100};
constexpr std::uint32_t longest_rest_doublings = 6;

}  // namespace

bool worker_thread::anything_visible() noexcept {
  if (!all.injection.empty()) return true;
  for (const victim& v : victims)
    if (v.who->deque.has_shared()) return true;
  return false;
}

// On return this worker is a searcher again.
void worker_thread::sleep() noexcept {
  const bool rest = fruitless_wakes_ > 1;
  asleep.store(true, memory_order_seq_cst);
  all.idle.announce_sleep();
  const bool others_work = all.idle.sleepers() < all.workers.size();
  if (others_work && !rest) {
    for (const victim& v : victims)
      if (!v.who->asleep.load(memory_order_relaxed))
        v.who->attention.fetch_or(attention_bit::starving, memory_order_seq_cst);
    // Every fork from here on sees the bit; the push of every earlier one is seen below.
    if (all.can_expose) platform::barrier_on_every_thread();
  }
  const bool stay_awake = anything_visible() || all.closing.load(memory_order_seq_cst) ||
                          (others_work && !rest && expose_someone());
  if (stay_awake && asleep.exchange(false, memory_order_seq_cst)) {
    all.idle.leave_sleep();
    return;
  }
  add_as_only_writer(stats.parks, std::uint64_t{1}, memory_order_relaxed);
  if (others_work && rest) {
    const auto doublings =
        fruitless_wakes_ < longest_rest_doublings ? fruitless_wakes_ : longest_rest_doublings;
    const auto until = clock::now() + shortest_rest * (1U << doublings);
    while (asleep.load(memory_order_seq_cst)) {
      if (park.park(&until)) continue;
      if (asleep.exchange(false, memory_order_seq_cst)) {
        all.idle.leave_sleep();
        fruitless_wakes_ = 1;
        return;
      }
    }
  } else {
    while (asleep.load(memory_order_seq_cst)) park.park();
  }
  ++fruitless_wakes_;
  add_as_only_writer(stats.wakes, std::uint64_t{1}, memory_order_relaxed);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
