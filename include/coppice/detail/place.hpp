// A place: one component of a task's path, linked to the component above it.
//
// Every join holds one on the stack, every task one in its frame, every stolen branch one on its thief's
// stack. So the chain from the worker's current place up to a root is the logical path of the running code,
// whoever runs what.
//
// A fork writes no ordinal: the place above counts all branches of a join when that begins, and the place of
// the join says how far back from that count its running branch is. That is a constant, and a place stores
// it.
//
// Who writes what. `up` is set before the place is published. `low` and `next` are written only by the thread
// that runs directly in this place. Threads below it read `low`, which is constant while they live, and of a
// place that waits in a join also `next`, which stands still as long.
#pragma once

#include <cstdint>
#include <cstring>

namespace coppice {
inline namespace v0 {
namespace detail {

struct task_frame;
struct piece;

enum class place_kind : std::uintptr_t { join = 0, task = 1, stolen = 2 };

struct place {
  std::uintptr_t up;   // address of the place above, and this place's own kind in the low bits
  std::uint32_t low;   // a join's: its running branch, by from_count(); else the own ordinal
  std::uint32_t next;  // the next child's ordinal

  static constexpr std::uintptr_t kinds = 3;
  static std::uintptr_t link(const place* above, place_kind kind) noexcept {
    return reinterpret_cast<std::uintptr_t>(above) | static_cast<std::uintptr_t>(kind);
  }
  place_kind kind() const noexcept { return static_cast<place_kind>(up & kinds); }
  const place* above() const noexcept { return reinterpret_cast<const place*>(up & ~kinds); }  // NOLINT
  // The same for a place that is known to be a join's, whose kind is no bits at all.
  place* above_of_join() const noexcept {
    return reinterpret_cast<place*>(up);
  }  // NOLINT(performance-no-int-to-ptr)
  // How a join's place says that its running branch is the last but `back` - 1: zero in the first of two,
  // which costs a fork least.
  static constexpr std::uint32_t is_zero_at = 2;
  static constexpr std::uint32_t from_count(std::uint32_t back) noexcept { return is_zero_at - back; }
  // Among the children of the place above; a root has none above and is 0.
  std::uint32_t ordinal() const noexcept {
    return kind() == place_kind::join ? above()->next + low - is_zero_at : low;
  }

  // Takes the ordinals of the next `count` children, in program order. Returns the first.
  std::uint32_t number_children(std::uint32_t count) noexcept {
    const std::uint32_t first = next;
    next += count;
    return first;
  }
  // Becomes the place of a branch that has no children yet.
  void enter(std::uint32_t new_low) noexcept {
    const std::uint32_t both[] = {new_low, 0};
    std::memcpy(&low, both, sizeof(both));
  }
};

// The place of a stolen branch: it knows the task that it belongs to, so that nobody walks further than here.
struct stolen_place : place {
  task_frame* owner;
  piece* timed;      // null unless the job is measured
  task_frame* held;  // children that wait for what is left of this branch, or null
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
