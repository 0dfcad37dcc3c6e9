// A pool as others see it that wait for what it does, or for whose tasks its own tasks wait
// (platform/waits.hpp). Asked under the lock of all waits; the pool's own mutex is asked for here.
#include <mutex>
#include <string>

#include "fifo/seat.hpp"

namespace coppice::inline v0 {

// With the mutex held: what must happen before something queued is taken. One worker is enough.
platform::outlook fifo_pool::any_worker() const {
  platform::outlook o{platform::outlook::needs::one, {}};
  if (options_.on_recursion == recursion::help && head_ && standing_ != 0) return {};
  for (const auto& each : seats_)
    if (each->present) o.add(*each);
  return o;
}

namespace detail {

namespace {

std::string quoted(const std::string& name) { return "fifo_pool '" + name + "'"; }

}  // namespace

platform::outlook fifo_seat::look() const {
  const std::lock_guard hold(pool.mutex_);
  if (taken == ran) return {};
  platform::outlook o{platform::outlook::needs::all, {}};
  add_waits_elsewhere(o);
  if (!o.of.empty()) return o;
  if (stands_for == nullptr || gave_up == stands || stands_for->over() || stands_for->may_come_from_outside())
    return {};
  const std::uint64_t wait = 2 * stands + 1;
  const fifo_node* const task = stands_for->task();
  if (task != nullptr && task->runner != nullptr) {
    o.add(*task->runner, wait);
    return o;
  }
  if (task == nullptr && pool.in_hand_ != 0) return {};  // as in fifo_room_party::look()
  o = pool.any_worker();
  for (platform::outlook::link& l : o.of) l.wait = wait;
  return o;
}

std::string fifo_seat::text() const {
  const std::lock_guard hold(pool.mutex_);
  return "worker " + std::to_string(index) + " of " + quoted(pool.options_.name) + ", which runs task " +
         std::to_string(number);
}

platform::outlook fifo_task_party::look() const {
  if (node_.settled()) return {};  // from here on the pool may be gone, but only after this search
  const std::lock_guard hold(node_.pool->mutex_);
  if (node_.runner == nullptr) return node_.pool->any_worker();
  platform::outlook o{platform::outlook::needs::all, {}};
  o.add(*node_.runner);
  return o;
}

std::string fifo_task_party::text() const {
  if (node_.settled()) return "a task that has ended";
  return "task " + std::to_string(node_.number) + " of " + quoted(node_.pool->options_.name);
}

// A place in hand may be given back. Once it is filled who waits looks again.
platform::outlook fifo_room_party::look() const {
  const std::lock_guard hold(pool_.mutex_);
  if (pool_.stopping_ || !pool_.full() || pool_.in_hand_ != 0) return {};
  return pool_.any_worker();
}

std::string fifo_room_party::text() const { return "room in the queue of " + quoted(pool_.options_.name); }

}  // namespace detail
}  // namespace coppice::inline v0
