#include <coppice/detail/slab.hpp>
#include <new>

namespace coppice {
inline namespace v0 {
namespace detail {

slab::~slab() {
  while (chunks_ != nullptr) {
    chunk* const c = chunks_;
    chunks_ = c->next;
    ::operator delete (c, std::align_val_t{chunk_bytes});
  }
}

void* slab::take_more() {
  // order(returned): acquire; pairs with the release in give_back().
  if (free_ == nullptr) free_ = returned_.exchange(nullptr, memory_order_acquire);
  if (free_ == nullptr) {
    auto* const c = static_cast<chunk*>(::operator new (chunk_bytes, std::align_val_t{chunk_bytes}));
    c->owner = this;
    c->next = chunks_;
    chunks_ = c;
    // The first node's room holds the header. Linked from the end, so that nodes are taken in address order.
    auto* const base = reinterpret_cast<unsigned char*>(c);
    for (std::size_t at = chunk_bytes - node_bytes; at >= node_bytes; at -= node_bytes) {
      auto* const n = reinterpret_cast<free_node*>(base + at);
      n->next = free_;
      free_ = n;
    }
  }
  free_node* const n = free_;
  free_ = n->next;
  return n;
}

void slab::give_back(free_node* n) noexcept {
  n->next = returned_.load(memory_order_relaxed);
  // order(returned): release; pairs with the acquire in take_more(). Only the owner removes, and it removes
  // all: a node cannot come back here between the load and the exchange.
  while (!returned_.compare_exchange_weak(n->next, n, memory_order_release, memory_order_relaxed)) {
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
