#include <algorithm>
#include <coppice/detail/spawn_node.hpp>
#include <new>
#include <utility>

#include "job/job_state.hpp"
#include "verbs/held.hpp"
#include "worker/bundle.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// Born cancelled: spawned and skipped at once, so that the report says that something was lost. It takes its
// ordinal all the same: the places of later children do not depend on when the group was stopped.
bool refuses_child(worker& w, group_core* group) {
  if (group != nullptr) group->refuse_unless_of_task();
  const task_frame& parent = *w.task;
  if (!parent.job->stops(w.where()) && (group == nullptr || !group->stops(w.where()))) return false;
  w.where().count_child();
  shard& counts = bind_counts(w, *parent.job);
  // order(spawned): release; pairs with the acquire in tally::quiet(). Before the end, as everywhere.
  add_as_only_writer(counts.spawned, std::uint64_t{1}, memory_order_release);
  // order(ends): release; pairs with the acquire in tally::quiet().
  add_as_only_writer(counts.skipped, std::uint64_t{1}, memory_order_release);
  if (group != nullptr) group->child_skipped();
  return true;
}

namespace {

// A chain of tasks that respawn each other would keep the header of every ancestor for its path. The running
// task takes over the ordinals of ancestors that have ended and have no other descendant, and frees them; of
// a long line it keeps both ends and the number between: root/3/(+1234560)/2.
void take_over_ancestors(worker& w, task_frame& t) {
  task_path line;  // from t upwards
  task_frame* above = t.parent();
  // order(rem): acquire; pairs with the body's end in header_is_gone(). One: it has ended, and t is its only
  // child.
  for (; above->above() && above->rem.load(memory_order_acquire) == 1; above = above->parent()) {
    line.push_back(above->low);
    if (const task_extra* const its = above->get_extra())
      line.insert(line.end(), its->between.rbegin(), its->between.rend());
  }
  if (line.empty()) return;
  std::reverse(line.begin(), line.end());
  task_frame* ended = t.parent();
  {
    // Also for a thread outside, whose child of a group of t fails at t's place.
    job_state& job = job_state::of(*t.job);
    const std::lock_guard hold(job.lock);
    task_path& between = job.extra_of(t).between;
    line.insert(line.end(), between.begin(), between.end());
    const std::uint64_t depth = length_of(path_of(*above));
    shorten(line, depth < shown_at_each_end ? shown_at_each_end - static_cast<std::size_t>(depth) : 0);
    between = std::move(line);
    // Nothing has been let go before this; nothing throws from here on.
    t.up = place::link(*above, place_kind::task);
  }
  // The last of them was counted by what is now the parent; that does not count children of its own groups.
  if (is_outlived_by_parent(t)) release_lineage(w, above);
  // Code of users runs, and finds the links as they stay.
  while (ended != above) {
    task_frame* const next = ended->parent();
    delete_extra(w, *ended);
    slab::give(w.nodes, ended);
    ended = next;
  }
}

}  // namespace

// Nothing is tidied in the middle of a join, or while children live: they may be reading the links.
void* take_after_tidying(worker& w, std::uint32_t list) {
  if (void* const n = w.nodes->take_at_hand(list)) return n;
  task_frame& t = *w.task;
  if (w.where().at() == &t && t.above() && !t.has_descendants() && !group_core::has_children_of(w, t))
    take_over_ancestors(w, t);
  return w.nodes->take_more(list);
}

namespace {

// Keeps what few children have: a name, a place in a branch. Throws std::bad_alloc.
void name_node(worker& w, task_frame& node, std::string_view name) {
  const task_frame& parent = *node.parent();
  measure* const measured = parent.job->measured();
  auto extra = std::make_unique<task_extra>(job_state::of(*parent.job).options.keep_errors);
  extra->name = name;
  for (spot s = w.where(); s.at() != &parent; s = s.at()->above())
    extra->between.insert(extra->between.begin(), s.ordinal());
  if (measured != nullptr) {
    if (const piece* const spawner = worker_thread::of(w).running)
      extra->spawned_at = spawner->position(piece::now());
    const task_extra* const above = parent.get_extra();
    extra->depth = above != nullptr ? above->depth + 1 : 0;
    extra->spawned_by = &w;
    measured->task_spawned();
  }
  node.extra.store(extra.release(), memory_order_relaxed);  // published with the push
}

}  // namespace

void add_rare_child(worker& w, task_frame& node, group_core* group, std::string_view name,
                    void (*drop)(task_frame&)) {
  task_frame& parent = *node.parent();
  if (!name.empty() || w.where().at() != &parent || parent.job->is_measured()) {
    try {
      name_node(w, node, name);
    } catch (...) {
      drop(node);
      slab::give(w.nodes, &node);
      throw;
    }
  }
  count_child(w, node, w.where().next_child(), parent, node.job, group);
  if (group != nullptr || !parent.job->keeps_what_is_earlier() || !hold(w, node)) enqueue(w, node);
}

namespace {

// A look for room reads what thieves write, so after one that many children run at once before the next, as
// long as nobody is out of work.
constexpr std::uint32_t children_between_looks = 63;

// Looks for room, for whoever is out of work, and at how deep children run within children. True: the child
// waits for its turn.
COPPICE_COLD bool put_aside(worker& w, task_frame& node) noexcept {
  worker_thread& me = worker_thread::of(w);
  if (w.attention.load(memory_order_relaxed) != 0) answer_quietly(w);
  deque_index index = 0;
  if (w.deque.has_room() && w.deque.push_below_bound(node, &index)) return true;
  if (w.at_once_nested < deepest_inline_run) {
    w.at_once_left = children_between_looks;
    return false;
  }
  if (!bundle_newest(me, node, group_core::floor_of(w))) return false;
  group_core::lower_floors(w);
  return true;
}

}  // namespace

void enqueue_at_bound(worker& w, task_frame& node) noexcept {
  if (w.attention.load(memory_order_relaxed) != 0 || w.at_once_left == 0) [[unlikely]] {
    if (put_aside(w, node)) return;
  } else {
    --w.at_once_left;
  }
  add_as_only_writer(w.inline_runs, std::uint64_t{1}, memory_order_relaxed);
  // At the last level each child looks for another way.
  if (++w.at_once_nested == deepest_inline_run) w.at_once_left = 0;
  node.run(&node, w);
  --w.at_once_nested;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
