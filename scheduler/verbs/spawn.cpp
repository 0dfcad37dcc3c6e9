#include <coppice/detail/spawn_node.hpp>
#include <new>
#include <utility>

#include "job/job_state.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

bool may_spawn(worker& w, group_core* group) noexcept {
  job_core& job = *task_of(w.where)->job;
  if (!job.stopping() && (group == nullptr || !group->stopped())) [[likely]] return true;
  // Born cancelled: spawned and skipped at once, so that the report says that something was lost.
  shard& counts = bind_counts(w, job);
  add_as_only_writer(counts.spawned, std::uint64_t{1}, memory_order_release);
  add_as_only_writer(counts.skipped, std::uint64_t{1}, memory_order_release);
  if (group != nullptr) group->child_skipped();
  return false;
}

void name_node(worker& w, task_frame& node, std::string_view name) {
  const bool in_branch = w.where->kind() != place_kind::task;
  if (!w.deque.has_room() && stack_address(&node) != 0) {
    // It would run here, on top of this stack.
    char here;
    if (stack_address(&here) < w.stack_limit) refuse_recursion();
  }
  if (name.empty() && !in_branch) return;
  const task_frame& parent = *task_of(w.where);
  auto extra = std::make_unique<task_extra>(job_state::of(*parent.job).options.keep_errors);
  extra->name = name;
  for (const place* p = w.where; p != &parent; p = p->above()) extra->between.insert(extra->between.begin(), p->ordinal());
  node.extra.store(extra.release(), memory_order_relaxed);  // published with the push
}

void enqueue(worker& w, task_frame& node, group_core* group) noexcept {
  task_frame& parent = *task_of(w.where);
  node.job = parent.job;
  node.group = group;
  node.up = place::link(&parent, place_kind::task);
  node.enter(w.where->number_children(1));
  // order(rem): relaxed; the parent's header cannot go while its body runs.
  if (parent.run_by(w))
    ++parent.live;
  else
    parent.rem.fetch_add(1, memory_order_relaxed);
  if (group != nullptr) group->child_spawned(w);
  // order(spawned): release; pairs with the acquire in tally::quiet(). Before anybody can take the child.
  add_as_only_writer(bind_counts(w, *parent.job).spawned, std::uint64_t{1}, memory_order_release);
  std::uint32_t index = 0;
  if (!w.deque.push_below_bound(node, &index) && !(w.deque.has_room() && w.deque.push_below_bound(node, &index)))
      [[unlikely]] {
    add_as_only_writer(w.inline_runs, std::uint64_t{1}, memory_order_relaxed);
    node.run(&node, w);
    return;
  }
  if (w.attention.load(memory_order_relaxed) != 0) [[unlikely]] answer_quietly(w);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
