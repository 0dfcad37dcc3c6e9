// walk_tree: visits every node of a tree that is found while walking.
//
// May be called on any thread; outside of a task the walk is serial, a node before its children.
//
//   std::atomic<long> sum = 0;
//   coppice::walk_tree(
//       root, [](node* n) { return std::span(n->children); }, [&](node* n) { sum += n->weight; });
#pragma once

#include <coppice/detail/worker.hpp>
#include <coppice/task_group.hpp>
#include <cstddef>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace coppice {
inline namespace v0 {
namespace detail {

// A range that is a value and holds its elements: what it gives may be moved out of it. A view of what
// another one holds gives the same to those who may not change it.
template <class Range>
concept holds_elements =
    !std::is_reference_v<Range> && std::ranges::range<Range> && std::ranges::range<const Range> &&
    std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>> &&
    !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<Range>>> &&
    std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<const Range>>>;

// Calls add(child) for each child of the node.
template <class Node, class Children, class Add>
void each_child(const Node& node, Children& children, const Add& add) {
  for (auto&& child : children(node)) {
    if constexpr (holds_elements<decltype(children(node))>) {
      Node next(std::move(child));
      add(std::move(next));
    } else {
      Node next(std::forward<decltype(child)>(child));
      add(std::move(next));
    }
  }
}

template <class Node, class Children, class Visit>
class walk {
 public:
  walk(Children& children, Visit& visit) : children_(children), visit_(visit) {}

  void run(Node&& root) {
    // A child of what is waited for, as are those far below: of two failures the leftmost comes out, however
    // deep it is.
    top_.spawn([this, node = std::move(root)] { run_below(node, 0); });
    top_.wait();
  }

 private:
  static constexpr unsigned levels_on_stack = 256;

  void run_below(const Node& node, unsigned depth) {
    static_cast<void>(visit_(node));
    // A chain that is longer than any stack: every so many levels the children belong to the walk, not to
    // their parent, which need not stand below them.
    if (depth == levels_on_stack) {
      spread(top_, node, 0);
      return;
    }
    task_group group;
    spread(group, node, depth + 1);
    group.wait();
  }

  void spread(task_group& group, const Node& node, unsigned depth) {
    detail::each_child(node, children_, [&](Node&& child) {
      group.spawn([this, next = std::move(child), depth] { run_below(next, depth); });
    });
  }

  Children& children_;
  Visit& visit_;
  task_group top_;
};

// Without a worker a spawned child runs inside its parent: so that the walk may be deeper than the stack, it
// keeps what is yet to be visited, of each level those to the right.
template <class Node, class Children, class Visit>
void walk_serially(Node&& root, Children& children, Visit& visit) {
  struct level {
    std::vector<Node> nodes;
    std::size_t next = 0;
  };
  std::vector<level> levels(1);
  levels.back().nodes.push_back(std::move(root));
  while (!levels.empty()) {
    level& here = levels.back();
    if (here.next == here.nodes.size()) {
      levels.pop_back();
      continue;
    }
    const Node& node = here.nodes[here.next++];
    static_cast<void>(visit(node));
    level below;
    detail::each_child(node, children, [&](Node&& child) { below.nodes.push_back(std::move(child)); });
    if (!below.nodes.empty()) levels.push_back(std::move(below));
  }
}

}  // namespace detail

/// Calls visit(node) for root and all its descendants; children(node) gives a range of what Node can be made
/// from. Of a container that it gives by value the elements are moved.
///
/// Threads: any. visit and children may run on any worker at the same time; a node is visited before its
/// children. Blocks: until all are visited. Throws: the leftmost node's original exception; under fail_fast
/// nodes that have not started are not visited then. Below 256 levels a path is elided (`root/0/(+300)/1`),
/// and of two that differ there alone either may count as the leftmost. Cost: one spawned child for each
/// node. Depth is limited by memory, not by the stack.
template <class Node, class Children, class Visit>
void walk_tree(Node root, Children children, Visit visit) {
  if (detail::forking_worker == nullptr)
    detail::walk_serially(std::move(root), children, visit);
  else
    detail::walk<Node, Children, Visit>(children, visit).run(std::move(root));
}

}  // namespace v0
}  // namespace coppice
