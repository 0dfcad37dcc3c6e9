// The core of a task group: how many children live, what failed, whether the unstarted ones are still wanted.
//
// Who writes what. `local_`: the owner's thread, plain. `remote_`: everybody else, twice the count, and in
// its lowest bit that the owner sleeps. The group is over when both add up to zero; before it sleeps the
// owner moves its part into `remote_`, so that the last child brings that to zero.
//
// Orders
//   remote_   fetch_sub(acq_rel) of a child's end, its last access to the group; pairs with the acquire in
//             over(): what the children did is seen after wait(). Who is not of the owner's crew, and so does
//             not keep the owner, ends it under `lock_`, which the owner passes before it goes on.
//   stopped_  store(release) of whoever stops the group; pairs with the acquire in stopped().
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <coppice/detail/mutex.hpp>
#include <coppice/detail/worker.hpp>
#include <coppice/error_policy.hpp>
#include <cstdint>
#include <exception>
#include <limits>

namespace coppice {
inline namespace v0 {
namespace detail {

class error_set;
struct crew;

class COPPICE_API group_core {
 public:
  group_core() noexcept;
  group_core(const group_core&) = delete;
  group_core& operator=(const group_core&) = delete;
  ~group_core();

  void wait();

  // Outside of tasks a child runs at once, of a task's group too, whose wait waits for it. False: it may run.
  // Throws scheduler_stopped in a forked child, if a task of the parent has made the group.
  COPPICE_COLD bool refuses_outside() const;
  class child_outside {
   public:
    explicit child_outside(group_core& g) noexcept : group_(g) { g.child_begins_outside(); }
    ~child_outside() { group_.child_ended_outside(); }
    child_outside(const child_outside&) = delete;
    child_outside& operator=(const child_outside&) = delete;

   private:
    group_core& group_;
  };
  COPPICE_COLD void serial_child_failed() noexcept;  // in the handler

  // The task that waits for this group: it outlives the children, so those that it spawns itself need not
  // keep its header.
  const task_frame* task() const noexcept { return task_; }
  // Whether a group of this task has children. Asked by the thread that runs the task.
  static bool has_children_of(const worker& w, const task_frame& t) noexcept;
  // Above this index lies only what was forked since the last group was made or wait begun.
  static deque_index floor_of(const worker& w) noexcept;
  // The newest frame has taken in older ones, and children of groups among them: no wait's floor lies above
  // it.
  static void lower_floors(worker& w) noexcept;

  // order(stopped): acquire; pairs with the release in child_failed() and in the destructor.
  bool stopped() const noexcept { return stopped_.load(memory_order_acquire); }
  // A task spawns: throws std::logic_error if the group was made outside of tasks.
  void refuse_unless_of_task() const;
  // Whether what would start at this place is stopped with the group.
  bool stops(spot s) const noexcept { return stopped() && stops_at(s); }
  void child_spawned(const worker& w) noexcept {
    if (&w == owner_) [[likely]] {
      ++local_;
      // Made within a branch or before another group's wait, it may live on where the deque is lower.
      const deque_index top = w.deque.top();
      if (top < floor_) [[unlikely]]
        floor_ = top;
    } else {
      remote_.fetch_add(2, memory_order_relaxed);
    }
  }
  bool is_made_by(const worker& w) const noexcept { return &w == owner_; }
  void child_ended_here() noexcept { --local_; }
  // The child's last access.
  void child_ended(const worker& w) noexcept {
    if (is_made_by(w)) [[likely]]
      child_ended_here();
    else
      child_ended_elsewhere(&w);
  }
  // The piece that will wait, if the job is measured.
  piece* timed() const noexcept { return timed_; }
  // Of many only the first writes to the line that all read.
  void child_skipped() noexcept {
    if (!lost_.load(memory_order_relaxed)) lost_.store(true, memory_order_relaxed);
  }
  void child_failed(error_set&& errors) noexcept;
  void child_starts_strand(worker& w) noexcept;

  // Keeps a child of one of the group's children until it is known which of those the serial run would have
  // run.
  void hold(task_frame& child) noexcept;
  // Ends held children without running them, on their behalf of the task that runs here.
  static void drop(worker& w, task_frame* held) noexcept;

 private:
  class all_children_end;
  void outside_child_failed() noexcept;  // in the handler
  COPPICE_COLD void child_begins_outside() noexcept;
  COPPICE_COLD void child_ended_outside() noexcept;
  std::exception_ptr take_serial_error() noexcept;
  bool inherited_over_fork() const noexcept;
  void refuse_inherited() const;
  [[noreturn]] void refuse_wait_of(const task_frame* t) const;  // null: of no task
  void child_ended_elsewhere(const worker* w) noexcept;         // null: no worker
  void count_end() noexcept;
  // order(children): acquire; pairs with the fetch_sub in count_end().
  bool over() const noexcept { return local_ + (remote_.load(memory_order_acquire) >> 1) == 0; }
  void begin_wait() noexcept;
  void join_children() noexcept;
  bool has_not(const task_frame& child) const noexcept;
  bool is_stranger(const frame& f) const noexcept;
  bool move_below(worker& w, frame& stranger) noexcept;
  COPPICE_COLD bool stops_at(spot s) const noexcept;
  struct left_behind;
  void settle_held(left_behind& left) noexcept;

  // Read by all.
  alignas(cache_line) worker* const owner_;
  const crew* const crew_;  // the owner's
  task_frame* const task_;
  const int uncaught_;
  group_core* outer_;  // the group that the owner made before this one and has not destroyed
  piece* const timed_;
  atomic<bool> stopped_;  // from the start if it was made outside of tasks: tasks that spawn look closer
  atomic<bool> lost_{false};
  atomic<bool> serial_failed_{false};
  atomic<bool> leaves_something_{false};  // written under lock_: what is below is to be looked at
  mutable mutex lock_;
  // The owner's, at every spawn.
  alignas(cache_line) std::int64_t local_ = 0;
  // Its children lie above this index of the owner's deque, others may too. Until the owner spawns one, or
  // waits, it has none: what a branch that waits finds there was forked before.
  static constexpr deque_index no_floor = std::numeric_limits<deque_index>::max();
  deque_index floor_ = no_floor;
  deque_index made_at_;  // the height when it was made, or lower: what lies above is not older than the group
  error_set* errors_ = nullptr;  // under lock_
  task_frame* held_ = nullptr;   // under lock_
  bool earlier_ones_go_on_ =
      false;  // under lock_: stopped is only what is later than the first of the errors
  std::exception_ptr serial_error_;  // under lock_
  // Written by thieves.
  alignas(cache_line) atomic<std::int64_t> remote_{0};
  atomic<worker*> runner_{nullptr};
};

// A child of a group that its parent waits for: the parent does not count it, unless it leaves descendants
// behind.
inline bool outlives_child_of(const task_frame& parent, const group_core* group) noexcept {
  return group != nullptr && group->task() == &parent;
}
inline bool is_outlived_by_parent(const task_frame& t) noexcept {
  return outlives_child_of(t.parent_of_child(), t.group);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
