// What a scheduler has done so far, in numbers. Plain data; any thread.
//
//   const coppice::scheduler_stats before = scheduler.stats();
//   scheduler.run(work);
//   std::cout << scheduler.stats().steals() - before.steals() << " steals\n";
#pragma once

#include <cstdint>

namespace coppice {
inline namespace v0 {

/// Counts since the scheduler was made. Each is exact; together they are not a snapshot while work goes on.
/// A join that nobody steals is not counted anywhere: counting would cost a tenth of it.
struct scheduler_stats {
  unsigned workers = 0;
  std::uint64_t jobs = 0;           ///< submitted
  std::uint64_t steals_cache = 0;   ///< from a worker on the same L2 or L3
  std::uint64_t steals_node = 0;    ///< from the same NUMA node or package
  std::uint64_t steals_remote = 0;  ///< from farther away
  std::uint64_t leaps = 0;          ///< steals by a waiting worker from the one it waits for
  std::uint64_t shares = 0;         ///< times an owner shared half of its private part
  std::uint64_t exposures = 0;      ///< times a thief did so for an owner that was busy in a leaf
  std::uint64_t exposed = 0;        ///< frames made visible by exposures
  std::uint64_t parks = 0;          ///< times an idle worker went to sleep
  std::uint64_t wakes = 0;          ///< times one was woken
  std::uint64_t stalls = 0;         ///< times the watchdog said that all workers stand still
  std::uint64_t inline_runs = 0;    ///< children run at once because the deque was full
  std::uint64_t bundled = 0;        ///< children put aside with others because it was full and the stack deep
  std::uint64_t loans = 0;          ///< times a worker that stood still lent its core
  std::uint64_t borrowings = 0;     ///< times another worker took a lent core, because there was work
  std::uint64_t kept = 0;           ///< times a worker stood still on its core, because the bound was reached
  unsigned standing = 0;            ///< workers that stand still now
  unsigned spares = 0;              ///< spare workers that were made so far

  std::uint64_t steals() const noexcept { return steals_cache + steals_node + steals_remote + leaps; }
};

}  // namespace v0
}  // namespace coppice
