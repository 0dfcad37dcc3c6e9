// What several workloads use: calls that stay calls, values that the compiler knows nothing about, numbers
// that are random and the same everywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "row.hpp"
#include "settings.hpp"
#include "work.hpp"

// A function that the compiler calls as often as the source says. Neither attribute nor barrier is enough
// alone: without the first the recursion is unrolled into itself, without the second its last call becomes a
// loop.
#if defined(__clang__)
#define BENCH_REAL_CALLS [[gnu::noinline]]
#else
#define BENCH_REAL_CALLS [[gnu::noipa]]
#endif

namespace bench {

/// What the compiler knows nothing about, and does not reorder.
template <class T>
inline T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

/// The next of a sequence without a visible pattern (splitmix64).
inline std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15U;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
  z = (z ^ z >> 27) * 0x94d049bb133111ebU;
  return z ^ z >> 31;
}

/// Binds a caller that stays outside to the core of the first worker, where it stands also on a runtime on
/// which it is that worker. After the runtime was made: threads inherit what their maker is bound to.
template <class Runtime>
std::optional<bound_thread> beside_the_first_worker(unsigned workers) {
  if constexpr (requires { Runtime::caller_stays_outside; })
    return std::optional<bound_thread>(std::in_place, places_of(workers).front());
  else
    return std::nullopt;
}

/// Counts the tasks of an iteration, where they have no result: one that is lost would only make it faster.
class tasks_that_ran {
 public:
  void add_one() { ran_.fetch_add(1, std::memory_order_relaxed); }
  /// Ends the program if it were not so many since the last check.
  void check(const char* workload, std::uint64_t expected) {
    bench::check(workload, ran_.exchange(0, std::memory_order_relaxed), expected);
  }

 private:
  std::atomic<std::uint64_t> ran_ = 0;
};

inline std::string parameter(const char* name, std::uint64_t value) {
  return std::string(name) + ':' + std::to_string(value);
}

}  // namespace bench
