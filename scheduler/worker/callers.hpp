// Threads outside that have waited for a job: on which CPU one is ready to run again.
//
// The system wakes such a thread mostly where it fell asleep, and that may be the core of a worker that
// searches. A worker is pinned and does not sleep while it searches, so the system lets it go on until then,
// or for the rest of its time slice. A searcher looks here, and yields once for each caller that comes back
// to its own CPU; never for anything else, because on a core that other programs want too a yield costs a
// time slice.
//
// Orders
//   word_  relaxed everywhere: a hint. Of two callers that come back at once one may be lost, and waits until
//   the searcher sleeps.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <cstdint>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

class returning_callers {
 public:
  // A job has ended that was submitted on that CPU by a thread that is no worker. Below 0: on one that the
  // system does not tell, as searchers do not know theirs then.
  void come_back_to(int cpu) noexcept {
    const std::uint64_t last = word_.load(memory_order_relaxed);
    word_.store(((last >> 32) + 1) << 32 | static_cast<std::uint32_t>(cpu), memory_order_relaxed);
  }

  // True: somebody has come back since the call that left `seen`, the last one to that CPU.
  bool came_back_to(int cpu, std::uint64_t& seen) const noexcept {
    const std::uint64_t last = word_.load(memory_order_relaxed);
    return std::exchange(seen, last) != last &&
           static_cast<std::uint32_t>(last) == static_cast<std::uint32_t>(cpu);
  }

 private:
  alignas(cache_line) atomic<std::uint64_t> word_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
