// A crew: the workers of one scheduler and what they share.
//
// The worker floor knows frames, not jobs: what it asks of a job that the injection queue has handed it, the
// root's frame, and what to do when a worker has run out of a job's tasks, the job floor provides (at the end
// of worker_thread.hpp).
#pragma once

#include <chrono>
#include <coppice/detail/mutex.hpp>
#include <coppice/detail/worker.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "platform/topology.hpp"
#include "stores/injection.hpp"
#include "worker/callers.hpp"
#include "worker/idle.hpp"
#include "worker/loans.hpp"
#include "worker/roster.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// A worker that stands still in a wait, linked into a list of such. Lives on the worker's stack.
struct standing {
  worker_thread& who;
  standing* next = nullptr;
};

// Who stands still and wants to be woken by an event. The list under the lock; a waker that reads that there
// is nobody takes none.
//
// The event must happen under some lock that the one who has entered takes after that, to look whether it has
// happened: whoever comes second under that lock sees the first.
class standing_list {
 public:
  void enter(standing& s) noexcept {
    const std::lock_guard hold(lock_);
    s.next = first_;
    first_ = &s;
    somebody_.store(true, memory_order_relaxed);
  }
  void leave(standing& s) noexcept {
    const std::lock_guard hold(lock_);
    standing** at = &first_;
    while (*at != &s) at = &(*at)->next;
    *at = s.next;
    somebody_.store(first_ != nullptr, memory_order_relaxed);
  }
  void wake_all() noexcept {
    // order(somebody): relaxed; ordered by the lock of the event.
    if (!somebody_.load(memory_order_relaxed)) return;
    const std::lock_guard hold(lock_);
    for (const standing* s = first_; s != nullptr; s = s->next) s->who.park.unpark();
  }

 private:
  mutex lock_;
  standing* first_ = nullptr;
  atomic<bool> somebody_{false};
};

struct crew {
  // At most `spares` workers are made to take the cores of those that stand still.
  crew(platform::topology where, std::size_t injection_capacity, unsigned spares = 0);

  platform::topology topology;
  injection_queue injection;
  idle_counts idle;
  returning_callers callers;
  atomic<bool> closing{false};  // no work will come any more: workers leave when they find none
  atomic<bool> spin{true};      // false when there are more workers than cores
  bool can_expose = false;
  std::string name;
  std::size_t stack_bytes = 0;  // of each worker
  bool watched = false;         // there is a watchdog: each worker has a seat
  standing_list
      waits_elsewhere;  // workers that wait for another scheduler's job: they look at each injection
  roster<worker_thread> workers;  // the regular ones
  loans cores;                    // who runs where; spare workers
  // Each plan has its number; spare workers look around again when there is another. Written under the lock.
  atomic<unsigned> plan_number{0};

  // A core whose number is not below this one is left by its holder when that has run out of work.
  // order(wanted): seq_cst; stored before sleepers are looked for, read by a sleeper that has announced
  // itself.
  atomic<unsigned> wanted{~0U};
  mutable mutex lock;  // `topology` while workers run, and who has left
  unsigned number_wanted() const noexcept { return wanted.load(memory_order_seq_cst); }

  // Work has become visible: wakes one sleeper if nobody searches, or gives a vacant core to somebody.
  // `near`: wake one close to this worker; null: any.
  void wake_one(const worker_thread* near) noexcept;
  // The same, but no core is given away. False: nobody was woken.
  bool wake_sleeper(const worker_thread* near) noexcept;
  // A guess: whether a worker searches that does not belong to this CPU. It takes what is submitted now
  // before one that has to wait for the CPU.
  bool searched_elsewhere() const noexcept;
  // A guess: whether a thread that is no worker takes nothing from the workers by polling on its CPU. At most
  // one of them works, and none that is awake belongs there.
  bool leaves_this_cpu_alone() const noexcept;
  // A thread that is no worker is not to stay on the core of the worker that made it.
  void unbind(const platform::thread& helper) const noexcept;
  // Every sleeper. Who is parked without a core is the business of `cores`.
  void wake_all() noexcept;

  // Regular workers and spare ones, also those that have no thread or no core now.
  template <class F>
  void each_worker(F&& f) const {
    for (const auto& w : workers) f(*w);
    const unsigned n = cores.made();
    for (unsigned i = 0; i < n; ++i) f(cores.spare(i));
  }

 private:
  bool nobody_awake_here() const noexcept;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
