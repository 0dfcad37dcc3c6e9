// One task of a fifo_pool: who deletes it, and how its handle waits.
#include <coppice/error.hpp>
#include <coppice/fifo_pool.hpp>
#include <coppice/fifo_task.hpp>
#include <future>
#include <stdexcept>

#include "fifo/seat.hpp"
#include "platform/fork.hpp"
#include "platform/standing.hpp"

namespace coppice::inline v0::detail {

fifo_node::fifo_node() noexcept : forks_(platform::forks()) {}
fifo_node::~fifo_node() = default;

void fifo_node::settle() noexcept {
  {
    const std::lock_guard lock(mutex_);
    settled_ = true;
    if (!dropped_) {
      has_settled_.notify_all();  // under the lock: once it is released the handle may delete the node
      return;
    }
  }
  delete this;
}

void fifo_node::drop() noexcept {
  if (forks_ != platform::forks()) return;  // the parent's; its mutex may be held here for ever
  {
    const std::lock_guard lock(mutex_);
    dropped_ = true;
    if (!settled_) return;  // the pool deletes it
  }
  delete this;
}

bool fifo_node::settled() const noexcept {
  const std::lock_guard lock(mutex_);
  return settled_;
}

void fifo_node::skip() noexcept {
  try {
    error_ = std::make_exception_ptr(scheduler_stopped(
        "coppice: this task of a fifo_pool was not run: the pool was stopped with stop_mode::cancel"));
  } catch (...) {
    error_ = std::current_exception();
  }
  destroy_closure();
  settle();
}

void fifo_node::wait() {
  if (forks_ != platform::forks()) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && settled_) return;
    throw scheduler_stopped(
        "coppice: this task of a fifo_pool was submitted before a fork, and runs in the parent process only "
        "(submit it again, to a pool that was made in the child)");
  }
  if (fifo_pool::own_seat(pool) != nullptr) return const_cast<fifo_pool*>(pool)->wait_as_worker(*this);
  if (platform::party* const me = platform::running_party(); me != nullptr && !settled()) return wait_as(*me);
  sleep_until_settled(false);
}

// A worker on which the search has counted may leave before it takes this task; then the wait that the search
// has found to end may not.
void fifo_node::wait_as(platform::party& me) {
  const fifo_task_party here(*this);
  for (bool over = false; !over;) {
    {
      const std::lock_guard lock(mutex_);
      search_again_ = false;
    }
    const platform::wait_elsewhere registered(&me, here);
    if (!registered.why_endless().empty()) throw would_deadlock(registered.why_endless());
    platform::stand_still([&] { over = sleep_until_settled(true); });
  }
}

bool fifo_node::sleep_until_settled(bool searches) {
  std::unique_lock lock(mutex_);
  has_settled_.wait(lock, [&] { return settled_ || (searches && search_again_); });
  return settled_;
}

void fifo_node::search_again() noexcept {
  const std::lock_guard lock(mutex_);
  search_again_ = true;
  has_settled_.notify_all();
}

void throw_empty_callable() {
  throw std::invalid_argument(
      "coppice: an empty function was submitted to a fifo_pool; there is nothing to call");
}

void throw_empty_fifo_task() { throw std::future_error(std::future_errc::no_state); }

}  // namespace coppice::inline v0::detail
