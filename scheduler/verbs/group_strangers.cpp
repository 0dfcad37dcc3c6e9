// A wait runs the children of its group and what those have spawned, and nothing else: a lock that is held
// over the wait may be wanted by a child of another group. Children that one task spawns into two groups by
// turns lie mixed in the deque; those of the other group are moved below the ones that are waited for.
#include <algorithm>
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/task_frame.hpp>

#include "worker/bundle.hpp"
#include "worker/frame_links.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// Frames that are out of the deque, the oldest first.
class line {
 public:
  void add_older(frame& f) noexcept {
    link(f, first_);
    first_ = &f;
    if (last_ == nullptr) last_ = &f;
  }
  void add_newer(frame& f) noexcept {
    link(f, nullptr);
    if (last_ != nullptr)
      link(*last_, &f);
    else
      first_ = &f;
    last_ = &f;
  }
  // Null: none is left.
  frame* take_oldest() noexcept {
    frame* const f = first_;
    if (f == nullptr) return nullptr;
    first_ = unlink(*f);
    if (first_ == nullptr) last_ = nullptr;
    return f;
  }

 private:
  frame *first_ = nullptr, *last_ = nullptr;
};

void put_back_all(worker& w, line& frames) noexcept {
  while (frame* const f = frames.take_oldest()) w.deque.put_back(*f);
}

}  // namespace

// A child of the waiting task that this group does not have, or what such a one has spawned.
bool group_core::has_not(const task_frame& child) const noexcept {
  for (const task_frame* t = &child; t->group != this; t = t->parent()) {
    const task_frame* const above = t->parent();
    if (above == task_) return true;
    if (above == nullptr) return false;
  }
  return false;
}

// Of a frame that was popped above the floor. Branches of joins and bundles are none.
bool group_core::is_stranger(const frame& f) const noexcept {
  return f.state.load(memory_order_relaxed) == frame::loose && !is_bundle(f) &&
         has_not(static_cast<const task_frame&>(f));
}

// The stranger, which was on top, and all others above the floor come to lie below the group's own children,
// in their order, and the floor between. False: nothing was moved, because a branch of a join, which stays at
// its index, has some of the group's children below it; and the stranger is the caller's.
bool group_core::move_below(worker& w, frame& stranger) noexcept {
  line all;
  all.add_older(stranger);
  std::int64_t children = 0;
  bool ends_at_branch = false;
  while (w.deque.top() > floor_ && !ends_at_branch) {
    frame* const f = w.deque.pop();
    if (f == nullptr) break;  // thieves have taken the rest
    ends_at_branch = f->state.load(memory_order_relaxed) != frame::loose;
    if (!is_stranger(*f)) ++children;
    if (ends_at_branch)
      w.deque.put_back(*f);
    else
      all.add_older(*f);
  }
  if (ends_at_branch && children - 1 < local_) {
    put_back_all(w, all);
    return w.deque.pop() == nullptr;  // unless a thief was quicker
  }
  for (group_core* g = w.innermost_group; g != nullptr; g = g->outer_) {
    g->made_at_ = std::min(g->made_at_, w.deque.top());
    if (g->floor_ != no_floor) g->floor_ = std::min(g->floor_, w.deque.top());
  }
  line own;
  while (frame* const f = all.take_oldest())
    if (is_stranger(*f))
      w.deque.put_back(*f);
    else
      own.add_newer(*f);
  made_at_ = floor_ = w.deque.top();
  worker_thread::of(w).floor = floor_;
  put_back_all(w, own);
  if (w.attention.load(memory_order_relaxed) != 0) answer_quietly(w);
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
