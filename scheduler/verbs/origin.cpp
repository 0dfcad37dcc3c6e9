#include "verbs/origin.hpp"

#include <cxxabi.h>

#include <cstdio>
#include <exception>
#include <new>
#include <typeinfo>
#include <utility>

#include "job/job_state.hpp"
#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

bool caught_cancellation(const job_core& job) noexcept {
  if (job.undisturbed()) return false;
  const std::type_info* const type = abi::__cxa_current_exception_type();
  return type != nullptr && *type == typeid(cancelled);
}

namespace {

std::string name_of(const task_frame& t) noexcept {
  try {
    if (const task_extra* const extra = t.get_extra()) return extra->name;
  } catch (const std::bad_alloc&) {
    // No memory for the name: the path says it too.
  }
  return {};
}

}  // namespace

namespace {

exception_origin take_innermost(worker& w) noexcept {
  exception_origin& innermost = worker_thread::of(w).origin;
  exception_origin taken = std::exchange(innermost, {});
  if (const std::unique_ptr<exception_origin> outer = std::move(taken.outer)) innermost = std::move(*outer);
  w.keeps_origin = innermost.exception != nullptr;
  return taken;
}

}  // namespace

exception_origin take_origin(worker& w) noexcept {
  if (!w.keeps_origin || worker_thread::of(w).origin.task != w.task) return {};
  return take_innermost(w);
}

void keep_origin(worker& w, exception_origin&& origin) noexcept {
  take_origin(w);
  if (origin.exception == nullptr) return;
  exception_origin& innermost = worker_thread::of(w).origin;
  if (w.keeps_origin) {
    try {
      origin.outer = std::make_unique<exception_origin>(std::move(innermost));
    } catch (const std::bad_alloc&) {
      // The outer one's error has the place of the task that it leaves.
    }
  }
  origin.task = w.task;
  innermost = std::move(origin);
  w.keeps_origin = true;
}

void forget_origins(worker& w, const task_frame& t) noexcept {
  const outside_tasks code_of_errors(worker_thread::of(w), *t.job);
  while (worker_thread::of(w).origin.task == &t) take_innermost(w);
}

std::unique_ptr<failure> capture(worker& w, const task_frame& t, spot here, const char* phase) noexcept {
  std::exception_ptr exception = std::current_exception();
  if (exception == nullptr) {
    std::fputs(
        "coppice: a task was unwound by pthread_exit or pthread_cancel; a worker's thread must not end so, "
        "terminating\n",
        stderr);
    std::terminate();
  }
  std::unique_ptr<failure> f(new (std::nothrow) failure);
  if (f == nullptr) return f;
  exception_origin origin = take_origin(w);
  if (origin.exception == exception) {
    f->path = std::move(origin.path);
    f->name = std::move(origin.name);
    f->worker = origin.worker;
    f->when = origin.when;
    f->after_cancel = origin.after_cancel;
    if (*origin.phase != '\0') phase = origin.phase;
  } else {
    f->path = path_of(here);
    f->name = name_of(t);
    f->worker = w.index;
    f->after_cancel = t.job->stopping();
  }
  f->exception = std::move(exception);
  f->phase = phase;
  return f;
}

void note_origin(worker& w, spot here) noexcept {
  std::exception_ptr exception = std::current_exception();
  const exception_origin& known = worker_thread::of(w).origin;
  if (known.task == w.task && known.exception == exception) return;
  keep_origin(w, {std::move(exception), path_of(here), name_of(*w.task), w.index, clock::now(),
                  w.task->job->stopping()});
}

failure* unkept_failure() noexcept {
  static failure none;
  return &none;
}

void add_secondary(task_frame& t, failure&& f) noexcept {
  job_state& job = job_state::of(*t.job);
  f.secondary = true;
  const std::lock_guard hold(job.lock);
  try {
    job.extra_of(t).secondary.add(f);
  } catch (const std::bad_alloc&) {
    job.what_happens().errors.add(f);  // counted as the job's, which is stricter, rather than lost
  }
}

void rethrow_failure(worker& w, failure* kept) {
  if (kept == unkept_failure()) throw std::bad_alloc();
  const std::unique_ptr<failure> f(kept);
  std::exception_ptr exception = f->exception;
  keep_origin(w, {std::move(f->exception), std::move(f->path), std::move(f->name), f->worker, f->when,
                  f->after_cancel, f->phase});
  std::rethrow_exception(std::move(exception));
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
