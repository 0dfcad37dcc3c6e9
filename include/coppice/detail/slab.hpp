// A worker's slab: nodes of one size for spawned tasks, without a lock and without the system's allocator.
//
// Who writes what. `free_` and the chunks: the owner worker. `returned_`: other workers push the nodes that
// they freed for the owner; the owner takes all of them at once when its own list is empty.
//
// Orders
//   returned_  push release, exchange acquire: what the freeing worker did with the node is over when it is
//   reused.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <cstddef>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

class COPPICE_API slab {
 public:
  static constexpr std::size_t node_bytes = 128;
  static constexpr std::size_t chunk_bytes = slab_chunk_bytes;

  slab() = default;
  slab(const slab&) = delete;
  slab& operator=(const slab&) = delete;
  ~slab();  // requires that no node is in use

  // Owner only. Null: use take_more().
  void* take() noexcept {
    free_node* n = free_;
    if (n != nullptr) [[likely]]
      free_ = n->next;
    return n;
  }
  // Owner only: collects what others gave back, or makes a new chunk. Throws std::bad_alloc.
  COPPICE_COLD void* take_more();

  // Any worker: back to the slab that the node came from. `mine` is the calling worker's own slab.
  static void give(slab* mine, void* node) noexcept {
    slab* const owner = owner_of(node);
    auto* const n = static_cast<free_node*>(node);
    if (owner == mine) [[likely]] {
      n->next = mine->free_;
      mine->free_ = n;
    } else {
      owner->give_back(n);
    }
  }

 private:
  struct free_node {
    free_node* next;
  };
  struct chunk {
    slab* owner;
    chunk* next;
  };

  // A chunk is aligned to its size: its header says whose it is.
  static slab* owner_of(void* node) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(node) & ~(std::uintptr_t{chunk_bytes} - 1);
    return reinterpret_cast<chunk*>(address)->owner;  // NOLINT(performance-no-int-to-ptr)
  }
  COPPICE_COLD void give_back(free_node* n) noexcept;

  free_node* free_ = nullptr;
  chunk* chunks_ = nullptr;
  alignas(cache_line) atomic<free_node*> returned_{nullptr};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
