#include "lifecycle/stall_watchdog.hpp"

#include <cstdio>
#include <exception>
#include <utility>

#include "lifecycle/scheduler_core.hpp"
#include "worker/seat.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

void stall_watchdog::start() {
  if (!on()) return;
  constexpr std::size_t stack_bytes = std::size_t{256} * 1024;
  thread_.emplace(
      watched_.options.name + "-watch", stack_bytes,
      [](void* self) { static_cast<stall_watchdog*>(self)->run(); }, this);
  if (this_worker != nullptr) watched_.team.unbind(*thread_);  // as the timer
}

void stall_watchdog::stop() noexcept {
  {
    const std::lock_guard hold(lock_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_) thread_->join();
}

void stall_watchdog::run() noexcept {
  unique_lock hold(lock_);
  standstill_look before;
  while (!stopping_) {
    // A signal that this thread handles ends a sleep: what is seen then is too young to be told.
    if (changed_.wait_until(hold, clock::now() + after_, [this] { return stopping_; })) return;
    try {
      const standstill_look now = look();
      if (!stood_still(std::exchange(before, now), now, after_)) {
        told_ = false;
      } else if (!told_) {
        told_ = true;
        std::fputs(report().c_str(), stderr);
        reports_.fetch_add(1, memory_order_relaxed);
      }
    } catch (const std::exception&) {
      // No memory to say it: the next look comes.
    }
  }
}

standstill_look stall_watchdog::look() const {
  const worker_times now = watched_.times_of_workers();
  const injection_queue::state jobs = watched_.team.injection.now();
  return {jobs.committed, jobs.live, now};
}

bool stood_still(const standstill_look& before, const standstill_look& now,
                 std::chrono::milliseconds between) noexcept {
  // Those that were there have stayed. One that has come since may be a moment old.
  if (before.live == 0 || now.ended() != before.ended()) return false;
  // One that leaves takes what it has used away, and what the others have used is not known.
  if (now.workers.left != before.workers.left) return false;
  // A worker that polls before it sleeps uses some.
  return now.workers.used - before.workers.used < std::chrono::nanoseconds(between) / 20;
}

std::string stall_watchdog::report() const {
  const crew& team = watched_.team;
  std::string text = "coppice: scheduler \"" + watched_.options.name +
                     "\" stands still: " + std::to_string(watched_.live_jobs()) +
                     " of its jobs have not ended, and its workers did next to nothing for " +
                     std::to_string(after_.count()) + " ms\n";
  const auto add = [&](const worker_thread& w) {
    const auto at = w.watched != nullptr ? w.watched->innermost() : std::nullopt;
    if (w.is_spare() && !at) return;
    text += "  " +
            (w.is_spare() ? "spare worker " + std::to_string(w.spare_number())
                          : "worker " + std::to_string(w.index)) +
            ": ";
    if (at) {
      const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - at->since);
      text += at->path;
      if (!at->name.empty()) text += " (" + at->name + ")";
      text += " of job \"" + at->job + "\" for " + std::to_string(age.count()) + " ms";
    } else {
      text += "no task";
    }
    text += ", " + std::to_string(w.deque.size()) + " frames in its deque";
    if (w.stands.load(memory_order_relaxed) != 0) text += ", stands still";
    text += '\n';
  };
  team.each_worker(add);
  const auto door = team.injection.now();
  text += "  " + std::to_string(team.idle.sleepers()) + " workers asleep, " + std::to_string(door.queued) +
          " jobs queued, " + std::to_string(door.blocked) +
          " submitters blocked\n  (a task that waits for a lock, a future or I/O keeps its core from "
          "others: let it wait within coppice::blocking())\n";
  return text;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
