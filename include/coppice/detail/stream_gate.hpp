// Before a stream's source: who may ask it, and whether there is room for what it gives. No locks: each input
// passes here. Why it is right: scheduler/verbs/streams.md; explored by tests/model/stream_model.cpp.
//
// Who writes what: word_ and coming_ everybody; the window's spare_ and made_ who is inside the gate;
// returned_ the reader (adds) and who is inside (takes all).
//
// Invariant: at most one is inside. A closed gate stays closed: who is inside then comes out and is told. A
// node is a place in the window: it is made once, and is with a step, with the reader or a spare one.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/stream_node.hpp>
#include <cstddef>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

class stream_gate {
 public:
  enum class entry : std::uint8_t { inside, busy, closed };

  entry try_enter() noexcept {
    unsigned seen = open;
    // order(gate): seq_cst; pairs with leave(). Who turns away says so and looks again, who leaves looks for
    // those who come: one of the two sees the other.
    if (word_.compare_exchange_strong(seen, held, memory_order_seq_cst, memory_order_seq_cst))
      return entry::inside;
    return (seen & shut) != 0 ? entry::closed : entry::busy;
  }

  // False: it was closed meanwhile.
  bool leave() noexcept {
    // order(gate): seq_cst; pairs with try_enter().
    return (word_.fetch_and(shut, memory_order_seq_cst) & shut) == 0;
  }

  void close() noexcept {
    // order(gate): seq_cst; pairs with closed().
    word_.fetch_or(shut, memory_order_seq_cst);
  }

  // order(gate): seq_cst; pairs with leave().
  bool busy() const noexcept { return (word_.load(memory_order_seq_cst) & held) != 0; }
  // order(gate): seq_cst; pairs with close().
  bool closed() const noexcept { return (word_.load(memory_order_seq_cst) & shut) != 0; }

  // A step is on its way here: posted and not begun, or looking until whoever is inside is done.
  void come() noexcept {
    // order(coming): seq_cst; pairs with nobody_comes().
    coming_.fetch_add(1, memory_order_seq_cst);
  }
  void turn_away() noexcept {
    // order(coming): seq_cst; pairs with nobody_comes().
    coming_.fetch_sub(1, memory_order_seq_cst);
  }
  // order(coming): seq_cst; pairs with turn_away().
  bool nobody_comes() const noexcept { return coming_.load(memory_order_seq_cst) == 0; }

 private:
  static constexpr unsigned open = 0, held = 1, shut = 2;

  atomic<unsigned> word_{open};
  atomic<unsigned> coming_{0};
};

class stream_window {
 public:
  // Who is inside the gate: a place; null: none that was used before.
  stream_node* take() noexcept {
    stream_node* node = spare_.load(memory_order_relaxed);
    // order(places): acquire; pairs with give_back().
    if (node == nullptr) node = returned_.exchange(nullptr, memory_order_acquire);
    if (node == nullptr) return nullptr;
    stream_node* const rest = node->next;
    spare_.store(rest, memory_order_relaxed);
    stream_trail::fetch_ahead(*node);
    return node;
  }

  // Who is inside the gate: whether another place may be made, which counts as made.
  bool may_make(std::size_t capacity) noexcept {
    const std::size_t n = made_.load(memory_order_relaxed);
    if (n == capacity) return false;
    made_.store(n + 1, memory_order_relaxed);
    return true;
  }
  void was_not_made() noexcept { made_.store(made_.load(memory_order_relaxed) - 1, memory_order_relaxed); }

  // Who is inside the gate: the place was not needed.
  void put_back(stream_node& node) noexcept {
    node.next = spare_.load(memory_order_relaxed);
    spare_.store(&node, memory_order_relaxed);
  }

  // A reader: a chain of places.
  void give_back(stream_node& first, stream_node& last) noexcept {
    stream_node* seen = returned_.load(memory_order_relaxed);
    do {
      last.next = seen;
      // order(places): release; pairs with take().
    } while (!returned_.compare_exchange_weak(seen, &first, memory_order_release, memory_order_relaxed));
  }

  // True for whoever has seen the gate not busy, if there is a place that nobody will take by himself.
  bool has_room(std::size_t capacity) const noexcept {
    return spare_.load(memory_order_relaxed) != nullptr || returned_.load(memory_order_relaxed) != nullptr ||
           made_.load(memory_order_relaxed) < capacity;
  }

  // When nobody else is there.
  template <class F>
  void for_each(F f) noexcept {
    for (atomic<stream_node*>* const all : {&spare_, &returned_})
      for (stream_node* node = all->exchange(nullptr, memory_order_relaxed); node != nullptr;) {
        stream_node* const next = node->next;
        f(node);
        node = next;
      }
  }

 private:
  atomic<stream_node*> spare_{nullptr};
  atomic<std::size_t> made_{0};
  alignas(cache_line) atomic<stream_node*> returned_{nullptr};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
