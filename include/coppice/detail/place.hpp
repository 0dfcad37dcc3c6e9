// A place: one component of a task's path. A spot: a place as the code that runs there has it.
//
// Every join holds a place on the stack for each branch but the first, every task one in its frame, every
// stolen branch one on its thief's stack. A spot is one word: the address of a place, which of a join's two
// branches runs there, and how many children it has numbered. The worker has the spot of the running code,
// and each place that of the fork or the spawn that made it. So the chain from the worker's spot up to a root
// is the logical path of the running code, whoever runs what.
//
// A fork counts nothing and writes no ordinal. Those of its branches follow from the spot that their frames
// keep; and when the join is over, the worker goes back to that spot, so many children later.
//
// The word has 16 bits for the count: an address has 48, unless a program asks the system for higher ones.
// What goes beyond is carried to the place, for each branch of its own.
//
// Who writes what. `up` and `low` are set before the place is published. `carries` is written only by the
// thread that runs directly in this place. Threads below read it in the path of a branch, and it stands still
// while they live: who has begun a join numbers the next child when all branches have ended.
#pragma once

#include <coppice/detail/config.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

struct place;
struct task_frame;
struct piece;

class spot {
 public:
  constexpr spot() noexcept = default;  // nowhere
  // Where a task or a stolen branch begins; of a join's place, the branch before the place's own.
  spot(const place& p) noexcept  // NOLINT(google-explicit-constructor)
      : word_(reinterpret_cast<std::uintptr_t>(&p)) {}
  // Where the branch of a join begins whose own place this is.
  static spot own_branch(const place& p) noexcept;

  explicit operator bool() const noexcept { return word_ != 0; }
  place* at() const noexcept { return reinterpret_cast<place*>(word_ & addresses); }  // NOLINT
  std::uint32_t branch() const noexcept { return static_cast<std::uint32_t>(word_ & in_own_branch); }
  // The ordinal of the next child, or of the first branch of the next join.
  std::uint32_t next_child() const noexcept;
  // The same where the spot is known to be in that place, which is no join's.
  std::uint32_t next_child_directly_in(const place& p) const noexcept;
  // The same of the component that this spot is in; 0 for a root.
  std::uint32_t ordinal() const noexcept;
  // The innermost place from here upwards that is no join's. Cost: one load for each join on the way.
  place* outside_joins() const noexcept;

  // Becomes `before`, so many children later.
  COPPICE_INLINE void go_on(spot before, std::uint16_t children) noexcept {
    std::uint64_t counted = 0;
    if (__builtin_add_overflow(before.word_, std::uint64_t{children} << count_shift, &counted)) [[unlikely]]
      carry(before, children);
    else
      word_ = counted;
  }
  void count_child() noexcept { go_on(*this, 1); }

 private:
  friend struct place;
  static constexpr unsigned count_shift = 48;
  static constexpr std::uint64_t in_own_branch = 1;
  static constexpr std::uint64_t all_bits = 7;  // below an address: this one, and the kinds of a place
  static constexpr std::uint64_t addresses = ((std::uint64_t{1} << count_shift) - 1) & ~all_bits;
  void carry(spot before, std::uint16_t children) noexcept;

  std::uint64_t word_ = 0;
};

enum class place_kind : std::uint64_t { join = 0, task = 2, stolen = 4 };

struct place {
  std::uint64_t up;          // the spot above, and this place's own kind
  std::uint32_t low;         // the own ordinal; a join's: of its branch among all of the join, less one
  std::uint16_t carries[2];  // of the counts of its spots, for each branch

  static constexpr std::uint64_t kinds = 6;
  static std::uint64_t link(spot above, place_kind kind) noexcept {
    return above.word_ | static_cast<std::uint64_t>(kind);
  }
  place_kind kind() const noexcept { return static_cast<place_kind>(up & kinds); }
  spot above() const noexcept { return from_word(up & ~kinds); }
  // The same for a place that is known to be a join's, whose kind is no bits at all.
  spot above_of_join() const noexcept { return from_word(up); }
  place* place_above() const noexcept { return above().at(); }

 private:
  static spot from_word(std::uint64_t word) noexcept {
    spot s;
    s.word_ = word;
    return s;
  }
};
static_assert(alignof(place) == 8, "no address reaches a spot's lowest bits");

COPPICE_INLINE inline spot spot::own_branch(const place& p) noexcept {
  spot s;
#if defined(__x86_64__) && !defined(COPPICE_POLICY)
  // Worked out anew: a register that held the address across the first branch would be saved by every call.
  asm("lea {%1, %0|%0, %1}" : "=r"(s.word_) : "m"(reinterpret_cast<const char*>(&p)[in_own_branch]));
#else
  s.word_ = reinterpret_cast<std::uintptr_t>(&p) | in_own_branch;
#endif
  return s;
}

// The count has wrapped. After nearly 2^32 children the last 65536 ordinals come again and again: two
// children share a path, and none that is later is taken for one that is earlier than those. The branches of
// a join there have higher ones, of which none is a path's mark of a gap.
COPPICE_COLD inline void spot::carry(spot before, std::uint16_t children) noexcept {
  std::uint16_t& carried = before.at()->carries[before.branch()];
  if (carried < UINT16_MAX - 1) ++carried;
  word_ = before.word_ + (std::uint64_t{children} << count_shift);
}

inline std::uint32_t spot::next_child() const noexcept {
  return std::uint32_t{at()->carries[branch()]} << 16 | static_cast<std::uint32_t>(word_ >> count_shift);
}

inline std::uint32_t spot::next_child_directly_in(const place& p) const noexcept {
  return std::uint32_t{p.carries[0]} << 16 | static_cast<std::uint32_t>(word_ >> count_shift);
}

inline std::uint32_t spot::ordinal() const noexcept {
  const place& p = *at();
  return p.kind() == place_kind::join ? p.above_of_join().next_child() + p.low + branch() : p.low;
}

inline place* spot::outside_joins() const noexcept {
  place* p = at();
  while (p->kind() == place_kind::join) p = p->place_above();
  return p;
}

// The place of a stolen branch: it knows the task that it belongs to, so that nobody walks further than here.
struct stolen_place : place {
  task_frame* owner;
  piece* timed;      // null unless the job is measured
  task_frame* held;  // children that wait for what is left of this branch, or null
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
