// The node of a spawned child: its frame and its closure, in a worker's slab.
#pragma once

#include <coppice/detail/config.hpp>
#include <coppice/detail/group_core.hpp>
#include <coppice/detail/job_core.hpp>
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
  std::unique_ptr<F> body;
  explicit boxed(F&& f) : body(std::make_unique<F>(std::move(f))) {}
  explicit boxed(const F& f) : body(std::make_unique<F>(f)) {}
  void operator()() { std::move (*body)(); }
  ~boxed() noexcept(std::is_nothrow_destructible_v<F>) {
    // unique_ptr's own destructor lets nothing out; C-08 wants it out.
    F* const f = body.release();
    struct storage {
      F* at;
      ~storage() {
        if constexpr (alignof(F) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
          ::operator delete (static_cast<void*>(at), sizeof(F), std::align_val_t{alignof(F)});
        else
          ::operator delete(static_cast<void*>(at), sizeof(F));
      }
    } const freed{f};
    f->~F();
  }
};

inline constexpr std::size_t closure_bytes = slab::node_bytes - sizeof(task_frame);

template <class F>
using node_closure = std::conditional_t<(sizeof(F) <= closure_bytes && alignof(F) <= 64), F, boxed<F>>;

template <class F>
struct spawn_node : task_frame {
  node_closure<F> closure;

  static void run_node(frame* f, worker& w) noexcept {
    auto& self = *static_cast<spawn_node*>(f);
    task_run run(w, self);
    if (run.begin()) {
      try {
        static_cast<void>(std::move(self.closure)());
      } catch (...) {
        run.failed();
      }
    }
    if constexpr (std::is_nothrow_destructible_v<node_closure<F>>) {
      self.closure.~node_closure<F>();
    } else {
      try {
        self.closure.~node_closure<F>();
      } catch (...) {
        run.destructor_failed();
      }
    }
    run.end();
  }
};

// The slab is used up: lets go of ended ancestors that nobody needs, then takes a node. Throws
// std::bad_alloc.
COPPICE_API void* take_after_tidying(worker& w);

// Keeps what few children have: a name, a place in a branch. Throws std::bad_alloc.
COPPICE_API COPPICE_COLD void name_node(worker& w, task_frame& node, std::string_view name);
// Counts a child that is refused as spawned and skipped.
COPPICE_API COPPICE_COLD void refuse_child(worker& w, task_frame& parent, group_core* group) noexcept;
// Counts a complete node as a child of `parent`, the running task, and pushes it or runs it at once.
COPPICE_API void enqueue(worker& w, task_frame& node, task_frame& parent) noexcept;

// False: the job or the group is being stopped.
template <class F>
bool spawn_child(worker& w, group_core* group, F&& f, std::string_view name) {
  using node = spawn_node<std::decay_t<F>>;
  static_assert(sizeof(node) <= slab::node_bytes);
  const char here = 0;
  if (w.attention.is_below_limit(stack_address(&here))) [[unlikely]]
    refuse_recursion();
  task_frame& parent = *task_of(w.where);
  if (parent.job->stops(*w.where) || (group != nullptr && group->stops(*w.where))) [[unlikely]] {
    refuse_child(w, parent, group);
    return false;
  }
  void* room = w.nodes->take();
  if (room == nullptr) [[unlikely]]
    room = take_after_tidying(w);
  node* child = nullptr;
  try {
    child = static_cast<node*>(room);
    ::new (static_cast<void*>(&child->closure)) node_closure<std::decay_t<F>>(std::forward<F>(f));
  } catch (...) {
    slab::give(w.nodes, room);
    throw;
  }
  ::new (static_cast<void*>(static_cast<task_frame*>(child)))
      task_frame{{&node::run_node, frame::loose},
                 {place::link(&parent, place_kind::task), 0, 0},
                 parent.job,
                 group,
                 0,
                 task_frame::body_runs,
                 nullptr};
  if (!name.empty() || w.where != &parent || parent.job->measured() != nullptr) [[unlikely]] {
    try {
      name_node(w, *child, name);
    } catch (...) {
      child->closure.~node_closure<std::decay_t<F>>();
      slab::give(w.nodes, room);
      throw;
    }
  }
  enqueue(w, *child, parent);
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
