// A job's private part: what happens to a job once, or rarely.
//
// Who writes what. Everything under `lock`, but `options` (constant), `submitted` (before launch) and the
// links of the injection queue (under its lock). No user code runs under the lock.
#pragma once

#include <chrono>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/mutex.hpp>
#include <coppice/detail/room_for.hpp>
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

class stream_core;

// What a job keeps of its options.
struct kept_options {
  explicit kept_options(job_options&& o)
      : name(std::move(o.name)), deadline(o.deadline), keep_errors(o.keep_errors), shield(o.shield) {}

  std::string name;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::size_t keep_errors;
  bool shield;
};

// What only a job has that something happens to: an error, a stop, somebody who wants a stop token.
struct mishaps {
  explicit mishaps(std::size_t keep_errors) noexcept : errors(keep_errors) {}

  error_set errors;
  std::optional<cancel_record> cancelled_by;
  std::optional<task_path> first_failure;  // what is later than this is stopped
  std::stop_source stop{std::nostopstate};
};

// In the order of its cache lines: two with what each job needs, some of it on two threads; then what is not
// touched after it was made, in most jobs; then the worker's own line; then what most jobs never make. A line
// that only the submitter has written costs the worker nothing, and the next submitter, in the same memory,
// not much.
struct job_state : injected {
  job_state(job_core& j, scheduler_core& s, job_options&& o)
      : wants_stats(o.stats),
        home(s),
        job(j),
        measured(o.stats || is_watched(s) ? std::make_unique<measure>() : nullptr),
        policy(std::move(o.errors)),
        options(std::move(o)),
        waits(j) {
    if (options.name.empty()) return;
    try {
      make_empty_report().name = options.name;
    } catch (...) {
      std::destroy_at(report());
      throw;
    }
  }
  ~job_state() {
    if (is_ill) std::destroy_at(ill());
    if (has_report) std::destroy_at(report());
  }
  job_state(const job_state&) = delete;
  job_state& operator=(const job_state&) = delete;

  bool closed = false;         // found quiet: the record is final, a cancel comes too late
  bool left_by_tasks = false;  // quiet, as its children see it; under this job's lock
  bool is_ill = false, has_report = false;
  bool is_timed = false;  // the timer knows it, or has known it
  const bool wants_stats;
  int submitted_on = -1;  // the CPU on which its submitter was; a hint
  mutex lock;
  scheduler_core& home;
  // The tree of jobs: a job holds a reference on the one it was submitted from, until it and all below it are
  // quiet. An error that it is part of may be kept by that one.
  job_core* parent = nullptr;

  std::chrono::steady_clock::time_point submitted{};
  std::chrono::nanoseconds elapsed{0};
  job_core& job;
  const std::unique_ptr<measure> measured;  // null unless asked for
  standing_list waiting_workers;            // that are parked until this job ends

  // The handle's. That it waits or lets go takes no line from the worker but that of the job's end.
  alignas(cache_line) atomic<bool> observed{false};  // somebody has waited, or was told
  bool submitter_polls = false;                      // for a moment, when it waits
  const unsigned forks = platform::forks();          // before it was made
  bool inherited_over_fork() const noexcept { return forks != platform::forks(); }
  // Who reads the report: the handle, or for a detached job the scheduler; exceptions with it in them.
  atomic<std::uint32_t> readers{1};
  std::uint32_t depth = 0;  // in the tree of jobs; with `parent`
  const error_policy policy;
  kept_options options;
  job_state* first_child = nullptr;     // under this job's lock
  job_state* sibling_before = nullptr;  // under the parent's lock
  job_state* sibling_after = nullptr;
  stream_core* stream = nullptr;  // under this job's lock: whose step it is, until that ends
  wait_node waits;                // under the lock of all waits

  alignas(cache_line) shard_room first_shard;

  room_for<mishaps> room_for_mishaps;
  room_for<job_report> room_for_report;

  // Null: nothing has happened. Under the lock.
  mishaps* ill() noexcept { return is_ill ? &room_for_mishaps.made : nullptr; }
  mishaps& what_happens() noexcept {
    // Not written once it is so: whoever makes the report reads it without the lock.
    if (!is_ill) {
      std::construct_at(&room_for_mishaps.made, options.keep_errors);
      is_ill = true;
    }
    return room_for_mishaps.made;
  }
  // Null: nobody has needed it. Made with the job if that has a name; complete when the job is done, and then
  // read without the lock.
  job_report* report() noexcept { return has_report ? &room_for_report.made : nullptr; }
  job_report& make_empty_report() noexcept {
    if (!std::exchange(has_report, true)) std::construct_at(&room_for_report.made);
    return room_for_report.made;
  }
  static job_state& of(job_core& j) noexcept { return j.state(); }
  static const job_state& of(const job_core& j) noexcept { return j.state(); }

  bool request_stop(stop_reason why, std::string by, std::string reason);
  // As request_stop; without memory for the record, without the record.
  void stop_now(stop_reason why, const char* reason) noexcept;
  void adopt_by(job_core& outer) noexcept;
  void watch_deadline() noexcept;
  // From now on tasks say that they were running when they end.
  void ask_what_runs() noexcept;
  void tell_if_asked_what_runs(const worker& w, const task_frame& t) noexcept;
  void leave_parent() noexcept;
  // On the worker that found the job quiet; once. What is left is to tell the injection queue, and then
  // has_left().
  injection_queue::end finish(worker& w) noexcept;
  void has_left(bool was_last) noexcept;
  void tell_if_unobserved() noexcept;
  // The job has ended and nobody has a handle: value and errors die here, whoever still counts for the job.
  void give_up_results() noexcept;
  // Of a job that has ended. For the one who has the handle, or for whoever ends a detached job.
  const job_report& made_report() noexcept;
  // For an exception: shared with the handle, and kept with the job's memory. Throws std::bad_alloc.
  std::shared_ptr<const job_report> share_report();
  // The last reader is gone: exceptions die with it, whoever still holds the job.
  void leave_report() noexcept;
  task_extra& extra_of(task_frame& t);  // under lock; throws bad_alloc

  // Records the failures of a task that are the job's own, and stops the job if its policy says so.
  void record(error_set&& failures, spot by) noexcept;
  stop_reason reason() const noexcept { return job.stop_seen(); }

 private:
  // This one alone; adds the jobs that are to be stopped with it, with a reference on each. Throws
  // std::bad_alloc, before anything is changed.
  bool stop_this(stop_reason why, std::string by, std::string reason, std::vector<job_core*>& inner,
                 bool from_above);
  void add_inner(std::vector<job_core*>& all) const;
  void stop_without_record(stop_reason why) noexcept;
  void set_stopped(stop_reason why) noexcept;
  void stop_right_of(const task_path& failed) noexcept;
  void make_report(const task_counts& n) noexcept;
  job_report& counted_report(const task_counts& n) noexcept;
  void describe_errors(job_report& r) noexcept;
  // Under the lock. What was asked of the end: to wake who sleeps, to give up the results.
  std::uint32_t publish_report() noexcept;
  void unlink_from(job_state& p) noexcept;
};

// A job is one block of memory: where that begins, and the private part, lie before the rest.
inline constexpr std::size_t block_at = sizeof(void*);
inline constexpr std::size_t state_at =
    (block_at + sizeof(job_state) + cache_line - 1) / cache_line * cache_line;
static_assert(alignof(job_state) <= cache_line);
static_assert(sizeof(void*) != 8 || sizeof(job_core) == 2 * cache_line);  // fetch_soon() relies on it

// What is kept of the memory of jobs that are over.
void give_back_memory_of_jobs() noexcept;

inline job_state& job_core::state() const noexcept {
  auto* const job = reinterpret_cast<std::byte*>(const_cast<job_core*>(this));  // NOLINT
  return *std::launder(reinterpret_cast<job_state*>(job - state_at));
}

// The job whose code this thread runs, or null.
inline job_core* current_job() noexcept {
  const task_frame* const t = current_task();
  return t != nullptr ? t->job : nullptr;
}
// Of two deadlines that there may be.
inline std::optional<std::chrono::steady_clock::time_point> earlier(
    std::optional<std::chrono::steady_clock::time_point> a,
    std::optional<std::chrono::steady_clock::time_point> b) noexcept {
  return b && (!a || *b < *a) ? b : a;
}
// This deadline, or that of the job whose code this thread runs, if it is earlier.
inline std::optional<std::chrono::steady_clock::time_point> deadline_within_current_job(
    std::optional<std::chrono::steady_clock::time_point> own) noexcept {
  job_core* const job = current_job();
  return job != nullptr ? earlier(own, job_state::of(*job).options.deadline) : own;
}
// The job at whose end, or that of one of its tasks, this thread runs code of users that belongs to no task,
// or null. As the current one it cannot be over before that code goes on.
inline job_core* ending_job() noexcept {
  worker* const w = this_worker;
  return w != nullptr && forking_worker == nullptr ? worker_thread::of(*w).ending : nullptr;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
