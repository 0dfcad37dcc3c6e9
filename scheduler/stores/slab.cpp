#include <algorithm>
#include <coppice/detail/slab.hpp>
#include <new>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// So much is made into nodes at a time: linking them writes them, and they are to be in the first-level cache
// when they are used.
constexpr std::size_t stretch_bytes = 4096;

}  // namespace

slab::~slab() {
  while (blocks_ != nullptr) {
    chunk* const c = blocks_;
    blocks_ = c->next_block;
    ::operator delete (c, std::align_val_t{chunk_bytes});
  }
}

void* slab::take_at_hand(std::uint32_t list) noexcept {
  if (void* const n = take(list)) return n;
  // order(returned): acquire; pairs with the release in give_back().
  free_[list] = returned_[list].exchange(nullptr, memory_order_acquire);
  if (free_[list] == nullptr) {
    stretch& fresh = fresh_[list];
    const std::size_t bytes = bytes_of(list);
    const std::size_t nodes =
        std::min(static_cast<std::size_t>(fresh.end - fresh.begin), stretch_bytes) / bytes;
    // Linked from the end, so that nodes are taken in address order.
    for (std::size_t i = nodes; i != 0; --i) {
      auto* const n = reinterpret_cast<free_node*>(fresh.begin + (i - 1) * bytes);
      n->next = free_[list];
      free_[list] = n;
    }
    fresh.begin += nodes * bytes;
  }
  return take(list);
}

void* slab::take_more(std::uint32_t list) {
  if (void* const n = take_at_hand(list)) return n;
  const bool begins_block = block_.begin == block_.end;
  if (begins_block) {
    void* const room = ::operator new (slab_block_chunks* chunk_bytes, std::align_val_t{chunk_bytes});
    block_.begin = static_cast<unsigned char*>(room);
    block_.end = block_.begin + slab_block_chunks * chunk_bytes;
  }
  unsigned char* const base = std::exchange(block_.begin, block_.begin + chunk_bytes);
  auto* const made = ::new (static_cast<void*>(base)) chunk{this, nullptr, list};
  if (begins_block) made->next_block = std::exchange(blocks_, made);
  // The first node's room holds the header: the others lie at multiples of their size, which are aligned as
  // it is.
  const std::size_t bytes = bytes_of(list);
  static_assert(sizeof(chunk) <= smallest_node);
  fresh_[list] = {base + bytes, base + chunk_bytes / bytes * bytes};
  return take_at_hand(list);
}

void slab::give_back(free_node* n, std::uint32_t list) noexcept {
  atomic<free_node*>& returned = returned_[list];
  n->next = returned.load(memory_order_relaxed);
  // order(returned): release; pairs with the acquire in take_at_hand(). Only the owner removes, and it
  // removes all: a node cannot come back here between the load and the exchange.
  while (!returned.compare_exchange_weak(n->next, n, memory_order_release, memory_order_relaxed)) {
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
