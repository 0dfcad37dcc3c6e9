// A replaced operator new that can be told to fail, and that counts what lives. Linking failing_new.cpp
// replaces all forms of the operators for the whole program.
//
// Threads: any may allocate meanwhile; one at a time injects.
#pragma once

#include <cstdint>

namespace faults {

enum class scope {
  any_thread,   ///< allocations of all threads are counted
  this_thread,  ///< only those of the thread that injects
};

/// From its making to its end the k-th allocation fails, once.
class failing_allocation {
 public:
  failing_allocation(std::uint64_t k, scope who) noexcept;
  failing_allocation(const failing_allocation&) = delete;
  failing_allocation& operator=(const failing_allocation&) = delete;
  ~failing_allocation();

  /// Whether there were k allocations.
  bool met() const noexcept;
};

/// From its making to its end no allocation succeeds, on any thread.
class no_memory {
 public:
  no_memory() noexcept;
  no_memory(const no_memory&) = delete;
  no_memory& operator=(const no_memory&) = delete;
  ~no_memory();
};

/// Allocations that have not been given back.
std::int64_t live_allocations() noexcept;
/// How many allocations were made to fail, in the whole life of the program.
std::uint64_t faults_injected() noexcept;

}  // namespace faults
