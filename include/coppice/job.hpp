// A job, seen from outside: the handle of one submitted tree.
//
// A handle belongs to one thread at a time; cancel(), done() and stop_token() may be called from any thread
// meanwhile.
//
//   coppice::job<long> job = scheduler.submit([] { return fib(30); }, {.name = "fib"});
//   if (!job.wait_until(std::chrono::steady_clock::now() + 1s)) job.cancel("took too long");
//   try {
//     std::cout << job.get() << '\n';
//   } catch (const coppice::job_exception& e) {
//     std::cerr << e.report();
//   }
#pragma once

#include <chrono>
#include <coppice/detail/job_body.hpp>
#include <coppice/error.hpp>
#include <coppice/job_options.hpp>
#include <coppice/stop.hpp>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

namespace coppice {
inline namespace v0 {

class scheduler;

/// The handle of a job. Destroying one that was not waited for cancels the job and joins it: it waits also
/// for a job that is still queued, until a worker has come to skip it.
template <class T>
class job {
 public:
  /// An empty handle, as after a move. Its members throw std::logic_error.
  job() noexcept = default;
  job(job&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  // Code of users that the end of a handle runs, stop callbacks and the ends of errors, finds it changed.
  job& operator=(job&& other) noexcept {
    detail::job_value<T>* const before = std::exchange(core_, std::exchange(other.core_, nullptr));
    if (before != nullptr) before->abandon();
    return *this;
  }
  // Here it stays what it was: nothing can be assigned to it any more, and such code may cancel the job
  // again. Or detach the handle, or move the job out of it.
  ~job() {
    if (core_ == nullptr) return;
    detail::job_value<T>& mine = *core_;
    if (!mine.leaves_nothing()) {
      mine.acquire();
      mine.cancel_and_join();
      if (core_ != nullptr) mine.detach();
      if (core_ != nullptr) mine.release();
    }
    mine.release();
  }

  bool valid() const noexcept { return core_ != nullptr; }

  /// Waits until the job is quiet and returns its report; never throws what a task threw.
  ///
  /// Threads: any, tasks of the same scheduler included: the job then runs on this worker if nobody has it.
  /// Blocks: until the job is quiet.
  /// Throws: would_deadlock on the own job, one it was submitted from, or one that waits for the own job, be
  /// it through others, where the own one may also be the job at the end of whose task a stop callback or an
  /// exception's destructor runs; std::logic_error on an empty handle. Lifetime: the report lives as long as
  /// the handle.
  const job_report& wait() {
    checked().wait();
    return core_->report();
  }

  /// Gives up waiting at `when`; cancels nothing. True: the job is quiet. Errors still go to the handler of
  /// unobserved ones unless wait() or get() follows.
  ///
  /// Threads: any. A task runs nothing meanwhile and lends its core: with no spare worker left to take it, or
  /// `max_spare_workers` of 0, a job of the same scheduler that no other worker has is not begun until then.
  /// Throws: as wait(), but an endless wait only where the job is the own one or one it was submitted from.
  bool wait_until(std::chrono::steady_clock::time_point when) { return checked().wait_until(when); }

  /// Waits, then moves the value out.
  ///
  /// Throws: job_error, job_cancelled or job_deadline_exceeded when the outcome is not completed;
  /// std::logic_error when the value was taken before; and as wait().
  T get() {
    checked().wait();
    if (!core_->completed()) core_->throw_report();
    if (!core_->has_value()) detail::refuse_second_get();
    return core_->take();
  }

  /// Cancels the job: tasks that wait are skipped, running ones finish. True for the one call that did it. A
  /// job that is still queued is over when its turn has come, as one whose deadline passes there is.
  ///
  /// Threads: any. Takes no lock that a task can hold.
  bool cancel(std::string reason = {}) { return checked().cancel(std::move(reason)); }
  bool done() const noexcept { return core_ != nullptr && core_->done(); }
  /// Stops when the job is cancelled, for whatever reason.
  std::stop_token stop_token() const { return checked().stop_token(); }
  /// Lets go: the scheduler joins the job when it stops. Leaves this handle empty.
  void detach() {
    detail::job_value<T>& mine = checked();
    core_ = nullptr;
    mine.detach();
    mine.release();
  }

 private:
  friend class scheduler;
  explicit job(detail::job_value<T>* core) noexcept : core_(core) {}
  detail::job_value<T>& checked() const {
    if (core_ == nullptr) detail::refuse_empty_job();
    return *core_;
  }
  detail::job_value<T>* core_ = nullptr;
};

/// What try_submit returns: the job is empty unless accepted.
template <class T>
struct submission {
  admission status = admission::full;
  coppice::job<T> job;
};

}  // namespace v0
}  // namespace coppice
