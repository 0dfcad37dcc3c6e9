#include "verbs/held.hpp"

#include <coppice/detail/group_core.hpp>
#include <coppice/detail/job_core.hpp>
#include <utility>

#include "worker/frame_links.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

void add_held(task_frame*& list, task_frame& child) noexcept {
  link(child, list);
  list = &child;
}

task_frame* take_held(task_frame*& list) noexcept {
  return std::exchange(list, static_cast<task_frame*>(unlink(*list)));
}

namespace {

// Held at the innermost place that is in doubt. False: none is.
bool hold_at(spot here, task_frame& child) noexcept {
  place* const at = here.outside_joins();
  if (at->kind() == place_kind::stolen) {
    add_held(static_cast<stolen_place*>(at)->held, child);
    return true;
  }
  group_core* const group = static_cast<task_frame*>(at)->group;
  // The wait for another job's group is none of this job's: the serial run of this one does not go on there.
  if (group == nullptr || group->task()->job != child.job) return false;
  group->hold(child);
  return true;
}

}  // namespace

bool hold(worker& w, task_frame& child) noexcept { return hold_at(w.where(), child); }

void let_go(worker& w, spot here, task_frame* held) noexcept {
  while (held != nullptr) {
    task_frame& child = *take_held(held);
    if (hold_at(here, child)) continue;
    deque_index index = 0;
    if (!w.deque.push_below_bound(child, &index)) {
      child.run(&child, w);
      continue;
    }
    if (w.attention.load(memory_order_relaxed) != 0) answer_quietly(w);
  }
}

// A frame that was begun is not run again, so its thief may write there. Only frames of such jobs are read
// so.
std::uintptr_t leave_held(frame& f, task_frame* held, std::uintptr_t end_word) noexcept {
  f.run = reinterpret_cast<run_function>(held);
  return held != nullptr && end_word == frame::with_value ? frame::with_value_and_children : end_word;
}

task_frame* held_by(const frame& f, const job_core& job) noexcept {
  return job.keeps_what_is_earlier() ? reinterpret_cast<task_frame*>(f.run) : nullptr;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
