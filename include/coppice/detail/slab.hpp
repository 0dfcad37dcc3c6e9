// A worker's slab: nodes for spawned tasks, without a lock and without the system's allocator. A node is as
// large as its task: there is a list for each size from a frame and one word to a frame and a closure of 64
// bytes, in steps of a word.
//
// Memory comes in chunks of one size of nodes, and is written a stretch at a time, shortly before its nodes
// are used: of a size that has few nodes only the first page or two are ever touched.
//
// Who writes what. `free_`, `fresh_` and the chunks: the owner worker. `returned_`: other workers push the
// nodes that they freed for the owner; the owner takes all of one size at once when its own list of that size
// is empty.
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
  static constexpr std::size_t largest_node = 128;
  static constexpr std::size_t smallest_node = 72;
  static constexpr std::size_t step = 8;
  static constexpr std::size_t sizes = (largest_node - smallest_node) / step + 1;
  static constexpr std::size_t chunk_bytes = slab_chunk_bytes;

  // Which list nodes of this many bytes are on. A size that is a multiple of an alignment gives nodes that
  // have it.
  static constexpr std::uint32_t list_of(std::size_t bytes) noexcept {
    return bytes <= smallest_node ? 0 : static_cast<std::uint32_t>((bytes - smallest_node + step - 1) / step);
  }
  static constexpr std::size_t bytes_of(std::uint32_t list) noexcept { return smallest_node + list * step; }

  slab() = default;
  slab(const slab&) = delete;
  slab& operator=(const slab&) = delete;
  ~slab();  // requires that no node is in use

  // Owner only. Null: take_at_hand(), then take_more().
  void* take(std::uint32_t list) noexcept {
    free_node* n = free_[list];
    if (n != nullptr) [[likely]]
      free_[list] = n->next;
    return n;
  }
  // Owner only: collects what others gave back, or goes on in the chunk. Null: all of it is in use.
  COPPICE_COLD void* take_at_hand(std::uint32_t list) noexcept;
  // Owner only: if all else is in use, of a new chunk. Throws std::bad_alloc.
  COPPICE_COLD void* take_more(std::uint32_t list);

  // Any worker: back to the slab that the node came from. `mine` is the calling worker's own slab. Who knows
  // the node's type says which list.
  static void give(slab* mine, void* node, std::uint32_t list) noexcept {
    if (mine->is_home_of(node)) [[likely]]
      mine->give_own(node, list);
    else
      chunk_of(node)->owner->give_back(static_cast<free_node*>(node), list);
  }
  // Owner only, whose node it is.
  bool is_home_of(const void* node) const noexcept { return chunk_of(node)->owner == this; }
  void give_own(void* node, std::uint32_t list) noexcept {
    auto* const n = static_cast<free_node*>(node);
    n->next = free_[list];
    free_[list] = n;
  }
  static void give(slab* mine, void* node) noexcept { give(mine, node, chunk_of(node)->list); }

 private:
  struct free_node {
    free_node* next;
  };
  struct chunk {
    slab* owner;
    chunk* next_block;  // of a block's first chunk
    std::uint32_t list;
  };
  // Room that has not been made into nodes, or into chunks.
  struct stretch {
    unsigned char* begin;
    unsigned char* end;
  };

  // A chunk is aligned to its size: its header says whose it is.
  static chunk* chunk_of(const void* node) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(node) & ~(std::uintptr_t{chunk_bytes} - 1);
    return reinterpret_cast<chunk*>(address);  // NOLINT(performance-no-int-to-ptr)
  }
  COPPICE_COLD void give_back(free_node* n, std::uint32_t list) noexcept;

  free_node* free_[sizes] = {};
  stretch fresh_[sizes] = {};
  stretch block_ = {};
  chunk* blocks_ = nullptr;
  alignas(cache_line) atomic<free_node*> returned_[sizes] = {};
};
static_assert(slab::list_of(slab::largest_node) + 1 == slab::sizes);

}  // namespace detail
}  // namespace v0
}  // namespace coppice
