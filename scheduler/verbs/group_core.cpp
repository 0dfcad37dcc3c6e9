#include <algorithm>
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/task_run.hpp>
#include <coppice/stop.hpp>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include "job/job_state.hpp"
#include "verbs/held.hpp"
#include "verbs/origin.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

group_core::group_core() noexcept
    : owner_(forking_worker),
      crew_(owner_ != nullptr ? &worker_thread::of(*owner_).all : nullptr),
      task_(owner_ != nullptr ? owner_->task : nullptr),
      uncaught_(std::uncaught_exceptions()),
      outer_(owner_ != nullptr ? std::exchange(owner_->innermost_group, this) : nullptr),
      timed_(owner_ != nullptr ? worker_thread::of(*owner_).running : nullptr),
      stopped_(owner_ == nullptr),
      made_at_(owner_ != nullptr ? owner_->deque.top() : 0) {}

bool group_core::has_children_of(const worker& w, const task_frame& t) noexcept {
  for (const group_core* g = w.innermost_group; g != nullptr; g = g->outer_)
    if (g->task_ == &t && !g->over()) return true;
  return false;
}

class group_core::all_children_end final : public wait_condition {
 public:
  explicit all_children_end(group_core& g) noexcept : g_(g) {}
  bool met() noexcept override { return g_.over(); }
  worker_thread* runner(const void*& strand) noexcept override {
    strand = &g_;
    // order(run): acquire; pairs with the release in the store of the runner.
    return static_cast<worker_thread*>(g_.runner_.load(memory_order_acquire));
  }
  void sleep(worker_thread& me) noexcept override {
    // The owner's part goes into remote_, with the bit that says so: now the last child brings it to zero.
    std::int64_t seen = g_.remote_.load(memory_order_relaxed);
    // order(children): acq_rel; the last child's fetch_sub sees the bit and wakes.
    while (!g_.remote_.compare_exchange_weak(seen, (seen + 2 * g_.local_) | 1, memory_order_acq_rel,
                                             memory_order_relaxed)) {
    }
    const bool over = (seen >> 1) + g_.local_ == 0;
    g_.local_ = 0;
    if (!over) me.park.park();
  }

 private:
  group_core& g_;
};

void group_core::child_ended_elsewhere(const worker* w) noexcept {
  if (w != nullptr && &static_cast<const worker_thread*>(w)->all == crew_) [[likely]]
    return count_end();
  // Once the owner has seen this end, its scheduler may be gone before it is woken. So it stays for the lock.
  const std::lock_guard hold(lock_);
  leaves_something_.store(true, memory_order_relaxed);
  count_end();
}

void group_core::count_end() noexcept {
  worker* const owner = owner_;
  // order(children): acq_rel; pairs with over() and sleep(). After this the group may be gone.
  const std::int64_t before = remote_.fetch_sub(2, memory_order_acq_rel);
  if (before == 3) worker_thread::of(*owner).park.unpark();
}

void group_core::child_starts_strand(worker& w) noexcept {
  worker_thread& me = worker_thread::of(w);
  // From the frame's name to the group's, unless nobody is to leap here.
  if (me.strand_of.load(memory_order_relaxed) != nullptr) me.strand_of.store(this, memory_order_relaxed);
  // The owner steals from its own scheduler only: what another one's worker runs is that one's.
  if (&me.all != crew_) return;
  // order(run): release; pairs with the acquire in all_children_end::runner().
  runner_.store(&w, memory_order_release);
}

deque_index group_core::floor_of(const worker& w) noexcept {
  const deque_index floor = worker_thread::of(const_cast<worker&>(w)).floor;  // NOLINT
  const group_core* const g = w.innermost_group;
  return g != nullptr ? std::max(std::min(g->made_at_, g->floor_), floor) : floor;
}

void group_core::lower_floors(worker& w) noexcept {
  const deque_index newest = w.deque.top() - 1;
  for (group_core* g = w.innermost_group; g != nullptr; g = g->outer_)
    if (g->floor_ != no_floor) g->floor_ = std::min(g->floor_, newest);
}

// If all children are elsewhere, what lies here is older than they are, or none of their kin.
void group_core::begin_wait() noexcept { floor_ = std::min(floor_, owner_->deque.top()); }

void group_core::join_children() noexcept {
  if (over()) return;
  worker_thread& me = worker_thread::of(*owner_);
  begin_wait();
  const spot outer = owner_->where();
  const measured_wait timed(me.running);
  // The usual children, which nobody has stolen.
  if (me.owes_more) [[unlikely]]
    me.share_what_is_owed();
  const standing_floor here(me, floor_);
  while (me.deque.top() > floor_) {
    frame* const f = me.deque.pop();
    if (f == nullptr) break;
    // There were more than it has children: others lie among them.
    const bool mixed = static_cast<std::int64_t>(me.deque.top() - floor_) >= local_;
    if (mixed && is_stranger(*f) && move_below(me, *f)) [[unlikely]]
      continue;
    f->run(f, me);
    if (over()) break;
  }
  if (!over()) {
    // A branch that has run here may have waited too, and ended that.
    begin_wait();
    all_children_end condition(*this);
    me.wait_for(condition, floor_);
  }
  owner_->where() = outer;
}

namespace {

// Stands for errors of a group that could not be kept: wait() must not return as if there were none.
error_set* unkept() noexcept {
  static error_set none(1);
  return &none;
}

void keep_as_secondary(task_frame& t, error_set& errors) noexcept {
  job_state& job = job_state::of(*t.job);
  const std::lock_guard hold(job.lock);
  try {
    job.extra_of(t).secondary.merge(errors, true);
  } catch (const std::bad_alloc&) {
    // Counted as the job's, which is stricter, rather than lost.
    job.what_happens().errors.merge(errors, true);
  }
}

// Throws the leftmost error of a group's children; the others become secondary errors of the task.
[[noreturn]] void rethrow_leftmost(worker& w, task_frame& t, error_set& errors) {
  if (errors.kept() == 0) throw std::bad_alloc();  // in place of what there was no memory to keep
  auto first = std::make_unique<failure>();
  *first = errors.take_first();
  if (errors.total() != 0) keep_as_secondary(t, errors);
  rethrow_failure(w, first.release());
}

}  // namespace

bool group_core::inherited_over_fork() const noexcept {
  return task_ != nullptr && job_state::of(*task_->job).inherited_over_fork();
}

void group_core::refuse_inherited() const {
  if (inherited_over_fork())
    throw scheduler_stopped(
        "coppice: a task_group of a task that runs in the parent process of a fork (make a group in the "
        "child)");
}

bool group_core::refuses_outside() const {
  if (owner_ == nullptr) return serial_failed_.load(memory_order_relaxed);
  refuse_inherited();
  return stopped() || task_->job->stopping();
}

void group_core::child_begins_outside() noexcept {
  if (owner_ != nullptr) remote_.fetch_add(2, memory_order_relaxed);
}

void group_core::child_ended_outside() noexcept {
  if (owner_ != nullptr && !inherited_over_fork()) child_ended_elsewhere(nullptr);
}

// A thread outside has run a child of a task's group: the task has the error, at its own place.
void group_core::outside_child_failed() noexcept {
  if (inherited_over_fork()) return report_serial_failure("task_group");
  job_state& job = job_state::of(*task_->job);
  failure f;
  f.exception = std::current_exception();
  {
    // The task may take over its ancestors meanwhile.
    const std::lock_guard hold(job.lock);
    f.path = path_of(*task_);
  }
  f.after_cancel = task_->job->stopping();
  error_set all(job.options.keep_errors);
  all.add(f);
  child_failed(std::move(all));
}

void group_core::child_failed(error_set&& errors) noexcept {
  const std::lock_guard hold(lock_);
  leaves_something_.store(true, memory_order_relaxed);
  if (errors_ == nullptr || errors_ == unkept()) {
    auto* const made = new (std::nothrow) error_set(job_state::of(*task_->job).options.keep_errors);
    errors_ = made != nullptr ? made : unkept();
    if (made == nullptr) {
      job_state::of(*task_->job).record(std::move(errors), *task_);
      return;
    }
  }
  errors_->merge(errors, false);
  const error_policy& policy = task_->job->policy();  // whoever's the child is
  earlier_ones_go_on_ = policy.keeps_what_is_earlier();
  // order(stopped): release; pairs with the acquire in stopped().
  if (policy.stops_at_failure()) stopped_.store(true, memory_order_release);
}

bool group_core::stops_at(spot s) const noexcept {
  const std::lock_guard hold(lock_);
  const failure* const first = earlier_ones_go_on_ && errors_ != nullptr ? errors_->first() : nullptr;
  return first == nullptr || !may_be_earlier(path_of(s), first->path);
}

void group_core::hold(task_frame& child) noexcept {
  const std::lock_guard hold(lock_);
  leaves_something_.store(true, memory_order_relaxed);
  add_held(held_, child);
}

// What children have left with their group, which begins anew. Those that others spawn meanwhile, threads
// outside and tasks elsewhere, leave theirs under the lock: here, or for the next wait.
struct group_core::left_behind {
  explicit left_behind(group_core& g) noexcept {
    if (!g.leaves_something_.load(memory_order_relaxed)) return;
    const std::lock_guard hold(g.lock_);
    g.leaves_something_.store(false, memory_order_relaxed);
    g.stopped_.store(false, memory_order_relaxed);
    g.earlier_ones_go_on_ = false;
    errors = std::exchange(g.errors_, nullptr);
    held = std::exchange(g.held_, nullptr);
  }
  ~left_behind() {
    if (errors != unkept()) delete errors;
  }
  left_behind(const left_behind&) = delete;
  left_behind& operator=(const left_behind&) = delete;

  error_set* errors = nullptr;
  task_frame* held = nullptr;
};

// Held children that are earlier than the first failure the serial run would have run.
void group_core::settle_held(left_behind& left) noexcept {
  if (left.held == nullptr) return;
  const failure* const first = left.errors != nullptr ? left.errors->first() : nullptr;
  task_frame* certain = nullptr;
  task_frame* unwanted = nullptr;
  while (left.held != nullptr) {
    task_frame& child = *take_held(left.held);
    const bool runs = first == nullptr || may_be_earlier(path_of(child), first->path);
    add_held(runs ? certain : unwanted, child);
  }
  drop(*owner_, unwanted);
  let_go(*owner_, owner_->where(), certain);
}

// As children of a group that is stopped; the errors of their closures' ends are secondary.
void group_core::drop(worker& w, task_frame* held) noexcept {
  if (held == nullptr) return;
  group_core nobody;
  nobody.stopped_.store(true, memory_order_relaxed);
  while (held != nullptr) {
    task_frame& child = *take_held(held);
    task_frame& parent = *child.parent();
    child.group = &nobody;
    nobody.child_spawned(w);
    // It was counted by its parent as one that has no group.
    const bool counted_here = is_outlived_by_parent(child);
    child.run(&child, w);
    if (counted_here) release_lineage(w, &parent);
  }
  const left_behind left(nobody);
  if (left.errors != nullptr) keep_as_secondary(*nobody.task_, *left.errors);
}

void group_core::refuse_unless_of_task() const {
  if (owner_ != nullptr) return;
  throw std::logic_error(
      "coppice: a task spawned into a task_group that was made outside of any task, where no task waits for "
      "it (make the group in the task that waits for it)");
}

void group_core::refuse_wait_of(const task_frame* t) const {
  refuse_inherited();
  for (const task_frame* above = t; above != nullptr && above != task_; above = above->parent())
    if (above->group == this)
      throw would_deadlock(
          "coppice: this wait could never end: a child of a task_group, or what it has spawned, waits for "
          "that "
          "group (wait where the group was made)");
  throw std::logic_error(
      t != task_ && t != nullptr
          ? "coppice: task_group::wait was called by another task than the one that made the "
            "group (let the task that made it wait)"
          : "coppice: task_group::wait was called on another thread than the one that made "
            "the group (let the task that made it wait)");
}

void group_core::wait() {
  if (owner_ == nullptr) {
    if (std::exception_ptr error = take_serial_error()) std::rethrow_exception(std::move(error));
    return;
  }
  const task_frame* const t = current_task();
  if ((t != task_ && t != nullptr) || this_worker != owner_) refuse_wait_of(t);
  join_children();
  left_behind left(*this);
  settle_held(left);
  // What has ended here or elsewhere counts no more. A thread outside may spawn all the while: its part
  // stays.
  const std::int64_t sleeps = remote_.load(memory_order_relaxed) & 1;
  if (local_ != 0 || sleeps != 0) remote_.fetch_add(2 * local_ - sleeps, memory_order_relaxed);
  local_ = 0;
  made_at_ = std::min(made_at_, std::exchange(floor_, no_floor));
  const bool lost = lost_.load(memory_order_relaxed) && lost_.exchange(false, memory_order_relaxed);
  if (left.errors != nullptr) rethrow_leftmost(*owner_, *task_, *left.errors);
  if (lost || task_->job->stops(owner_->where())) throw cancelled{};
}

void group_core::serial_child_failed() noexcept {
  if (owner_ != nullptr) return outside_child_failed();
  const std::lock_guard hold(lock_);
  if (serial_error_ == nullptr) serial_error_ = std::current_exception();
  serial_failed_.store(true, memory_order_relaxed);
}

std::exception_ptr group_core::take_serial_error() noexcept {
  const std::lock_guard hold(lock_);
  serial_failed_.store(false, memory_order_relaxed);
  return std::exchange(serial_error_, nullptr);
}

group_core::~group_core() {
  if (owner_ == nullptr) {
    // Nobody has waited. There is no task that could have the error, so the handler hears of it.
    if (serial_error_ == nullptr || std::uncaught_exceptions() > uncaught_) return;
    try {
      std::rethrow_exception(std::exchange(serial_error_, nullptr));
    } catch (...) {
      report_serial_failure("task_group");
    }
    return;
  }
  // In a forked child everything is the parent's.
  if (this_worker != owner_ && inherited_over_fork()) return;
  if (!over()) {
    // Under serial_first all of them are earlier than what leaves the scope: the serial run has run them.
    if (!task_->job->keeps_what_is_earlier())
      // order(stopped): release; pairs with the acquire in stopped().
      stopped_.store(true, memory_order_release);
    join_children();
  }
  left_behind left(*this);
  settle_held(left);
  group_core** made = &owner_->innermost_group;
  while (*made != this) made = &(*made)->outer_;
  *made = outer_;
  if (left.errors == nullptr || left.errors->total() == 0) return;
  // Nobody has waited. If the scope is left by an exception, that one goes before; else these are the task's
  // errors.
  const bool unwinding = std::uncaught_exceptions() > uncaught_;
  job_state& job = job_state::of(*task_->job);
  const std::lock_guard hold(job.lock);
  try {
    task_extra& extra = job.extra_of(*task_);
    (unwinding ? extra.secondary : extra.unwaited).merge(*left.errors, unwinding);
  } catch (const std::bad_alloc&) {
    job.what_happens().errors.merge(*left.errors, unwinding);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
