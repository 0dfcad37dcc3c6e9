// What few tasks have, so that the others need not carry it: a name, branches of joins between the task and
// its parent, errors that wait for the task's end.
//
// `name` and `between` are set before the task can be taken, and constant from then on. The rest is under the
// lock of the task's job, because branches of the task on other workers add to it.
#pragma once

#include <coppice/detail/worker.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "job/failure.hpp"
#include "worker/piece.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

struct task_extra {
  explicit task_extra(std::size_t keep_errors) noexcept : secondary(keep_errors), unwaited(keep_errors) {}

  std::string name;
  task_path between;
  error_set secondary;              // handled, unless the task fails
  error_set unwaited;               // of groups that nobody waited for: errors of the task in any case
  std::optional<failure> recorded;  // by this_task::fail

  // Of a measured job. Set before the task can be taken, but `timed`: set when its body begins, before it can
  // fork.
  piece* timed = nullptr;
  piece::ticks spawned_at = 0;  // where its spawner was
  const worker* spawned_by = nullptr;
  std::uint64_t depth = 0;
};

// Of a task that nobody else reaches. Runs code of users, the ends of the errors that the task has handled.
void delete_extra(worker& w, task_frame& t) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
