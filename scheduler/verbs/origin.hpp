// Taking failures in a handler: which exception it is, where it came from, whether it is only the
// cancellation.
#pragma once

#include <coppice/detail/job_core.hpp>
#include <coppice/detail/worker.hpp>
#include <memory>
#include <utility>

#include "job/failure.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// In a handler: the current exception is `cancelled`, and the job or a part of it is being stopped.
bool caught_cancellation(const job_core& job) noexcept;

// In a handler: the current exception as a failure of `t`. Its place is where it left its first join, if it
// came through one, else `here`. Null when there is no memory. A forced unwind (pthread_exit, pthread_cancel)
// ends the process with a message.
std::unique_ptr<failure> capture(worker& w, const task_frame& t, spot here, const char* phase) noexcept;

// In a handler, at a join: remembers where the current exception comes from, unless it is known.
void note_origin(worker& w, spot here) noexcept;
// Of the running task, as are the other two: those of tasks around it stay. Empty: it has none.
exception_origin take_origin(worker& w) noexcept;
void keep_origin(worker& w, exception_origin&& origin) noexcept;
// What the code of `t` has left behind, which has been handled: exceptions may die.
void forget_origins(worker& w, const task_frame& t) noexcept;
inline void forget_origin(worker& w, const task_frame& t) noexcept {
  if (w.keeps_origin) [[unlikely]]
    forget_origins(w, t);
}

// Stands for a failure that there was no memory to keep. Its one instance is never freed.
failure* unkept_failure() noexcept;
struct free_failure {
  void operator()(failure* f) const noexcept {
    if (f != unkept_failure()) delete f;
  }
};

// Throws the exception of a failure that was kept, with its origin, and frees the record.
[[noreturn]] void rethrow_failure(worker& w, failure* kept);

// A failure that another error of the same task goes before.
void add_secondary(task_frame& t, failure&& f) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
