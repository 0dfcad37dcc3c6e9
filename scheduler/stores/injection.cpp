#include "stores/injection.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

injection_queue::outcome injection_queue::try_reserve(std::size_t capacity) noexcept {
  std::size_t taken = room_taken_.load(memory_order_relaxed);
  for (;;) {
    if ((taken & is_closed) != 0) return outcome::closed;
    if (taken >= capacity) return outcome::full;
    if (room_taken_.compare_exchange_weak(taken, taken + 1, memory_order_relaxed, memory_order_relaxed))
      return outcome::reserved;
  }
}

injection_queue::outcome injection_queue::reserve(bool wait,
                                                  const std::chrono::steady_clock::time_point* deadline) {
  // Whoever is blocked comes first.
  if (!wait || blocked_.load(memory_order_relaxed) == 0) {
    const outcome got = try_reserve(capacity_);
    if (!wait || got != outcome::full) return got;
  }
  unique_lock hold(lock_);
  blocked_.store(blocked_.load(memory_order_relaxed) + 1, memory_order_relaxed);
  outcome got = outcome::full;
  const auto may_go_on = [&] {
    got = try_reserve(capacity_);
    return got != outcome::full;
  };
  if (deadline == nullptr)
    room_.wait(hold, may_go_on);
  else if (!room_.wait_until(hold, *deadline, may_go_on))
    got = outcome::timed_out;
  blocked_.store(blocked_.load(memory_order_relaxed) - 1, memory_order_relaxed);
  return got;
}

bool injection_queue::reserve_anyway() noexcept { return try_reserve(is_closed) == outcome::reserved; }

// Under the lock: whoever is blocked has looked, or looks after this.
void injection_queue::give_room() noexcept {
  room_taken_.fetch_sub(1, memory_order_relaxed);
  if (blocked_.load(memory_order_relaxed) != 0) room_.notify_one();
}

void injection_queue::cancel_reservation() noexcept {
  const std::lock_guard hold(lock_);
  give_room();
}

void injection_queue::list::append(injected& job) noexcept {
  job.before = last;
  job.after = nullptr;
  (last != nullptr ? last->after : first) = &job;
  last = &job;
}

void injection_queue::list::unlink(injected& job) noexcept {
  (job.before != nullptr ? job.before->after : first) = job.after;
  (job.after != nullptr ? job.after->before : last) = job.before;
}

void injection_queue::commit(injected& job) noexcept {
  const std::lock_guard hold(lock_);
  queued_.append(job);
  job.queued = true;
  ++live_;
  ++committed_;
  waiting_.fetch_add(1, memory_order_seq_cst);
}

void injection_queue::mark_taken(injected& job) noexcept {
  queued_.unlink(job);
  taken_.append(job);
  job.queued = false;
  waiting_.fetch_sub(1, memory_order_relaxed);
  if (job.bounded) give_room();
}

injected* injection_queue::take() noexcept {
  if (waiting_.load(memory_order_relaxed) == 0) return nullptr;
  const std::lock_guard hold(lock_);
  injected* const job = queued_.first;
  if (job != nullptr) mark_taken(*job);
  return job;
}

bool injection_queue::remove(injected& job) noexcept {
  const std::lock_guard hold(lock_);
  if (!job.queued) return false;
  mark_taken(job);
  return true;
}

bool injection_queue::ended(injected& job, std::uint64_t ran, std::uint64_t skipped) noexcept {
  const std::lock_guard hold(lock_);
  taken_.unlink(job);
  ran_ += ran;
  skipped_ += skipped;
  return --live_ == 0;
}

void injection_queue::close() noexcept {
  const std::lock_guard hold(lock_);
  room_taken_.fetch_or(is_closed, memory_order_relaxed);
  room_.notify_all();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
