// Workers that wait for their own pool. A worker stands still while it waits for a task of its pool, or for
// room in the queue; it runs nothing meanwhile, so it can be what the others wait for.
//
// Such a wait could never end in two cases: what it waits for runs below a worker that stands still, and so
// on, back to this one; or all workers stand still. Both are seen by the last one to come, under the mutex,
// and it alone throws: that frees a worker. No clock takes part.
//
// Invariant: standing_ is the number of seats whose stands_for is not null. Who makes a wait come true (ends
// a task, makes room, stops) says so afterwards through something_moved(), and every worker that stands looks
// again. A worker counts itself before it looks, so one of the two sees the other.
#include <algorithm>
#include <coppice/error.hpp>
#include <new>

#include "fifo/seat.hpp"
#include "platform/standing.hpp"

namespace coppice::inline v0 {
namespace {

constexpr std::size_t shown = 8;  // workers in a message

}  // namespace

// Any order of events goes: a worker that starts to stand between the two looks for itself.
void fifo_pool::something_moved() noexcept {
  if (standing_ == 0) return;
  const std::lock_guard lock(mutex_);
  let_those_who_stand_look();
}

// With the mutex held.
void fifo_pool::let_those_who_stand_look() noexcept {
  ++moves_;
  moved_.notify_all();
}

void fifo_pool::stand(std::unique_lock<std::mutex>& lock, awaited& what) {
  seat& own = *own_seat(this);
  while (!what.over()) {
    if (options_.on_recursion == recursion::help && head_) {
      help(lock, own);
      continue;
    }
    struct sitting {
      seat& at;
      std::atomic<unsigned>& count;
      sitting(seat& s, std::atomic<unsigned>& n, const awaited& w) : at(s), count(n) {
        at.stands_for = &w;
        ++at.stands;
        ++count;
      }
      ~sitting() {
        at.stands_for = nullptr;
        --count;
      }
    } const here(own, standing_, what);
    if (what.over()) return;  // a task may have ended before it could see this one stand
    if (options_.on_recursion != recursion::block) {
      std::string why;
      if (platform::anybody_waits_elsewhere()) {
        const std::uint64_t searched_at = moves_;
        why = why_stuck_elsewhere(lock, own);
        if (why.empty() && moves_ != searched_at) continue;  // nobody was there to be woken
      }
      if (why.empty()) why = why_stuck(own);
      if (!why.empty()) throw would_deadlock(why);
      if (what.over()) return;
      if (options_.on_recursion == recursion::help && head_) continue;
    }
    if (const time_point until = what.until(); until == for_ever)
      moved_.wait(lock);
    else if (moved_.wait_until(lock, until) == std::cv_status::timeout)
      return;
  }
}

// It ends by itself, so it is nobody's deadlock: it does not count as standing.
void fifo_pool::stand_until(std::unique_lock<std::mutex>& lock, awaited& what, time_point when) {
  lock.unlock();
  platform::stand_still([&] {
    lock.lock();
    not_full_.wait_until(lock, when, [&what] { return what.over(); });
    lock.unlock();
  });
  lock.lock();
}

// With the mutex held. On top of the waiting task, and so on the rest of its stack.
void fifo_pool::help(std::unique_lock<std::mutex>& lock, seat& own) {
  // Not the address of a local: under the address sanitizer that is on another stack.
  if (reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) < own.stack_limit) {  // NOLINT
    throw recursion_too_deep("coppice: fifo_pool '" + options_.name + "': worker " +
                             std::to_string(own.index) + " has helped with " +
                             std::to_string(own.taken - own.ran) +
                             " tasks, one on top of the other, and its stack is nearly used up (use a "
                             "coppice::scheduler, whose tasks may nest)");
  }
  const std::uint64_t number = own.number;
  const auto since = own.since.load(std::memory_order_relaxed);
  own.since.store(std::chrono::steady_clock::now(), std::memory_order_relaxed);
  run_next(lock, own);
  own.number = number;
  own.since.store(since, std::memory_order_relaxed);
}

class fifo_pool::end_of_task final : public awaited {
 public:
  explicit end_of_task(const detail::fifo_node& node) noexcept : node_(node) {}
  bool over() const noexcept override { return node_.settled(); }
  const detail::fifo_node* task() const noexcept override { return &node_; }
  std::string text() const override {
    return "task " + std::to_string(node_.number) +
           (node_.runner ? ", which worker " + std::to_string(node_.runner->index) + " runs"
                         : ", which is queued");
  }

 private:
  const detail::fifo_node& node_;
};

void fifo_pool::wait_as_worker(const detail::fifo_node& node) {
  end_of_task end(node);
  std::unique_lock lock(mutex_);
  stand(lock, end);
}

// With the mutex held and the own seat standing: why this wait could never end, or nothing.
std::string fifo_pool::why_stuck(const seat& own) const {
  const auto line = [](const seat& at) {
    return "worker " + std::to_string(at.index) + " runs task " + std::to_string(at.number) +
           " and waits for " + at.stands_for->text();
  };
  std::string chain;
  std::size_t links = 0;
  const auto add = [&](const seat& at) {
    if (links < shown) chain += (links ? "; " : "") + line(at);
    ++links;
  };
  const auto told = [&](const char* verdict) {
    if (links > shown) chain += "; and " + std::to_string(links - shown) + " more workers";
    return "coppice: fifo_pool '" + options_.name + "': this wait could never end: " + chain + "; " +
           verdict +
           " (use more workers or a larger queue_capacity, fifo_options::on_recursion = recursion::help, or "
           "a "
           "coppice::scheduler, whose tasks may wait for their subtasks at any depth)";
  };

  // A circle that comes back to this worker; one that does not was seen by whoever closed it.
  const seat* at = &own;
  for (unsigned steps = 0; steps < present_; ++steps) {
    if (!at->stands_for || at->stands_for->over()) break;
    const detail::fifo_node* const task = at->stands_for->task();
    if (!task || !task->runner) break;
    add(*at);
    at = task->runner;
    if (at == &own) return told("so the last waits for the first");
  }

  if (standing_ < present_ || in_hand_ != 0) return {};
  if (options_.on_recursion == recursion::help && head_) return {};
  for (const auto& each : seats_) {
    if (each->present && (each->stands_for->over() || each->stands_for->may_come_from_outside())) return {};
  }
  chain.clear();
  links = 0;
  for (const auto& each : seats_) {
    if (each->present) add(*each);
  }
  return told("no worker is left to run what they wait for");
}

// The same through other pools and through jobs. With the own seat standing; lets go of the mutex meanwhile.
std::string fifo_pool::why_stuck_elsewhere(std::unique_lock<std::mutex>& lock, seat& own) {
  lock.unlock();
  std::string why;
  {
    const std::lock_guard hold(platform::waits_lock());
    try {
      why = platform::why_endless(own, own);
    } catch (const std::bad_alloc&) {
      // The wait goes on.
    }
    if (!why.empty()) own.gave_up = own.stands;
  }
  lock.lock();
  return why;
}

}  // namespace coppice::inline v0
