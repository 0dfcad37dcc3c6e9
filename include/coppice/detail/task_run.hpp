// One run of a task's body: the checks before, the bookkeeping after.
//
// Threads: the worker that runs the task.
#pragma once

#include <coppice/detail/config.hpp>
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/room_for.hpp>
#include <coppice/detail/slab.hpp>
#include <coppice/detail/task_frame.hpp>
#include <coppice/detail/worker.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

struct failure;

enum class task_end { skipped, succeeded, failed, cancelled };

// The worker counts for another job than before: hands the old one its chance to be found quiet.
COPPICE_API COPPICE_COLD shard& rebind_counts(worker& w, job_core& job) noexcept;
// The same for whoever begins the job's root.
shard& bind_counts_of_root(worker& w, job_core& job) noexcept;

// The shard in which this worker counts for this job.
inline shard& bind_counts(worker& w, job_core& job) noexcept {
  return w.counts_of == &job ? *w.counts : rebind_counts(w, job);
}

// One child less below `parent`; frees headers of ended tasks on the way up.
COPPICE_API void release_lineage(worker& w, task_frame* parent) noexcept;

// What is rare about a run: it was not begun, it failed, somebody looks at it. Made when that is known; the
// usual run keeps what it knows in registers.
class COPPICE_API task_run {
 public:
  task_run(worker& w, task_frame& t, task_end how) noexcept : w_(w), t_(t), how_(how) {}
  task_run(const task_run&) = delete;
  task_run& operator=(const task_run&) = delete;

  // What begin_task() does where the job or the group is marked.
  COPPICE_COLD static bool begin_marked(worker& w, task_frame& t) noexcept;
  COPPICE_COLD void failed() noexcept;             // in the handler
  COPPICE_COLD void destructor_failed() noexcept;  // in the handler
  // Errors to whom they belong. How the task has ended.
  COPPICE_COLD task_end settle() noexcept;

  // Frees the header, or leaves that to its last descendant.
  COPPICE_COLD static bool header_is_gone(worker& w, task_frame& t) noexcept;

 private:
  static void begin_looked_at(worker& w, task_frame& t) noexcept;
  void end_looked_at() noexcept;
  void keep(const char* phase) noexcept;
  void deliver() noexcept;

  worker& w_;
  task_frame& t_;
  task_end how_;
  failure* primary_ = nullptr;
  std::exception_ptr unrecorded_;  // in place of primary_ when there is no memory for a record
};

// Of a run that is rarely made. Who made it is told apart from it: the room's address is passed on, and what
// lies beside it would have to be in memory. end_task_rarely() ends it.
using room_for_run = room_for<task_run>;

// False: the job or the group is being stopped, the body is not to run.
COPPICE_INLINE inline bool begin_task(worker& w, task_frame& t) noexcept {
  t.begin(w);
  if (w.strand_starts) [[unlikely]] {
    w.strand_starts = false;
    if (t.group != nullptr) t.group->child_starts_strand(w);
  }
  w.where() = t;
  w.task = &t;
  job_core& job = *t.job;
  if (!job.unmarked() || (t.group != nullptr && t.group->stopped())) [[unlikely]]
    return task_run::begin_marked(w, t);
  add_as_only_writer(bind_counts(w, job).started, std::uint64_t{1}, memory_order_relaxed);
  return true;
}

// Out of line: what a run is made of would be held ready in registers all through the usual one.
COPPICE_API COPPICE_COLD task_run* make_run(room_for_run& room, worker& w, task_frame& t,
                                            task_end how) noexcept;
// Settles the run, and ends it.
COPPICE_API COPPICE_COLD void end_task_rarely(worker& w, task_frame& t, std::uint32_t list,
                                              task_run& run) noexcept;
// Ends a run that went well, whatever it may have to settle.
COPPICE_API void end_any(worker& w, task_frame& t, std::uint32_t list) noexcept;
// The same for a child: fast for one that has not been stolen and has no descendants left.
COPPICE_API void end_child(worker& w, task_frame& t, std::uint32_t list) noexcept;

// Runs the body and destroys the closure; either may throw. `list`: the slab's, of a child's node. True: it
// went well, and the caller is to end it. False: it did not, and is ended.
//
// The order is the contract: the closure is dead, the handler is left, the error is delivered, the header is
// let go, the group hears, and last of all the end is counted.
template <class Body, class Drop>
COPPICE_INLINE inline bool run_task(worker& w, task_frame& t, std::uint32_t list, const Body& body,
                                    const Drop& drop) noexcept {
  const spot outer = w.where();
  task_frame* const outer_task = w.task;
  room_for_run room;
  task_run* rare = nullptr;
  if (begin_task(w, t)) [[likely]] {
    try {
      body();
    } catch (...) {
      rare = make_run(room, w, t, task_end::succeeded);
      rare->failed();
    }
  } else {
    rare = make_run(room, w, t, task_end::skipped);
  }
  if constexpr (noexcept(drop())) {
    drop();
  } else {
    try {
      drop();
    } catch (...) {
      if (rare == nullptr) rare = make_run(room, w, t, task_end::succeeded);
      rare->destructor_failed();
    }
  }
  w.where() = outer;
  w.task = outer_task;
  if (rare == nullptr) [[likely]]
    return true;
  end_task_rarely(w, t, list, *rare);
  return false;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
