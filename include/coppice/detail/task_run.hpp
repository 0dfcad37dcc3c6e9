// One run of a task's body: the checks before, the bookkeeping after.
//
//   task_run run(w, task);
//   if (run.begin()) try { body(); } catch (...) { run.failed(); }
//   try { destroy the closure } catch (...) { run.destructor_failed(); }
//   run.end();   // the task may be gone
//
// Threads: the worker that runs the task.
#pragma once

#include <coppice/detail/config.hpp>
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/slab.hpp>
#include <coppice/detail/task_frame.hpp>
#include <coppice/detail/worker.hpp>
#include <exception>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

struct failure;

enum class task_end { skipped, succeeded, failed, cancelled };

// The worker counts for another job than before: hands the old one its chance to be found quiet.
COPPICE_API COPPICE_COLD shard& rebind_counts(worker& w, job_core& job) noexcept;

// The shard in which this worker counts for this job.
inline shard& bind_counts(worker& w, job_core& job) noexcept {
  return w.counts_of == &job ? *w.counts : rebind_counts(w, job);
}

// One child less below `parent`; frees headers of ended tasks on the way up.
COPPICE_API void release_lineage(worker& w, task_frame* parent) noexcept;

class COPPICE_API task_run {
 public:
  task_run(worker& w, task_frame& t) noexcept : w_(w), t_(t), outer_(w.where) {}
  task_run(const task_run&) = delete;
  task_run& operator=(const task_run&) = delete;

  // False: the job or the group is being stopped, the body is not to run.
  bool begin() noexcept {
    t_.begin(w_);
    if (w_.strand_starts) [[unlikely]] {
      w_.strand_starts = false;
      if (t_.group != nullptr) t_.group->child_starts_strand(w_);
    }
    w_.where = &t_;
    if (t_.job->stops(t_) || (t_.group != nullptr && t_.group->stops(t_))) [[unlikely]]
      return false;
    add_as_only_writer(bind_counts(w_, *t_.job).started, std::uint64_t{1}, memory_order_relaxed);
    how_ = task_end::succeeded;
    if (t_.job->looked_at()) [[unlikely]]
      begin_looked_at();
    return true;
  }
  COPPICE_COLD void failed() noexcept;             // in the handler
  COPPICE_COLD void destructor_failed() noexcept;  // in the handler

  // The order is the contract: the closure is dead, the handler is left, the error is delivered, the header
  // is let go, the group hears, and last of all the end is counted.
  void end() noexcept {
    w_.where = outer_;
    job_core& job = *t_.job;
    if (how_ != task_end::succeeded || w_.keeps_origin || t_.get_extra() != nullptr || job.looked_at())
        [[unlikely]]
      settle();
    group_core* const group = t_.group;
    if (task_frame* const above = t_.parent()) let_go_of_header(w_, t_, *above);
    if (group != nullptr) group->child_ended(w_);
    count_end(bind_counts(w_, job), how_);
    w_.counts_dirty = true;
  }

 private:
  // A task without descendants is gone when its body is.
  static void let_go_of_header(worker& w, task_frame& t, task_frame& above) noexcept {
    bool counted = !is_outlived_by_parent(t);
    // order(rem): acquire; pairs with the fetch_sub in release_lineage(): children elsewhere are over.
    if (t.live == 0 && t.rem.load(memory_order_acquire) == task_frame::body_runs && t.get_extra() == nullptr)
        [[likely]] {
      slab::give(w.nodes, &t);
    } else {
      if (!std::exchange(counted, true)) above.add_child(w);
      if (!header_is_gone(w, t)) return;
    }
    if (counted) release_lineage(w, &above);
  }
  static void count_end(shard& counts, task_end how) noexcept {
    atomic<std::uint64_t>& ended = how == task_end::succeeded   ? counts.succeeded
                                   : how == task_end::failed    ? counts.failed
                                   : how == task_end::cancelled ? counts.cancelled
                                                                : counts.skipped;
    // order(ends): release; pairs with the acquire in tally::quiet().
    add_as_only_writer(ended, std::uint64_t{1}, memory_order_release);
  }
  // Frees the header, or leaves that to its last descendant.
  COPPICE_COLD static bool header_is_gone(worker& w, task_frame& t) noexcept;
  COPPICE_COLD void settle() noexcept;  // errors to whom they belong
  COPPICE_COLD void begin_looked_at() noexcept;
  COPPICE_COLD void end_looked_at() noexcept;
  void keep(const char* phase) noexcept;
  void deliver() noexcept;

  worker& w_;
  task_frame& t_;
  place* const outer_;
  task_end how_ = task_end::skipped;
  failure* primary_ = nullptr;
  std::exception_ptr unrecorded_;  // in place of primary_ when there is no memory for a record
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
