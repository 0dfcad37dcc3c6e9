// The frame of a task that the scheduler accounts for: a job's root or a spawned child.
//
// 64 bytes; a spawned child's closure follows it in the same slab node. The header outlives the closure while
// descendants live, because their paths lead through it.
//
// Who writes what. `live`: the thread that runs the body, plain. `rem`: everybody else. While the body runs
// `rem` carries a bias, so that it cannot reach zero; when the body ends its thread adds live and takes the
// bias away. From then on every child's end takes one from `rem`, and who brings it to zero frees the header.
//
// Orders
//   rem      fetch_sub(acq_rel) of a child's end; pairs with the fetch_add(acq_rel) of the body's end and
//   with the
//            other children's: the freeing thread sees all that happened in the node.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/frame.hpp>
#include <coppice/detail/place.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

class job_core;
class group_core;
struct task_extra;  // what few tasks have: a name, a longer link to the parent, errors kept until the end

struct task_frame : frame, place {
  job_core* job;
  group_core* group;  // null: a child of the job alone
  std::int32_t live;
  atomic<std::int32_t> rem;
  atomic<task_extra*> extra;

  static constexpr std::int32_t body_runs = 1 << 30;

  // order(extra): acquire; pairs with the release of whoever made it, which may be a branch on another
  // worker.
  task_extra* get_extra() const noexcept { return extra.load(memory_order_acquire); }
  // Null for a root.
  task_frame* parent() const noexcept { return static_cast<task_frame*>(place_above()); }
  // Not null: of a child.
  task_frame& parent_of_child() const noexcept { return static_cast<task_frame&>(*place_above()); }
  bool run_by(const worker& who) const noexcept {
    return state.load(memory_order_relaxed) == tagged(&who, frame_tag::running);
  }
  // While the body runs, or a child that is counted.
  void add_child(const worker& who) noexcept {
    if (counts_children_of(who))
      ++live;
    else
      // order(rem): relaxed; the header cannot go meanwhile.
      rem.fetch_add(1, memory_order_relaxed);
  }
  // Whether this thread counts children in `live`.
  bool counts_children_of(const worker& who) const noexcept { return run_by(who) && !body_ended(); }
  // Asked by the body's own thread only.
  bool has_descendants() const noexcept {
    // order(rem): acquire; pairs with the fetch_sub in release_lineage(): children elsewhere are over.
    return live != 0 || rem.load(memory_order_acquire) != body_runs;
  }
  bool body_ended() const noexcept { return rem.load(memory_order_relaxed) < body_runs / 2; }
};
static_assert(sizeof(void*) != 8 || sizeof(task_frame) == 64, "one cache line before the closure");

// The task that a spot belongs to. Cost: spot::outside_joins().
inline task_frame* task_of(spot s) noexcept {
  place* const p = s.outside_joins();
  return p->kind() == place_kind::task ? static_cast<task_frame*>(p) : static_cast<stolen_place*>(p)->owner;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
