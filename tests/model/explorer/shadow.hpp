// The shadow of memory: who touched which bytes last, to find accesses that nothing orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "explorer/clocks.hpp"

namespace model {

enum class access : std::uint8_t { read, write, atomic_read, atomic_write, freed };

const char* to_text(access kind) noexcept;

// What was found to be in conflict with the present access.
struct conflict {
  access kind;
  unsigned thread;
  const void* code;  // a code address of the earlier access
};

class shadow {
 public:
  shadow();
  // Forgets everything.
  void clear() noexcept;
  // Storage is handed out anew: nothing that happened to it matters.
  void forget(const void* address, std::size_t bytes) noexcept;
  // Records an access. Returns the earlier one that it races with, or that ended the storage's life, if any.
  const conflict* touch(const void* address, std::size_t bytes, access kind, unsigned thread,
                        const vector_clock& clock, const void* code) noexcept;

 private:
  struct entry {
    access kind;
    std::uint8_t thread;
    std::uint8_t bytes;  // a mask
    std::uint32_t when;
    const void* code;
  };
  struct granule {
    std::uintptr_t key = 0;
    std::uint64_t generation = 0;
    std::vector<entry> entries;
  };
  granule& at(std::uintptr_t key) noexcept;
  const conflict* touch_granule(std::uintptr_t key, std::uint8_t mask, access kind, unsigned thread,
                                const vector_clock& clock, const void* code) noexcept;
  void grow();

  std::vector<granule> table_;
  std::size_t used_ = 0;
  std::uint64_t generation_ = 1;
  conflict found_{};
};

}  // namespace model
