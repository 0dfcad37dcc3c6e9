// A place: one component of a task's path, linked to the component above it.
//
// Every join holds one on the stack, every task one in its frame, every stolen branch one on its thief's stack. So
// the chain from the worker's current place up to a root is the logical path of the running code, whoever runs what.
//
// A fork writes no ordinal: the place of a join says which branch runs, and counts from the place above, whose own
// count moves on only when the join is over. So the ordinal of branch b is above.next + b, and a fork stores a
// constant.
//
// Who writes what. `up` is set before the place is published. `numbers` is written only by the thread that runs
// directly in this place. Threads below it read the low half, which is constant while they live, and of a place that
// waits in a join also the high half, which stands still as long. It is atomic (relaxed) because both halves share a
// word: one store sets both.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

struct task_frame;

enum class place_kind : std::uintptr_t { join = 0, task = 1, stolen = 2 };

struct place {
  std::uintptr_t up;              // address of the place above, and this place's own kind in the low bits
  atomic<std::uint64_t> numbers;  // low half: a join's running branch, else the own ordinal; high half: next child's

  static constexpr std::uintptr_t kinds = 3;
  static std::uintptr_t link(const place* above, place_kind kind) noexcept {
    return reinterpret_cast<std::uintptr_t>(above) | static_cast<std::uintptr_t>(kind);
  }
  place_kind kind() const noexcept { return static_cast<place_kind>(up & kinds); }
  const place* above() const noexcept { return reinterpret_cast<const place*>(up & ~kinds); }  // NOLINT
  std::uint32_t low() const noexcept { return static_cast<std::uint32_t>(numbers.load(memory_order_relaxed)); }
  std::uint32_t next_child() const noexcept {
    return static_cast<std::uint32_t>(numbers.load(memory_order_relaxed) >> 32);
  }
  // Among the children of the place above; a root has none above and is 0.
  std::uint32_t ordinal() const noexcept {
    return kind() == place_kind::join ? above()->next_child() + low() : low();
  }

  // Takes the ordinals of the next `count` children, in program order. Returns the first.
  std::uint32_t number_children(std::uint32_t count) noexcept {
    const std::uint64_t n = numbers.load(memory_order_relaxed);
    numbers.store(n + (std::uint64_t{count} << 32), memory_order_relaxed);
    return static_cast<std::uint32_t>(n >> 32);
  }
  // Becomes the place of a branch that has no children yet.
  void enter(std::uint32_t low_half) noexcept { numbers.store(low_half, memory_order_relaxed); }
};

// The place of a stolen branch: it knows the task that it belongs to, so that nobody walks further than here.
struct stolen_place : place {
  task_frame* owner;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
