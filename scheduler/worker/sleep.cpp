// Going to sleep without missing anything. idle.md holds the argument.
#include <chrono>

#include "platform/membarrier.hpp"
#include "platform/thread.hpp"
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
  return all.cores.any_extra(0, [this](worker_thread& w) { return &w != this && w.deque.has_shared(); });
}

void worker_thread::ask_all_to_share() noexcept {
  const auto ask = [this](worker_thread& w) {
    // order(resting): relaxed; a worker that is taken for awake is asked for nothing, one that is taken for
    // asleep has announced that and looks for itself.
    if (&w != this && w.resting.load(memory_order_relaxed) == rest::awake)
      // order(starving): seq_cst; pairs with the owner's relaxed read after a push, by the barrier below.
      w.attention.fetch_or(attention_bit::starving, memory_order_seq_cst);
    return false;
  };
  for (const victim& v : victims) ask(*v.who);
  all.cores.any_extra(0, ask);
  // Every fork from here on sees the bit; the push of every earlier one is seen by whoever looks now.
  if (all.can_expose) platform::barrier_on_every_thread();
}

void worker_thread::sleep_until_awake() noexcept {
  // order(resting): seq_cst; pairs with the waker's store, after which this worker counts as a searcher.
  while (resting.load(memory_order_seq_cst) != rest::awake) park.park();
}

// True: nobody else has ended this worker's sleep; it is a searcher again.
bool worker_thread::end_own_sleep() noexcept {
  rest seen = rest::asleep;
  // order(resting): seq_cst; pairs with the exchange in crew.cpp: one of the two ends the sleep.
  if (!resting.compare_exchange_strong(seen, rest::awake, memory_order_seq_cst, memory_order_relaxed))
    return false;
  all.idle.leave_sleep();
  return true;
}

// On return this worker is a searcher again.
void worker_thread::sleep() noexcept {
  sleeps_on.store(platform::current_cpu(), memory_order_relaxed);
  // order(resting): seq_cst; pairs with the load in crew.cpp. Before closing is looked at.
  resting.store(rest::asleep, memory_order_seq_cst);
  all.idle.announce_sleep();
  const bool others_work = all.idle.sleepers() < all.cores.present();
  // A rest ends by the clock, so it may leave alone what lies about.
  const bool rests = others_work && (fruitless_ > 1 || finds_poor_work());
  if (others_work && !rests) ask_all_to_share();
  // order(closing): seq_cst; pairs with the store of whoever closes the crew.
  const bool sees_work = rests && finds_poor_work() ? !all.injection.empty() : anything_visible();
  const bool stay_awake = sees_work || all.closing.load(memory_order_seq_cst) || is_surplus() || crowded() ||
                          (others_work && !rests && expose_someone(true));
  if (stay_awake && end_own_sleep()) return;
  add_as_only_writer(stats.parks, std::uint64_t{1}, memory_order_relaxed);
  if (rests) {
    const auto doublings = fruitless_ < longest_rest_doublings ? fruitless_ : longest_rest_doublings;
    const auto until = clock::now() + shortest_rest * (1U << doublings);
    // A wake that was kept from before ends the park, not the sleep.
    // order(resting): seq_cst; as below.
    while (resting.load(memory_order_seq_cst) == rest::asleep && park.park(&until)) {
    }
    if (end_own_sleep()) {
      if (!finds_poor_work()) fruitless_ = 1;
      return;
    }
  }
  // Its core was taken meanwhile: what it has seen, or was to look at after its rest, is for somebody else.
  // order(resting): seq_cst; pairs with the exchange in displace_sleeper().
  if ((stay_awake || rests) && resting.load(memory_order_seq_cst) == rest::retired) all.wake_one(this);
  sleep_until_awake();
  ++fruitless_;
  add_as_only_writer(stats.wakes, std::uint64_t{1}, memory_order_relaxed);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
