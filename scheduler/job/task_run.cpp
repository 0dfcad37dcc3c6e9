// The rare half of what happens around a task's body: errors, headers that outlive it, a change of jobs.
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/slab.hpp>
#include <coppice/detail/task_run.hpp>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "job/job_state.hpp"
#include "job/task_extra.hpp"
#include "verbs/origin.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

void count_for(worker& w, job_core& job) noexcept {
  flush_counts(w);
  if (w.counts_of != nullptr) w.counts_of->release();
  job.acquire();
  w.counts_of = &job;
}

}  // namespace

shard& rebind_counts(worker& w, job_core& job) noexcept {
  count_for(w, job);
  w.counts = &job.counts.shard_of(w);
  return *w.counts;
}

shard& bind_counts_of_root(worker& w, job_core& job) noexcept {
  count_for(w, job);
  w.counts = &job.counts.first_shard(w);
  return *w.counts;
}

injection_queue::end end_counted_job(worker& w) noexcept {
  if (!w.counts_dirty) return {};
  w.counts_dirty = false;
  job_core& job = *w.counts_of;
  if (!job.counts.claim_if_quiet()) return {};
  return job_state::of(job).finish(w);
}

void job_has_left(const injection_queue::end& over) noexcept {
  static_cast<job_state&>(*over.job).has_left(over.was_last);
}

void flush_counts(worker& w) noexcept {
  injection_queue::end over = end_counted_job(w);
  if (over.job == nullptr) return;
  worker_thread::of(w).all.injection.ended(over);
  job_has_left(over);
}

void let_go_of_counts(worker& w) noexcept {
  flush_counts(w);
  if (w.counts_of == nullptr) return;
  w.counts_of->release();
  w.counts_of = nullptr;
  w.counts = nullptr;
}

bool task_run::begin_marked(worker& w, task_frame& t) noexcept {
  // This may end another job. Code that runs there and waits for this task's job is told, also where the task
  // is skipped: it is the current one now, and not when its end is counted.
  shard& counts = bind_counts(w, *t.job);
  if (t.job->stops(t) || (t.group != nullptr && t.group->stops(t))) return false;
  add_as_only_writer(counts.started, std::uint64_t{1}, memory_order_relaxed);
  if (t.job->looked_at()) begin_looked_at(w, t);
  return true;
}

void task_run::begin_looked_at(worker& w, task_frame& t) noexcept {
  if (t.job->measured() == nullptr) return;
  watch_begins(w, t);
  measure& m = *t.job->measured();
  if (!t.above()) {
    m.root_began();
    m.task_spawned();
  }
  auto* const p = new (std::nothrow) piece;
  if (p == nullptr) return;
  piece::ticks from = 0;
  {
    const std::lock_guard hold(job_state::of(*t.job).lock);
    try {
      task_extra& x = job_state::of(*t.job).extra_of(t);
      x.timed = p;
      from = x.spawned_at;
    } catch (const std::bad_alloc&) {
      delete p;
      return;
    }
  }
  m.begin(w, *p, from);
}

void task_run::end_looked_at() noexcept {
  if (how_ != task_end::skipped) job_state::of(*t_.job).tell_if_asked_what_runs(w_, t_);
  if (t_.job->measured() == nullptr) return;
  if (how_ != task_end::skipped) watch_ends(w_);
  measure& m = *t_.job->measured();
  task_extra* const x = t_.get_extra();
  if (x == nullptr) return;
  if (x->timed != nullptr) {
    m.end(w_, *x->timed, t_.group != nullptr ? t_.group->timed() : nullptr);
    delete std::exchange(x->timed, nullptr);
  }
  m.task_ended(x->depth, x->spawned_by != nullptr && x->spawned_by != &w_);
}

void task_run::failed() noexcept {
  if (caught_cancellation(*t_.job)) {
    how_ = task_end::cancelled;
    return;
  }
  how_ = task_end::failed;
  keep("");
}

void task_run::destructor_failed() noexcept {
  if (how_ == task_end::succeeded || how_ == task_end::cancelled) how_ = task_end::failed;
  if (primary_ == nullptr)
    keep("destructor of the closure");
  else {
    if (const auto second = capture(w_, t_, t_, "destructor of the closure"))
      add_secondary(t_, std::move(*second));
  }
}

// In a handler. Without memory for the record the error is still counted.
void task_run::keep(const char* phase) noexcept {
  primary_ = capture(w_, t_, t_, phase).release();
  if (primary_ == nullptr) unrecorded_ = std::current_exception();
}

// The errors of a task that has ended, to its group or its job.
void task_run::deliver() noexcept {
  const std::unique_ptr<failure> primary(std::exchange(primary_, nullptr));
  job_state& job = job_state::of(*t_.job);
  error_set all(job.options.keep_errors);
  if (unrecorded_ != nullptr) {
    failure bare;
    bare.exception = std::move(unrecorded_);
    all.add(bare);
  }
  // What is not kept dies here, under no lock.
  error_set unwaited(0), secondary(0);
  std::optional<failure> told;
  bool failed = how_ == task_end::failed;
  {
    const std::lock_guard hold(job.lock);
    task_extra* const x = t_.get_extra();
    const bool recorded = x != nullptr && x->recorded.has_value();
    const bool some_unwaited = x != nullptr && x->unwaited.total() != 0;
    // A branch failed, and the cancellation left the task before that error could. Right of a failure the
    // serial run would have met neither.
    const bool overtaken =
        x != nullptr && how_ == task_end::cancelled && t_.job->stopping() && x->secondary.total() != 0;
    failed = failed || recorded || some_unwaited || overtaken;
    if (recorded) std::swap(told, x->recorded);
    if (some_unwaited) unwaited = x->unwaited.take();
    // Secondary errors of a task that succeeds have been handled.
    if (x != nullptr && failed) secondary = x->secondary.take();
  }
  if (told) all.add(*told);
  if (primary != nullptr) {
    primary->secondary = told.has_value();
    all.add(*primary);
  }
  all.merge(unwaited, false);
  all.merge(secondary, true);
  if (failed && how_ != task_end::skipped) how_ = task_end::failed;
  if (all.total() == 0) return;
  if (t_.group != nullptr)
    t_.group->child_failed(std::move(all));
  else
    job.record(std::move(all), t_);
}

void delete_extra(worker& w, task_frame& t) noexcept {
  const task_extra* const extra = t.get_extra();
  if (extra == nullptr) return;
  t.extra.store(nullptr, memory_order_relaxed);
  const outside_tasks code_of_errors(worker_thread::of(w), *t.job);
  delete extra;
}

void release_lineage(worker& w, task_frame* t) noexcept {
  for (;;) {
    // One child of t less.
    if (t->counts_children_of(w)) {
      --t->live;
      return;
    }
    // order(rem): acq_rel; pairs with itself and with the body's end in header_is_gone().
    if (t->rem.fetch_sub(1, memory_order_acq_rel) != 1) return;
    task_frame* const above = t->parent();
    if (above == nullptr) return;  // a root's frame lives in its job
    delete_extra(w, *t);
    slab::give(w.nodes, t);
    t = above;
  }
}

bool task_run::header_is_gone(worker& w, task_frame& t) noexcept {
  if (t.has_descendants()) {
    // order(rem): acq_rel; pairs with the children's fetch_sub in release_lineage().
    const std::int32_t change = t.live - task_frame::body_runs;
    if (t.rem.fetch_add(change, memory_order_acq_rel) + change != 0) return false;
  }
  delete_extra(w, t);
  slab::give(w.nodes, &t);
  return true;
}

task_end task_run::settle() noexcept {
  forget_origin(w_, t_);
  if (t_.job->looked_at()) [[unlikely]]
    end_looked_at();
  // A million skipped tasks have nothing to deliver.
  if (primary_ != nullptr || unrecorded_ != nullptr || t_.get_extra() != nullptr) deliver();
  if (t_.group != nullptr && how_ == task_end::skipped) t_.group->child_skipped();
  return how_;
}

task_run* make_run(room_for_run& room, worker& w, task_frame& t, task_end how) noexcept {
  return std::construct_at(&room.made, w, t, how);
}

namespace {

// A task without descendants is gone when its body is.
void let_go_of_header(worker& w, task_frame& t, task_frame& above, std::uint32_t list) noexcept {
  bool counted = !outlives_child_of(above, t.group);
  if (!t.has_descendants() && t.get_extra() == nullptr) {
    slab::give(w.nodes, &t, list);
  } else {
    if (!std::exchange(counted, true)) above.add_child(w);
    if (!task_run::header_is_gone(w, t)) return;
  }
  if (counted) release_lineage(w, &above);
}

void count_end(shard& counts, task_end how) noexcept {
  atomic<std::uint64_t>& ended = how == task_end::succeeded   ? counts.succeeded
                                 : how == task_end::failed    ? counts.failed
                                 : how == task_end::cancelled ? counts.cancelled
                                                              : counts.skipped;
  // order(ends): release; pairs with the acquire in tally::quiet().
  add_as_only_writer(ended, std::uint64_t{1}, memory_order_release);
}

// The task may be gone.
void end_task(worker& w, task_frame& t, std::uint32_t list, task_end how) noexcept {
  job_core& job = *t.job;
  group_core* const group = t.group;
  if (task_frame* const above = t.parent()) let_go_of_header(w, t, *above, list);
  if (group != nullptr) group->child_ended(w);
  count_end(bind_counts(w, job), how);
  w.counts_dirty = true;
}

bool has_something_to_settle(const worker& w, const task_frame& t) noexcept {
  return w.keeps_origin || t.get_extra() != nullptr || t.job->looked_at();
}

}  // namespace

void end_task_rarely(worker& w, task_frame& t, std::uint32_t list, task_run& run) noexcept {
  task_end how{};
  {
    const outside_tasks code_of_errors(worker_thread::of(w), *t.job);
    how = run.settle();
    std::destroy_at(&run);
  }
  end_task(w, t, list, how);
}

void end_any(worker& w, task_frame& t, std::uint32_t list) noexcept {
  room_for_run room;
  if (has_something_to_settle(w, t)) [[unlikely]]
    return end_task_rarely(w, t, list, *make_run(room, w, t, task_end::succeeded));
  end_task(w, t, list, task_end::succeeded);
}

// The usual end touches only what is this worker's own, and calls nothing.
void end_child(worker& w, task_frame& t, std::uint32_t list) noexcept {
  task_frame& above = t.parent_of_child();
  group_core* const group = t.group;
  if (has_something_to_settle(w, t) || t.has_descendants() || !w.nodes->is_home_of(&t) ||
      w.counts_of != t.job || (group != nullptr && !group->is_made_by(w))) [[unlikely]]
    return end_any(w, t, list);
  if (!outlives_child_of(above, group)) {
    if (!above.counts_children_of(w)) [[unlikely]]
      return end_any(w, t, list);
    --above.live;
  }
  w.nodes->give_own(&t, list);
  if (group != nullptr) group->child_ended_here();
  count_end(*w.counts, task_end::succeeded);
  w.counts_dirty = true;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
