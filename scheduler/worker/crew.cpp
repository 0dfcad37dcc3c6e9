#include "worker/crew.hpp"

#include <mutex>
#include <utility>

#include "platform/membarrier.hpp"
#include "platform/thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

crew::crew(platform::topology where, std::size_t injection_capacity, unsigned spares)
    : topology(std::move(where)),
      injection(injection_capacity),
      spin(!topology.oversubscribed()),
      can_expose(platform::has_barrier_on_every_thread()),
      workers(roster_capacity),
      cores(*this, spares) {}

namespace {

// Ends a sleep on the sleeper's behalf; false if somebody else has.
bool rouse(crew& all, worker_thread& sleeper) noexcept {
  using rest = worker_thread::rest;
  // order(resting): seq_cst; whoever closes the crew stores that first and reads this then, a sleeper does it
  // the other way round: one of them sees the other. The exchange pairs with the one in
  // worker_thread::end_own_sleep().
  rest seen = sleeper.resting.load(memory_order_seq_cst);
  if (seen != rest::asleep) return false;
  if (!sleeper.resting.compare_exchange_strong(seen, rest::being_woken, memory_order_seq_cst,
                                               memory_order_relaxed))
    return false;
  all.idle.leave_sleep();
  // order(resting): seq_cst; pairs with the load in worker_thread::sleep(): it is a searcher by then.
  sleeper.resting.store(rest::awake, memory_order_seq_cst);
  sleeper.park.unpark();
  return true;
}

}  // namespace

bool crew::wake_sleeper(const worker_thread* near) noexcept {
  if (!idle.someone_to_wake() || idle.sleepers() == 0) return false;
  const auto rouse_extra = [this](worker_thread& w) { return rouse(*this, w); };
  if (near != nullptr) {
    for (const victim& v : near->victims)
      if (rouse(*this, *v.who)) return true;
    // Also those that came after `near` has looked around for the last time.
    for (const auto& w : workers)
      if (rouse(*this, *w)) return true;
    return cores.any_extra(0, rouse_extra);
  }
  // The one on the caller's own CPU first: whoever submits mostly waits then, and no other CPU has to be
  // woken. That is a hint, so after it everybody is asked.
  const int here = platform::current_cpu();
  for (const auto& w : workers)
    if (w->sleeps_on.load(memory_order_relaxed) == here && rouse(*this, *w)) return true;
  for (const auto& w : workers)
    if (rouse(*this, *w)) return true;
  return cores.any_extra(0, rouse_extra);
}

void crew::wake_one(const worker_thread* near) noexcept {
  if (idle.someone_to_wake() && !wake_sleeper(near)) cores.serve();
}

bool crew::nobody_awake_here() const noexcept {
  const int here = platform::current_cpu();
  for (const auto& w : workers)
    if (w->sleeps_on.load(memory_order_relaxed) == here &&
        w->resting.load(memory_order_relaxed) != worker_thread::rest::asleep)
      return false;
  return true;
}

bool crew::searched_elsewhere() const noexcept {
  if (!spin.load(memory_order_relaxed)) return false;
  const std::uint32_t searchers = idle.searchers();
  return searchers > 1 || (searchers == 1 && nobody_awake_here());
}

bool crew::leaves_this_cpu_alone() const noexcept {
  // Whoever has just ended a job is about to search.
  return spin.load(memory_order_relaxed) && idle.idlers() + 1 >= cores.present() && nobody_awake_here();
}

void crew::unbind(const platform::thread& helper) const noexcept {
  const std::lock_guard hold(lock);
  topology.unbind_thread(helper.handle());
}

void crew::wake_all() noexcept {
  each_worker([this](worker_thread& w) { rouse(*this, w); });
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
