#include "lifecycle/deadline_timer.hpp"

#include <coppice/detail/job_core.hpp>

#include "job/job_state.hpp"
#include "worker/crew.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

void deadline_timer::start() {
  const std::lock_guard hold(lock_);
  if (thread_ || stopping_) return;
  // What most systems give a thread: users' stop callbacks run here that were written for any.
  constexpr std::size_t stack_bytes = std::size_t{8} * 1024 * 1024;
  thread_.emplace(
      name_, stack_bytes, [](void* self) { static_cast<deadline_timer*>(self)->run(); }, this);
  // Started in a task it has the mask of a worker. Any other is what this process is to run on now.
  if (this_worker != nullptr) team_.unbind(*thread_);
}

void deadline_timer::watch(job_core& job, time_point when) {
  const std::lock_guard hold(lock_);
  if (watched_.emplace(when, &job).second) job.acquire();
  if (when < looks_at_) changed_.notify_one();
}

void deadline_timer::forget(job_core& job, time_point when) noexcept {
  unique_lock hold(lock_);
  if (watched_.erase({when, &job}) == 0) return;
  hold.unlock();
  job.release();
}

void deadline_timer::stop() noexcept {
  {
    const std::lock_guard hold(lock_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_) thread_->join();
}

bool deadline_timer::runs_on_this_thread() noexcept {
  const std::lock_guard hold(lock_);
  return thread_ && !over_ && thread_->handle() == platform::this_thread();
}

void deadline_timer::run() noexcept {
  const platform::deadline_waiter told(
      [](void* self) {
        auto& timer = *static_cast<deadline_timer*>(self);
        const std::lock_guard hold(timer.lock_);
        timer.changed_.notify_all();
      },
      this);
  unique_lock hold(lock_);
  while (!stopping_) {
    if (watched_.empty()) {
      looks_at_ = time_point::max();
      changed_.wait(hold);
      continue;
    }
    const auto [when, job] = *watched_.begin();
    looks_at_ = when;
    if (platform::deadline_now() < when) {
      platform::wait_for_deadline(changed_, hold, when);
      continue;
    }
    watched_.erase(watched_.begin());
    hold.unlock();
    job_state::of(*job).stop_now(stop_reason::deadline, "its deadline was reached");
    job->release();
    hold.lock();
  }
  over_ = true;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
