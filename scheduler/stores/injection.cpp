#include "stores/injection.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// What was seen of `given_` is at most what it is, so there is at least as much room as it says. It can be of
// later than what was read of `reserved_`: then the exchange fails and reads that again.
injection_queue::outcome injection_queue::try_reserve(std::size_t capacity) noexcept {
  const std::size_t given = given_seen_.load(memory_order_relaxed);
  std::size_t ever = reserved_.load(memory_order_relaxed);
  do {
    if ((ever & is_closed) != 0) return outcome::closed;
    if (static_cast<std::ptrdiff_t>(ever - given) >= static_cast<std::ptrdiff_t>(capacity))
      return outcome::full;
  } while (!reserved_.compare_exchange_weak(ever, ever + 1, memory_order_relaxed, memory_order_relaxed));
  return outcome::reserved;
}

// Under the lock.
injection_queue::outcome injection_queue::look_and_reserve() noexcept {
  given_seen_.store(given_, memory_order_relaxed);
  return try_reserve(capacity_);
}

injection_queue::outcome injection_queue::reserve(bool wait,
                                                  const std::chrono::steady_clock::time_point* deadline) {
  // Whoever is blocked comes first.
  outcome got = outcome::full;
  if (!wait || !somebody_blocked_.load(memory_order_relaxed)) got = try_reserve(capacity_);
  if (got != outcome::full) return got;
  unique_lock hold(lock_);
  if (!wait) return look_and_reserve();
  ++blocked_;
  somebody_blocked_.store(true, memory_order_relaxed);
  const auto may_go_on = [&] {
    got = look_and_reserve();
    return got != outcome::full;
  };
  if (deadline == nullptr)
    room_.wait(hold, may_go_on);
  else if (!room_.wait_until(hold, *deadline, may_go_on))
    got = outcome::timed_out;
  somebody_blocked_.store(--blocked_ != 0, memory_order_relaxed);
  return got;
}

bool injection_queue::reserve_anyway() noexcept { return try_reserve(no_bound) == outcome::reserved; }

// Under the lock: whoever is blocked has looked, or looks after this.
void injection_queue::give_room() noexcept {
  ++given_;
  if (blocked_ != 0) room_.notify_one();
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
  if (first == &job) {
    first = job.after;
    if (first == nullptr) last = nullptr;
    return;
  }
  job.before->after = job.after;
  (last == &job ? last : job.after->before) = job.before;
}

void injection_queue::commit(injected& job) noexcept {
  const std::lock_guard hold(lock_);
  queued_.append(job);
  job.queued = true;
  waiting_.store(waiting_.load(memory_order_relaxed) + 1, memory_order_seq_cst);
}

void injection_queue::mark_taken(injected& job) noexcept {
  queued_.unlink(job);
  taken_.append(job);
  job.queued = false;
  ++taken_ever_;
  waiting_.store(waiting_.load(memory_order_relaxed) - 1, memory_order_relaxed);
  if (job.bounded) give_room();
}

injected* injection_queue::take_oldest(end* over) noexcept {
  injected* job = nullptr;
  const injected* next = nullptr;
  {
    const std::lock_guard hold(lock_);
    if (over != nullptr) mark_ended(*over);
    job = queued_.first;
    if (job != nullptr) mark_taken(*job);
    next = queued_.first;
  }
  // While this one runs the next one comes from where its submitter was. Also if it is somebody else's by
  // now.
  if (next != nullptr) fetch_soon(next);
  return job;
}

injected* injection_queue::take() noexcept {
  return waiting_.load(memory_order_relaxed) == 0 ? nullptr : take_oldest(nullptr);
}

injected* injection_queue::take_after(end& over) noexcept { return take_oldest(&over); }

bool injection_queue::remove(injected& job) noexcept {
  const std::lock_guard hold(lock_);
  if (!job.queued) return false;
  mark_taken(job);
  return true;
}

void injection_queue::mark_ended(end& over) noexcept {
  taken_.unlink(*over.job);
  ran_ += over.ran;
  skipped_ += over.skipped;
  ++ended_ever_;
  over.was_last = counted().live == 0;
}

void injection_queue::ended(end& over) noexcept {
  const std::lock_guard hold(lock_);
  mark_ended(over);
}

void injection_queue::close() noexcept {
  const std::lock_guard hold(lock_);
  reserved_.fetch_or(is_closed, memory_order_relaxed);
  room_.notify_all();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
