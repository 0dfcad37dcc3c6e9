// Another number of workers while work goes on.
//
// Workers are numbered; those whose number is not below `wanted` leave. A worker leaves between two strands,
// when its deque is empty, so it leaves nothing behind; until then it is told to share what it holds. Its
// object stays: frames and thieves may hold its address, and its counters, slab and shards of jobs are taken
// on by the next thread with its number.
//
// Parked and searching: a sleeper that becomes surplus is woken as when the crew closes, and leaves as a
// searcher; if it was the last one it wakes the next, since work that came meanwhile woke nobody.
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "lifecycle/scheduler_core.hpp"
#include "platform/limits.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

#ifndef COPPICE_POLICY
static_assert(roster_capacity >= platform::max_workers);
#endif

// Those of the plan by distance, then those that are not in it and may still hold work.
std::vector<victim> scheduler_core::victims_of(unsigned index, const platform::topology& plan) const {
  std::vector<victim> list;
  if (index < plan.workers())
    for (const platform::victim_group& g : plan.victims(index))
      for (const unsigned v : g.workers) list.push_back({team.workers[v].get(), g.how_far});
  for (std::size_t v = index < plan.workers() ? plan.workers() : 0; v < team.workers.size(); ++v)
    if (v != index) list.push_back({team.workers[v].get(), platform::distance::remote});
  return list;
}

scheduler_core::victim_lists scheduler_core::victims_of_first(std::size_t workers,
                                                              const platform::topology& plan) const {
  victim_lists lists;
  lists.reserve(workers);
  for (unsigned i = 0; i < workers; ++i)
    lists.push_back(std::make_unique<std::vector<victim>>(victims_of(i, plan)));
  return lists;
}

// One that has left is counted as such before its thread ends, and its time no more.
worker_times scheduler_core::times_of_workers() const {
  const std::lock_guard alone(resizing_);  // threads are not replaced meanwhile
  worker_times all{{}, started_};
  const std::lock_guard hold(team.lock);
  team.each_worker([&all](const worker_thread& w) {
    if (w.has_left) return;
    all.used += w.processor_time();
    if (!w.is_spare()) --all.left;
  });
  return all;
}

// Afterwards `plan` is the one that was in force before.
void scheduler_core::put_in_force(platform::topology& plan, victim_lists& lists) noexcept {
  {
    const std::lock_guard hold(team.lock);
    std::swap(team.topology, plan);
    team.spin.store(!team.topology.oversubscribed(), memory_order_relaxed);
    // order(victims): seq_cst; pairs with the loads in look_around_anew(), as the exchange below.
    team.plan_number.fetch_add(1, memory_order_seq_cst);
    // order(wanted): seq_cst; pairs with the load in is_surplus(): stored before sleepers are looked for.
    team.wanted.store(team.topology.workers(), memory_order_seq_cst);
  }
  for (unsigned i = 0; i < lists.size(); ++i)
    // order(victims): seq_cst; pairs with the load in look_around_anew() and the exchange in
    // take_new_place(): it is there before a new worker runs.
    delete team.workers[i]->new_victims.exchange(lists[i].release(), memory_order_seq_cst);
}

void scheduler_core::resize(unsigned workers) {
  if (inherited_over_fork()) refuse_inherited();
  const std::lock_guard alone(resizing_);
  {
    const std::lock_guard hold(lock_);
    if (phase_ != phase::open)
      throw scheduler_stopped("coppice: scheduler \"" + options.name +
                              "\" cannot be resized, because it was stopped (make another one)");
  }
  platform::topology plan = team.topology.with_workers(workers);
  if (options.require_pinning && !plan.pinned()) refuse_unpinned(plan);  // what is known without trying
  const unsigned before = team.number_wanted();
  const unsigned n = plan.workers();
  while (team.workers.size() < n) {
    auto made = make_worker(static_cast<unsigned>(team.workers.size()));
    made->has_left = true;
    team.workers.push_back(std::move(made));
  }
  team.cores.reserve(n);
  victim_lists lists = victims_of_first(team.workers.size(), plan);
  // For the way back: should a thread not start, or not be bound, all is to be as it was.
  victim_lists lists_before = n > before ? victims_of_first(before, team.topology) : victim_lists();
  std::vector<worker_thread*> to_start;
  to_start.reserve(n);

  // From here on nothing throws but the start of a thread, and who must be bound and is not.
  put_in_force(plan, lists);
  {
    const std::lock_guard hold(team.lock);
    for (unsigned i = 0; i < n; ++i)
      if (team.workers[i]->has_left) to_start.push_back(team.workers[i].get());
  }
  try {
    for (worker_thread* const w : to_start) {
      start(*w);
      const std::lock_guard hold(team.lock);
      w->has_left = false;
    }
    for (worker_thread* const w : to_start) w->wait_until_bound();
    // Others move to their new places when they get there.
    const std::lock_guard hold(team.lock);
    if (options.require_pinning && !to_start.empty() && !team.topology.pinned())
      refuse_unpinned(team.topology);
  } catch (...) {
    put_in_force(plan, lists_before);
    want(before);
    throw;
  }
  want(n);
}

// Those beyond the first `workers` are to leave.
void scheduler_core::want(unsigned workers) noexcept {
  team.cores.want(workers);
  for (std::size_t i = workers; i < team.workers.size(); ++i)
    // order(starving): seq_cst; pairs with the take in answer_quietly(): what it holds is for others.
    team.workers[i]->attention.fetch_or(attention_bit::starving, memory_order_seq_cst);
  team.wake_all();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
