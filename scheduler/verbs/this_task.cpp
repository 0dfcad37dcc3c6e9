#include <algorithm>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/stream_core.hpp>
#include <coppice/this_task.hpp>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include "job/job_state.hpp"
#include "platform/deadline_clock.hpp"
#include "platform/waiting.hpp"
#include "verbs/origin.hpp"

namespace coppice {
inline namespace v0 {
namespace this_task {

namespace {

// The task whose code this is: none runs at the end of one, whatever waits on this thread.
detail::task_frame* running_task() noexcept {
  const detail::worker* const w = detail::forking_worker;
  return w != nullptr ? w->task : nullptr;
}

// With an empty message the text would begin with the colon that divides it from the code's.
std::system_error error_of(std::error_code code, const std::string& message) {
  return message.empty() ? std::system_error(code) : std::system_error(code, message);
}

}  // namespace

bool stop_requested() noexcept {
  const detail::task_frame* const t = running_task();
  return t != nullptr && t->job->stops(detail::this_worker->where());
}

void throw_if_stopped() {
  if (stop_requested()) throw cancelled{};
}

std::stop_token stop_token() {
  const detail::task_frame* const t = running_task();
  return t != nullptr ? t->job->stop_token() : std::stop_token();
}

bool cancel_job(std::string reason) {
  const detail::task_frame* const t = running_task();
  if (t == nullptr) return false;
  detail::job_state& state = detail::job_state::of(*t->job);
  std::string by = detail::to_text(detail::path_of(detail::this_worker->where()));
  detail::stream_core* stream = nullptr;
  {
    // A step of a stream is a job to the scheduler only.
    const std::lock_guard hold(state.lock);
    stream = state.stream;
    if (stream != nullptr) stream->acquire();
  }
  if (stream == nullptr)
    return state.request_stop(detail::stop_reason::cancelled, std::move(by), std::move(reason));
  struct let_go {
    detail::stream_core& stream;
    ~let_go() { stream.release(); }
  } const held{*stream};
  return stream->cancel(detail::stream_stop::cancelled, std::move(by), std::move(reason));
}

void fail(std::error_code code, std::string message) {
  detail::task_frame* const t = running_task();
  if (t == nullptr) throw error_of(code, message);
  detail::failure f;
  f.exception = std::make_exception_ptr(error_of(code, message));
  f.path = detail::path_of(detail::this_worker->where());
  f.worker = detail::this_worker->index;
  f.after_cancel = t->job->stopping();
  detail::job_state& job = detail::job_state::of(*t->job);
  const std::lock_guard hold(job.lock);
  detail::task_extra& extra = job.extra_of(*t);
  f.name = extra.name;
  // The primary one is the first in serial order, not in time: branches of a join may call this at the same
  // time.
  if (extra.recorded && detail::is_earlier(f, *extra.recorded)) std::swap(f, *extra.recorded);
  if (!extra.recorded) {
    extra.recorded = std::move(f);
  } else {
    f.secondary = true;
    extra.secondary.add(f);
  }
}

std::chrono::nanoseconds remaining() {
  const detail::task_frame* const t = running_task();
  if (t == nullptr) return std::chrono::nanoseconds::max();
  const auto& deadline = detail::job_state::of(*t->job).options.deadline;
  if (!deadline) return std::chrono::nanoseconds::max();
  return std::max(std::chrono::nanoseconds::zero(),
                  std::chrono::nanoseconds(*deadline - platform::deadline_now()));
}

std::string path() {
  return running_task() != nullptr ? detail::to_text(detail::path_of(detail::this_worker->where()))
                                   : std::string();
}

int worker() noexcept {
  return detail::this_worker != nullptr ? static_cast<int>(detail::this_worker->index) : -1;
}

}  // namespace this_task
}  // namespace v0
}  // namespace coppice
