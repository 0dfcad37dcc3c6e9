// Lists of frames that are out of the deque: the state word of each holds the address of the next.
//
// Who writes what. Whoever holds the list, which its owner says how it is handed on.
#pragma once

#include <coppice/detail/frame.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

inline void link(frame& f, frame* next) noexcept {
  f.state.store(reinterpret_cast<std::uintptr_t>(next), memory_order_relaxed);
}

// Gives the next one, or null. The frame is loose again.
inline frame* unlink(frame& f) noexcept {
  const std::uintptr_t next = f.state.load(memory_order_relaxed);
  f.state.store(frame::loose, memory_order_relaxed);
  return reinterpret_cast<frame*>(next);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
