// Spawning children whose number is known only at run time: a group that is waited for, or children of the
// job alone.
//
// spawn may be called on any thread. A group belongs to the task that made it: that task waits; its
// descendants may spawn into it. Elsewhere than in a scheduler children run at once, in order (serial
// elision); a group that was made there takes none from tasks.
//
//   std::atomic<std::uintmax_t> bytes = 0;
//   coppice::task_group children;
//   for (const auto& entry : fs::directory_iterator(dir))
//     if (entry.is_directory() && !entry.is_symlink())
//       children.spawn([&, path = entry.path()] { bytes += disk_usage(path); });
//     else if (entry.is_regular_file())
//       bytes += entry.file_size();
//   children.wait();
#pragma once

#include <coppice/detail/group_core.hpp>
#include <coppice/detail/spawn_node.hpp>
#include <coppice/detail/worker.hpp>
#include <coppice/scheduler.hpp>
#include <string_view>
#include <utility>

namespace coppice {
inline namespace v0 {

/// Children of one task, waited for together.
class task_group {
 public:
  task_group() = default;
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// Cancels what has not started (not under serial_first), joins, never throws. Errors that nobody waited
  /// for become errors of the task. In a child made by fork() it does nothing.
  ~task_group() = default;

  /// Makes f() a child of the running task and of this group. False: the job is cancelled or, under
  /// fail_fast, a child of the group has failed; f will not run.
  ///
  /// Threads: any; the children of a task are numbered in the order of its own calls.
  /// Throws: what moving f throws, std::bad_alloc, recursion_too_deep; std::logic_error in a task, if the
  /// group was made outside of any, where no task would wait for f; scheduler_stopped in a child made by
  /// fork(), if a task of the parent has made the group; never what f throws.
  /// Cost: no read-modify-write on the owner's thread. Directly in a task no allocation for closures of up to
  /// 64 bytes, with a name one; in a branch of a join, as in a parallel_for, two. More in a job with stats.
  /// Lifetime: f is moved or copied; it is destroyed before wait() returns.
  template <class F>
  bool spawn(F&& f, std::string_view name = {}) {
    if (detail::is_empty_callable(f)) detail::refuse_empty_callable();
    detail::worker* const w = detail::forking_worker;
    if (w != nullptr) [[likely]]
      return detail::spawn_child(*w, &core_, std::forward<F>(f), name);
    if (core_.refuses_outside()) return false;
    const detail::group_core::child_outside counted(core_);
    detail::run_at_once(std::forward<F>(f), [this]() noexcept { core_.serial_child_failed(); });
    return true;
  }

  /// Joins all children of this group. The group can be used again.
  ///
  /// Threads: the one that made the group.
  /// Blocks: until all children have ended; meanwhile only they and their descendants run on this thread. In
  /// a branch of a join that began after a child was spawned also what was forked since: that lies above it.
  /// Throws: the original exception of the failed child with the smallest path, the other failures becoming
  /// secondary errors of the task; cancelled, if none has failed and the job is cancelled or a child was
  /// skipped; would_deadlock in a child of this group, or below one; std::logic_error in any other task, or
  /// on another thread; scheduler_stopped in a child made by fork().
  void wait() { core_.wait(); }

 private:
  detail::group_core core_;
};

/// Makes f() a child of the running task that nobody waits for but the job. False: the job is cancelled, f
/// will not run. An error of f is an error of the job.
///
/// Threads: any. Outside of a task f runs at once; its error goes to the unobserved error handler.
/// Throws: what moving f throws, std::bad_alloc, recursion_too_deep; never what f throws.
/// Cost: as task_group::spawn.
template <class F>
bool spawn(F&& f, std::string_view name = {}) {
  if (detail::is_empty_callable(f)) detail::refuse_empty_callable();
  detail::worker* const w = detail::forking_worker;
  if (w != nullptr) [[likely]]
    return detail::spawn_child(*w, nullptr, std::forward<F>(f), name);
  detail::run_at_once(std::forward<F>(f), [name]() noexcept { detail::report_serial_failure(name); });
  return true;
}

}  // namespace v0
}  // namespace coppice
