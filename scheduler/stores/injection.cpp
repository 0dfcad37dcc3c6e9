#include "stores/injection.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

injection_queue::outcome injection_queue::reserve(bool wait,
                                                  const std::chrono::steady_clock::time_point* deadline) {
  unique_lock hold(lock_);
  const auto may_go_on = [&] { return closed_ || admitted_ < capacity_; };
  if (wait) ++blocked_;
  struct counted {
    injection_queue& q;
    bool waits;
    ~counted() {
      if (waits) --q.blocked_;
    }
  } const until_the_end{*this, wait};
  if (wait && deadline != nullptr) {
    if (!room_.wait_until(hold, *deadline, may_go_on)) return outcome::timed_out;
  } else if (wait) {
    room_.wait(hold, may_go_on);
  }
  if (closed_) return outcome::closed;
  if (admitted_ >= capacity_) return outcome::full;
  ++admitted_;
  return outcome::reserved;
}

injection_queue::outcome injection_queue::reserve_unbounded() {
  const std::lock_guard hold(lock_);
  return closed_ ? outcome::closed : outcome::reserved;
}

bool injection_queue::reserve_anyway() noexcept {
  const std::lock_guard hold(lock_);
  if (!closed_) ++admitted_;
  return !closed_;
}

void injection_queue::cancel_reservation() noexcept {
  const std::lock_guard hold(lock_);
  --admitted_;
  room_.notify_one();
}

void injection_queue::commit(injected& job) noexcept {
  const std::lock_guard hold(lock_);
  job.before = last_;
  job.after = nullptr;
  (last_ != nullptr ? last_->after : first_) = &job;
  last_ = &job;
  job.queued = true;
  queued_.fetch_add(1, memory_order_seq_cst);
}

injected* injection_queue::next_of(const injected& job) noexcept { return job.after; }

void injection_queue::unlink(injected& job) noexcept {
  (job.before != nullptr ? job.before->after : first_) = job.after;
  (job.after != nullptr ? job.after->before : last_) = job.before;
  job.queued = false;
  queued_.fetch_sub(1, memory_order_relaxed);
  if (job.bounded) {
    --admitted_;
    room_.notify_one();
  }
}

injected* injection_queue::take() noexcept {
  if (queued_.load(memory_order_relaxed) == 0) return nullptr;
  const std::lock_guard hold(lock_);
  injected* const job = first_;
  if (job != nullptr) unlink(*job);
  return job;
}

bool injection_queue::remove(injected& job) noexcept {
  const std::lock_guard hold(lock_);
  if (!job.queued) return false;
  unlink(job);
  return true;
}

void injection_queue::close() noexcept {
  const std::lock_guard hold(lock_);
  closed_ = true;
  room_.notify_all();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
