// One input of a stream and what became of it.
#pragma once

#include <coppice/detail/config.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

// How an input ended.
enum class item_end : std::uint8_t { succeeded, failed, cancelled, skipped };

struct stream_node {
  stream_node* next = nullptr;
  const stream_node* ahead = nullptr;  // some way along the chain; stream_trail
  std::uint64_t sequence = 0;          // in order of taking; results of an ordered stream come by it
  item_end how = item_end::succeeded;
  virtual ~stream_node() = default;
};

// Nodes go from core to core in chains, and each link is a cache miss: as long as what is done with a small
// result. Who puts nodes into a chain notes in each the one that it put in some time before; who goes along
// the chain from its newest end fetches that one ahead. A note may be out of date: only its address is used.
class stream_trail {
 public:
  void note(stream_node& node) noexcept {
    const stream_node*& oldest = last_[at_++ % far];
    node.ahead = oldest;
    oldest = &node;
  }
  static void fetch_ahead(const stream_node& node) noexcept {
    if (node.ahead == nullptr) return;
    __builtin_prefetch(node.ahead, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(node.ahead) + line, 1);  // NOLINT
  }

 private:
  static constexpr unsigned far = 8;  // 100 ns a miss, 12 ns a node (2 cores, 2026)
  static constexpr unsigned line = 64;
  const stream_node* last_[far] = {};
  unsigned at_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
