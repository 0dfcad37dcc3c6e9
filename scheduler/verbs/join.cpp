// The rare paths of join: a stolen branch on its thief, and branches that throw.
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/join_frame.hpp>
#include <coppice/error.hpp>
#include <coppice/join.hpp>
#include <memory>
#include <utility>

#include "job/measure.hpp"
#include "verbs/held.hpp"
#include "verbs/origin.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

stolen_branch::stolen_branch(worker& w, frame& f, const place& forked_at) noexcept
    : w_(w), f_(f), outer_(w.where()), outer_task_(w.task) {
  f.begin(w);
  w.strand_starts = false;
  const spot above = forked_at.above_of_join();
  here_.up = place::link(above, place_kind::stolen);
  here_.low = above.next_child() + forked_at.low + 1;
  here_.carries[0] = 0;
  // A joiner that runs its own branch knows whose it is.
  here_.owner = w.where().at() == &forked_at ? w.task : task_of(above);
  w.task = here_.owner;
  // The end of the job that it comes from may be this worker's to tell, and a branch takes as long as it
  // likes. As a part of the branch's job: what waits for that one at such an end is told, for this branch is
  // in its way.
  if (w.counts_dirty && w.counts_of != here_.owner->job) [[unlikely]]
    flush_counts(w);
  here_.timed = nullptr;
  here_.held = nullptr;
  if (measure* const m = here_.owner->job->measured()) [[unlikely]] {
    m->branch_stolen();
    watch_begins(w, here_);
    here_.timed = new (std::nothrow) piece;
    const piece* const forker = piece_of(above);
    if (here_.timed != nullptr)
      m->begin(w, *here_.timed, forker != nullptr ? forker->position(piece::now()) : 0);
  }
  w.where() = here_;
}

bool stolen_branch::may_run() const noexcept { return !here_.owner->job->stops(here_); }

std::uintptr_t stolen_branch::failed() noexcept {
  if (caught_cancellation(*here_.owner->job)) return frame::skipped;
  if (const failure* const kept = capture(w_, *here_.owner, here_, "").release()) return frame::failed(kept);
  // No memory for the record: the joiner throws bad_alloc, and the exception itself is an error of the task.
  failure bare;
  bare.exception = std::current_exception();
  add_secondary(*here_.owner, std::move(bare));
  return frame::failed(unkept_failure());
}

void stolen_branch::end(std::uintptr_t end_word) noexcept {
  w_.where() = outer_;
  w_.task = outer_task_;
  forget_origin(w_, *here_.owner);
  if (here_.owner->job->measured() != nullptr) [[unlikely]]
    watch_ends(w_);
  if (here_.timed != nullptr) [[unlikely]] {
    here_.owner->job->measured()->end(w_, *here_.timed, piece_of(here_.above()));
    delete here_.timed;
  }
  if (here_.owner->job->keeps_what_is_earlier()) [[unlikely]]
    end_word = leave_held(f_, here_.held, end_word);
  end_frame(f_, end_word);
}

namespace {

void leave(worker& w, const place& here, const join_level& level) noexcept {
  if (level.branches != 0) leave_join(w, here, level.branches);
}

// In a handler: a branch before `f`'s has thrown, or the fork was refused and none has run.
void end_level(worker& w, branch_head& f, const join_level& level, bool pushed, bool refused) noexcept {
  w.where() = f;  // of the join's inner levels the places are gone
  task_frame& t = *w.task;
  const bool cancellation = caught_cancellation(*t.job);
  if (!cancellation) note_origin(w, refused ? f.above_of_join() : spot(f));
  // What runs meanwhile on this worker has origins of its own.
  exception_origin mine = take_origin(w);
  bool ended = true;
  if (!pushed || take_back_or_wait(w, f)) {
    ended = !refused && !cancellation && !t.job->stops_at_failure() && !t.job->stopping();
    if (ended) f.run(&f, w);
  } else {
    group_core::drop(w, held_by(f, *t.job));
  }
  bool value = false;
  if (ended) {
    const std::uintptr_t end = f.state.load(memory_order_relaxed);
    value = frame::has_value(end);
    if (failure* const kept = frame::failure_of(end)) {
      const std::unique_ptr<failure, free_failure> second(kept);
      if (kept != unkept_failure()) add_secondary(t, std::move(*second));
    }
  }
  keep_origin(w, std::move(mine));
  w.where() = f;
  if (value && level.drop_value != nullptr) level.drop_value(f);
  leave(w, f, level);
}

}  // namespace

deque_index push_at_bound(worker& w, branch_head& f) noexcept {
  deque_index index = 0;
  if (!w.deque.has_room() || !w.deque.push_below_bound(f, &index))
    add_as_only_writer(w.inline_runs, std::uint64_t{1}, memory_order_relaxed);
  return index;
}

void answer_before(worker& w, branch_head& f, const join_level& level, bool pushed) {
  const bool stack_ends =
      w.attention.is_below_limit(stack_address_here());  // f may lie on a sanitizer's stack
  if (!stack_ends && w.attention.load(memory_order_relaxed) == 0) return;
  // Before anything that takes long, as the path of the error does: thieves would go on with it, on their own
  // stacks.
  if (stack_ends && pushed && w.deque.pop() == &f) pushed = false;
  try {
    if (answer_quietly(w)) throw cancelled{};
    if (stack_ends) refuse_recursion();
  } catch (...) {
    end_level(w, f, level, pushed, true);
    throw;
  }
}

void end_after_failure(worker& w, branch_head& f, const join_level& level, bool pushed) noexcept {
  end_level(w, f, level, pushed, false);
}

void end_after_own_failure(worker& w, const join_level& level) noexcept {
  if (!caught_cancellation(*w.task->job)) note_origin(w, w.where());
  leave(w, *w.where().at(), level);
}

bool take_back_or_join(worker& w, branch_head& f) noexcept {
  if (take_back_or_wait(w, f)) return true;
  const std::uintptr_t end = f.state.load(memory_order_relaxed);
  if (end == frame::with_value) return false;
  let_go(w, f, held_by(f, *w.task->job));
  if (end == frame::with_value_and_children) f.state.store(frame::with_value, memory_order_relaxed);
  return false;
}

void throw_unless_value(worker& w, branch_head& f, const join_level& level) {
  const std::uintptr_t end = f.state.load(memory_order_relaxed);
  if (frame::has_value(end)) return;
  leave(w, f, level);
  if (failure* const kept = frame::failure_of(end)) rethrow_failure(w, kept);
  throw cancelled{};
}

void refuse_recursion() {
  throw recursion_too_deep(
      "coppice: recursion too deep: a fork was refused because the worker's stack is nearly full (make the "
      "recursion "
      "shallower, or give workers more stack with scheduler_options::stack_bytes)");
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
