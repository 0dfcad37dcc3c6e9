// Between the steps of a stream and its reader: results that are ready, and what a reader who found nothing
// waits for. Steps put results in without a lock, each as soon as it is there; the reader takes all. Why no
// wake-up is lost: scheduler/verbs/streams.md; explored by tests/model/stream_model.cpp.
//
// Who writes what: ready_ steps (add) and who holds the stream's mutex (takes all); wanted_ the reader, under
// the mutex, and the step that takes it upon itself to tell.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/stream_node.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

class stream_outbox {
 public:
  // True: somebody waits for this one, and the caller is the one who has to tell.
  bool put(stream_node& node) noexcept {
    const std::uint64_t sequence = node.sequence;
    stream_node* seen = ready_.load(memory_order_relaxed);
    do {
      node.next = seen;
      // order(ready): seq_cst; pairs with take_all(). Announce and look: the reader does it the other way
      // round.
    } while (!ready_.compare_exchange_weak(seen, &node, memory_order_seq_cst, memory_order_relaxed));
    // The reader may have the node from here on.
    // order(wanted): seq_cst; pairs with want().
    const std::uint64_t wanted = wanted_.load(memory_order_seq_cst);
    if ((wanted & exactly) != 0 ? sequence != wanted >> 1 : sequence < wanted >> 1) return false;
    // order(wanted): seq_cst; pairs with want().
    return wanted_.exchange(nothing, memory_order_seq_cst) != nothing;
  }

  // In the order in which they came.
  stream_node* take_all() noexcept {
    // order(ready): seq_cst; pairs with put().
    if (ready_.load(memory_order_seq_cst) == nullptr) return nullptr;
    // order(ready): seq_cst; pairs with put().
    stream_node* last = ready_.exchange(nullptr, memory_order_seq_cst);
    stream_node* first = nullptr;
    while (last != nullptr) {
      stream_trail::fetch_ahead(*last);
      stream_node* const before = last->next;
      last->next = first;
      first = last;
      last = before;
    }
    return first;
  }

  // Who has announced what it waits for looks once more before it sleeps.
  void want(std::uint64_t sequence) noexcept { announce(sequence << 1 | exactly); }
  void want_from(std::uint64_t sequence) noexcept { announce(sequence << 1); }

 private:
  static constexpr std::uint64_t exactly = 1, nothing = ~std::uint64_t{0};  // no input has that sequence

  void announce(std::uint64_t wanted) noexcept {
    // order(wanted): seq_cst; pairs with put().
    wanted_.store(wanted, memory_order_seq_cst);
  }

  atomic<stream_node*> ready_{nullptr};
  alignas(cache_line) atomic<std::uint64_t> wanted_{nothing};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
