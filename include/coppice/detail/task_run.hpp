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
#include <coppice/detail/task_frame.hpp>
#include <coppice/detail/worker.hpp>
#include <exception>

namespace coppice {
inline namespace v0 {
namespace detail {

struct failure;

enum class task_end { skipped, succeeded, failed, cancelled };

class COPPICE_API task_run {
 public:
  task_run(worker& w, task_frame& t) noexcept : w_(w), t_(t), outer_(w.where) {}
  task_run(const task_run&) = delete;
  task_run& operator=(const task_run&) = delete;

  // False: the job or the group is being stopped, the body is not to run.
  bool begin() noexcept;
  COPPICE_COLD void failed() noexcept;             // in the handler
  COPPICE_COLD void destructor_failed() noexcept;  // in the handler
  void end() noexcept;

 private:
  void keep(const char* phase) noexcept;
  void deliver() noexcept;

  worker& w_;
  task_frame& t_;
  place* const outer_;
  task_end how_ = task_end::skipped;
  failure* primary_ = nullptr;
  std::exception_ptr unrecorded_;  // in place of primary_ when there is no memory for a record
};

// The shard in which this worker counts for this job.
COPPICE_API shard& bind_counts(worker& w, job_core& job) noexcept;

// One child less below `parent`; frees headers of ended tasks on the way up.
COPPICE_API void release_lineage(worker& w, task_frame* parent) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
