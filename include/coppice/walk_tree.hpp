// walk_tree: visits every node of a tree that is found while walking.
//
// May be called on any thread; outside of a task the walk is serial, a node before its children.
//
//   coppice::walk_tree(root, [](node* n) { return std::span(n->children); }, [&](node* n) { sum += n->weight;
//   });
#pragma once

#include <coppice/join.hpp>
#include <coppice/task_group.hpp>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

template <class Node, class Children, class Visit>
class walk {
 public:
  walk(Children& children, Visit& visit) : children_(children), visit_(visit) {}

  void run(const Node& node, unsigned depth) {
    visit_(node);
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
  void wait() { top_.wait(); }

 private:
  static constexpr unsigned levels_on_stack = 256;

  void spread(task_group& group, const Node& node, unsigned depth) {
    for (auto&& child : children_(node))
      group.spawn([this, next = Node(std::forward<decltype(child)>(child)), depth] { run(next, depth); });
  }

  Children& children_;
  Visit& visit_;
  task_group top_;
};

}  // namespace detail

/// Calls visit(node) for root and all its descendants; children(node) gives a range of what Node can be made
/// from.
///
/// Threads: any. visit and children may run on any worker at the same time; a node is visited before its
/// children. Blocks: until all are visited. Throws: the leftmost node's original exception; under fail_fast
/// nodes that have not started are not visited then. Cost: one spawned child for each node but the root.
/// Depth is limited by memory, not by the stack.
template <class Node, class Children, class Visit>
void walk_tree(Node root, Children children, Visit visit) {
  detail::walk<Node, Children, Visit> walk(children, visit);
  walk.run(root, 0);
  walk.wait();
}

}  // namespace v0
}  // namespace coppice
