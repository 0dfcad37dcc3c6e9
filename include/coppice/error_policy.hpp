// What a job does when an error leaves one of its tasks: stop, go on, or stop when there are too many. Plain
// data; any thread.
//
//   auto found = scheduler.submit(search, {.errors = coppice::error_policy::serial_first()});
//
//   // The hundredth stops it; more than a tenth, of 50 at least.
//   auto pages = scheduler.submit(crawl, {.errors = coppice::error_policy::after(100)});
//   auto rows = scheduler.submit(import, {.errors = coppice::error_policy::fraction(0.1, 50)});
//
//   const auto memory_ends = [](const coppice::task_error& e, const coppice::error_count&) {
//     return e.type == "std::bad_alloc";
//   };
//   auto built = scheduler.submit(build, {.errors = coppice::error_policy::when(memory_ends)});
#pragma once

#include <coppice/detail/config.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {

struct task_error;

/// What a job has come to when an error leaves one of its tasks, that task included.
struct error_count {
  std::uint64_t errors = 0;   ///< that have left tasks of the job
  std::uint64_t ended = 0;    ///< tasks that have ended, skipped ones not counted
  std::uint64_t spawned = 0;  ///< tasks so far
};

/// What a job does when an error leaves one of its tasks.
///
/// An error counts when it leaves a task: the root, or a child by spawn. One that is caught on its way, or
/// that a join or task_group carries upwards, has not left a task yet.
class error_policy {
 public:
  /// Whether the job stops at this error. Called by the worker that ran the task, under no lock, by several
  /// at a time; must not throw.
  using decision = bool (*)(const task_error& error, const error_count& so_far);

  /// Cancels the rest of the job; tasks that run finish, tasks that wait are skipped.
  static constexpr error_policy fail_fast() noexcept { return error_policy(kind::first); }
  /// Runs everything; join and task_group run every branch although an earlier one failed.
  static constexpr error_policy collect_all() noexcept { return error_policy(kind::never); }
  /// Stops what lies to the right of the failure, later in serial order, and nothing else. So the first error
  /// of the report that is not secondary is the one that the serial run would have met, on every schedule,
  /// also where failures are caught inside the tree: a child that is spawned without a task_group, by a task
  /// of a group or by a branch that was stolen, starts when that group or join is over and the serial run
  /// would have spawned it; else it is skipped. A task_group whose scope is left runs its unstarted children,
  /// as the serial run has.
  ///
  /// Cost: after a failure a look at the place of each task that starts and of each fork that is stopped.
  static constexpr error_policy serial_first() noexcept { return error_policy(kind::serial); }
  /// Runs on until `errors` errors have left tasks of the job, then stops as fail_fast does. Join and
  /// task_group run every branch, as under collect_all.
  ///
  /// Throws: std::invalid_argument for 0.
  static constexpr error_policy after(std::uint64_t errors) {
    if (errors == 0) refuse_no_errors();
    error_policy p(kind::count);
    p.count_ = errors;
    return p;
  }
  /// Runs on while at most this part of the tasks that have ended has failed; before `min_tasks` tasks have
  /// ended it never stops. Else as after().
  ///
  /// Throws: std::invalid_argument unless 0 <= part < 1.
  static constexpr error_policy fraction(double part, std::uint64_t min_tasks) {
    if (!(part >= 0 && part < 1)) refuse_fraction();
    error_policy p(kind::part);
    p.part_ = part;
    p.count_ = min_tasks;
    return p;
  }
  /// Stops when `decide` says so. Else as after().
  ///
  /// Throws: std::invalid_argument for a null pointer.
  static constexpr error_policy when(decision decide) {
    if (decide == nullptr) refuse_no_decision();
    error_policy p(kind::decided);
    p.decide_ = decide;
    return p;
  }

  /// Whether a failure stops at once what would come after it: then join and task_group start no later
  /// branch.
  constexpr bool stops_at_failure() const noexcept { return kind_ == kind::first || kind_ == kind::serial; }
  /// Whether only what lies to the right of a failure is stopped.
  constexpr bool keeps_what_is_earlier() const noexcept { return kind_ == kind::serial; }
  constexpr bool collects_all() const noexcept { return kind_ == kind::never; }
  /// Whether the error itself is looked at.
  constexpr bool looks_at_errors() const noexcept { return kind_ == kind::decided; }
  /// Whether the job stops now.
  COPPICE_API bool stops(const task_error& error, const error_count& so_far) const;
  friend constexpr bool operator==(const error_policy&, const error_policy&) = default;

 private:
  enum class kind : std::uint8_t { first, never, serial, count, part, decided };
  constexpr explicit error_policy(kind k) noexcept : kind_(k) {}
  [[noreturn]] COPPICE_API static void refuse_no_errors();
  [[noreturn]] COPPICE_API static void refuse_fraction();
  [[noreturn]] COPPICE_API static void refuse_no_decision();

  kind kind_;
  std::uint64_t count_ = 0;
  double part_ = 0;
  decision decide_ = nullptr;
};

}  // namespace v0
}  // namespace coppice
