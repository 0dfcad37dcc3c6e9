// The node of a spawned child: its frame and its closure, in a worker's slab.
//
// Calls with a user's type in them name the namespace, here and in all headers: a function of that name which
// lies beside the type would be found too, and may fit better.
#pragma once

#include <coppice/detail/config.hpp>
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/room_for.hpp>
#include <coppice/detail/slab.hpp>
#include <coppice/detail/task_run.hpp>
#include <coppice/detail/worker.hpp>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

// A closure that does not fit into a node.
template <class F>
struct boxed {
  struct free_memory {
    void operator()(void* at) const noexcept { ::operator delete (at, std::align_val_t{alignof(F)}); }
  };
  std::unique_ptr<void, free_memory> room{::operator new (sizeof(F), std::align_val_t{alignof(F)})};
  F* body;

  // Not by an operator new of F's own.
  explicit boxed(F&& f) : body(::new (room.get()) F(std::move(f))) {}
  explicit boxed(const F& f) : body(::new (room.get()) F(f)) {}
  void operator()() { std::move (*body)(); }
  ~boxed() noexcept(std::is_nothrow_destructible_v<F>) { body->~F(); }
};

inline constexpr std::size_t closure_bytes = slab::largest_node - sizeof(task_frame);

template <class F>
using node_closure = std::conditional_t<(sizeof(F) <= closure_bytes && alignof(F) <= 64), F, boxed<F>>;

template <class F>
struct spawn_node : task_frame {
  node_closure<F> closure;

  static void run_node(frame* f, worker& w) noexcept {
    auto& self = *static_cast<spawn_node*>(f);
    using closure_type = node_closure<F>;
    constexpr std::uint32_t list = slab::list_of(sizeof(spawn_node));
    if (detail::run_task(
            w, self, list, [&self]() COPPICE_INLINE { static_cast<void>(std::move(self.closure)()); },
            [&self]() noexcept(std::is_nothrow_destructible_v<closure_type>) {
              self.closure.~closure_type();
            })) [[likely]]
      detail::end_child(w, self, list);
  }
  static void drop_closure(task_frame& t) {
    std::destroy_at(std::addressof(static_cast<spawn_node&>(t).closure));
  }
};

// The slab's list of these nodes is used up: takes a node elsewhere, and lets go of ended ancestors that
// nobody needs before it asks for memory. Throws std::bad_alloc.
COPPICE_API COPPICE_COLD void* take_after_tidying(worker& w, std::uint32_t list);

// The job or the group is being stopped: counts a child as spawned and skipped. False: it may be made. Throws
// std::logic_error for a group that no task has made.
COPPICE_API COPPICE_COLD bool refuses_child(worker& w, group_core* group);
// The rest of a rare spawn: keeps what few children have, counts the node, and pushes it or holds it back.
// Throws std::bad_alloc; then the node is gone, and its closure through `drop`.
COPPICE_API COPPICE_COLD void add_rare_child(worker& w, task_frame& node, group_core* group,
                                             std::string_view name, void (*drop)(task_frame&));
// The deque is full, unless it has room after a look: pushes a counted child, or runs it at once unless that
// goes too deep.
COPPICE_API void enqueue_at_bound(worker& w, task_frame& node) noexcept;

// Counts a complete node as a child of `parent`, the running task. The ordinal is asked for when the closure
// has been moved, which may have been a fork of its own.
COPPICE_INLINE inline void count_child(worker& w, task_frame& node, std::uint32_t ordinal, task_frame& parent,
                                       job_core* job, group_core* group) noexcept {
  node.low = ordinal;
  w.where().count_child();
  if (!outlives_child_of(parent, group)) parent.add_child(w);
  if (group != nullptr) group->child_spawned(w);
  // order(spawned): release; pairs with the acquire in tally::quiet(). Before anybody can take the child.
  add_as_only_writer(bind_counts(w, *job).spawned, std::uint64_t{1}, memory_order_release);
}

// Pushes a counted child, or runs it at once.
COPPICE_INLINE inline void enqueue(worker& w, task_frame& node) noexcept {
  deque_index index = 0;
  if (!w.deque.push_below_bound(node, &index)) [[unlikely]]
    return enqueue_at_bound(w, node);
  if (w.attention.load(memory_order_relaxed) != 0) [[unlikely]]
    answer_quietly(w);
}

template <class F>
using node_of = spawn_node<std::decay_t<F>>;

// A node that is complete but for its name and its ordinal. Throws what moving f throws, std::bad_alloc.
template <class F>
COPPICE_INLINE inline node_of<F>& make_node(worker& w, task_frame& parent, job_core* job, group_core* group,
                                            F&& f) {
  using node = node_of<F>;
  using closure = node_closure<std::decay_t<F>>;
  constexpr std::uint32_t list = slab::list_of(sizeof(node));
  static_assert(sizeof(node) <= slab::largest_node && slab::bytes_of(list) % alignof(node) == 0);
  void* room = w.nodes->take(list);
  if (room == nullptr) [[unlikely]]
    room = take_after_tidying(w, list);
  auto* const child = static_cast<node*>(room);
  try {
    ::new (static_cast<void*>(std::addressof(child->closure))) closure(std::forward<F>(f));
  } catch (...) {
    slab::give(w.nodes, room, list);
    throw;
  }
  ::new (static_cast<void*>(static_cast<task_frame*>(child)))
      task_frame{{&node::run_node, frame::loose},
                 {place::link(parent, place_kind::task), 0, {}},
                 job,
                 group,
                 0,
                 task_frame::body_runs,
                 nullptr};
  return *child;
}

// A child that has a name or is made in a branch, or of a job that is marked or a group that is stopped.
// False: the job or the group is being stopped.
template <class F>
[[gnu::noinline]] bool spawn_rarely(worker& w, group_core* group, F&& f, std::string_view name) {
  if (refuses_child(w, group)) return false;
  node_of<F>& child = detail::make_node(w, *w.task, w.task->job, group, std::forward<F>(f));
  detail::add_rare_child(w, child, group, name, &node_of<F>::drop_closure);
  return true;
}

// The same for a closure that the usual spawn is to keep in registers: only a copy of it has an address.
template <class F>
COPPICE_INLINE inline bool spawn_rarely_by_copy(worker& w, group_core* group, F&& f, std::string_view name) {
  if constexpr (std::is_trivially_copy_constructible_v<std::decay_t<F>> &&
                sizeof(std::decay_t<F>) <= closure_bytes) {
    const std::decay_t<F> copy = f;
    return detail::spawn_rarely(w, group, copy, name);
  } else {
    return detail::spawn_rarely(w, group, std::forward<F>(f), name);
  }
}

// Outside of tasks a child runs at once. As there its closure is its own, and either end of it may throw:
// then failed() is called, in the handler. Throws what moving f throws.
template <class F, class Failed>
void run_at_once(F&& f, const Failed& failed) {
  using closure = std::decay_t<F>;
  room_for<closure> room;
  ::new (static_cast<void*>(std::addressof(room.made))) closure(std::forward<F>(f));
  try {
    static_cast<void>(std::move(room.made)());
  } catch (...) {
    failed();
  }
  try {
    std::destroy_at(std::addressof(room.made));
  } catch (...) {
    failed();
  }
}

// False: the job or the group is being stopped.
template <class F>
bool spawn_child(worker& w, group_core* group, F&& f, std::string_view name) {
  if (w.attention.is_below_limit(stack_address_here())) [[unlikely]]
    refuse_recursion();
  task_frame& parent = *w.task;
  job_core* const job = parent.job;
  if (w.where().at() != &parent || !name.empty() || !job->unmarked() ||
      (group != nullptr && group->stopped())) [[unlikely]]
    return detail::spawn_rarely_by_copy(w, group, std::forward<F>(f), name);
  node_of<F>& child = detail::make_node(w, parent, job, group, std::forward<F>(f));
  detail::count_child(w, child, w.where().next_child_directly_in(parent), parent, job, group);
  detail::enqueue(w, child);
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
