// A job's private part: what happens to a job once, or rarely.
//
// Who writes what. Everything under `lock`, but `options` (constant), `submitted` (before launch) and the
// links of the injection queue (under its lock). No user code runs under the lock.
#pragma once

#include <chrono>
#include <coppice/detail/job_core.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "job/failure.hpp"
#include "job/measure.hpp"
#include "job/task_extra.hpp"
#include "job/wait_graph.hpp"
#include "platform/fork.hpp"
#include "stores/injection.hpp"
#include "worker/crew.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// Whether the scheduler has a watchdog.
bool is_watched(const scheduler_core& s) noexcept;

struct job_state : injected {
  job_state(job_core& j, scheduler_core& s, job_options&& o)
      : job(j),
        home(s),
        options(std::move(o)),
        errors(options.keep_errors),
        measured(options.stats || is_watched(s) ? std::make_unique<measure>() : nullptr) {
    report.name = options.name;
  }

  job_core& job;
  scheduler_core& home;
  const unsigned forks = platform::forks();  // before it was made
  bool inherited_over_fork() const noexcept { return forks != platform::forks(); }
  job_options options;
  std::chrono::steady_clock::time_point submitted{};
  int submitted_on = -1;  // the CPU on which its submitter was; a hint

  standing_list workers_elsewhere;  // workers of other schedulers that wait for this job

  mutex lock;
  error_set errors;
  std::optional<cancel_record> cancelled_by;
  std::optional<task_path> first_failure;  // what is later than this is stopped
  std::stop_source stop{std::nostopstate};
  const std::unique_ptr<measure> measured;  // null unless asked for
  job_report report;                        // complete when `reported`; then read without the lock
  bool closed = false;                      // found quiet: the record is final, a cancel comes too late
  bool reported = false;
  bool detached = false;
  atomic<bool> observed{false};  // somebody has waited, or was told
  // Who reads the report: the handle, or for a detached job the scheduler; exceptions with it in them.
  atomic<std::uint32_t> readers{1};

  wait_node waits{job};  // under the lock of all waits

  // The tree of jobs: a job holds a reference on the one it was submitted from, until it and all below it are
  // quiet. An error that it is part of may be kept by that one.
  job_core* parent = nullptr;
  bool left_by_tasks = false;           // quiet, as its children see it; under this job's lock
  job_state* first_child = nullptr;     // under this job's lock
  job_state* sibling_before = nullptr;  // under the parent's lock
  job_state* sibling_after = nullptr;

  static job_state& of(job_core& j) noexcept { return *j.state_; }
  static const job_state& of(const job_core& j) noexcept { return *j.state_; }

  bool request_stop(stop_reason why, std::string by, std::string reason);
  // As request_stop; without memory for the record, without the record.
  void stop_now(stop_reason why, const char* reason) noexcept;
  void adopt_by(job_core& outer) noexcept;
  void watch_deadline() noexcept;
  void describe_running(std::vector<running_task>& out) const;
  // From now on tasks say that they were running when they end.
  void ask_what_runs() noexcept;
  void tell_if_asked_what_runs(const worker& w, const task_frame& t) noexcept;
  void leave_parent() noexcept;
  void finish() noexcept;
  void tell_if_unobserved() noexcept;
  // The job has ended and nobody has a handle: value and errors die here, whoever still counts for the job.
  void give_up_results() noexcept;
  // For an exception: shared with the handle, and kept with the job's memory. Throws std::bad_alloc.
  std::shared_ptr<const job_report> share_report();
  // The last reader is gone: exceptions die with it, whoever still holds the job.
  void leave_report() noexcept;
  task_extra& extra_of(task_frame& t);  // under lock; throws bad_alloc

  // Records the failures of a task that are the job's own, and stops the job if its policy says so.
  void record(error_set&& failures, const place& by) noexcept;
  // order(stop): acquire; pairs with the store in set_stopped().
  stop_reason reason() const noexcept { return job.stop_.load(memory_order_acquire); }

 private:
  // This one alone; adds the jobs that are to be stopped with it, with a reference on each. Throws
  // std::bad_alloc, before anything is changed.
  bool stop_this(stop_reason why, std::string by, std::string reason, std::vector<job_core*>& inner);
  void stop_without_record(stop_reason why) noexcept;
  void set_stopped(stop_reason why) noexcept;
  void stop_right_of(const task_path& failed) noexcept;
  void tell_workers() noexcept;
  void signal_stop(std::stop_source& source) noexcept;
  void make_report() noexcept;
  void describe_errors() noexcept;
  // Under the lock. True: somebody sleeps until the job is done.
  bool publish_report(bool& tell) noexcept;
  void unlink_from(job_state& p) noexcept;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
