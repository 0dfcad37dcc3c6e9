// The tally of a job: how many tasks were spawned, started and ended, and whether all that were spawned have
// ended.
//
// Each worker counts in a shard of its own, with plain stores; nobody writes a line that another worker
// writes. The job is quiet when the ends add up to the spawns. A worker looks only when it runs out of the
// job's tasks.
//
// Invariant. A task's spawn is counted before the task can be taken, its end after everything that it does.
// So the spawn of each task whose end a reader sees is seen too, provided that the reader sums the ends
// first. Take a task that was spawned and has not been seen ended, and of its line of ancestors the first
// such one: its parent was seen ended, hence this spawn, made by the parent's body, is counted among the
// spawns and not among the ends: the sums differ. Equal sums therefore mean that all have ended.
//
// Orders
//   spawned  release; pairs with the acquire in quiet(). Sequenced before the frame is pushed.
//   ends     release; pairs with the acquire in quiet().
//   turn_    acq_rel fetch_add before summing: of two workers that end their last tasks at the same time the
//            later one in the order of turn_ sees both ends. Without it each could miss the other's.
//   head_    release on insertion, acquire on reading: a shard's first counts are visible with it.
//
// The first worker's shard lies in the job's memory, in a line that nobody writes before that worker: to make
// it with the job would take the line to the submitter's core, for zeros.
//
// Source: Mattern, Algorithms for distributed termination detection (1987), the four-counter method, one scan
// saved by the order of the sums.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <coppice/detail/room_for.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

struct worker;

struct task_counts {
  std::uint64_t spawned = 0, started = 0, succeeded = 0, failed = 0, cancelled = 0, skipped = 0;
  std::uint64_t ended() const noexcept { return succeeded + failed + cancelled + skipped; }
  std::uint64_t running() const noexcept { return started - (succeeded + failed + cancelled); }
};

// One worker's counts for one job. Written by that worker only.
struct alignas(cache_line) shard {
  atomic<std::uint64_t> spawned{0}, started{0}, succeeded{0}, failed{0}, cancelled{0}, skipped{0};
  const worker* owner = nullptr;
  shard* next = nullptr;
};

using shard_room = room_for<shard>;  // a shard needs no end

class COPPICE_API tally {
 public:
  // The room outlives the tally.
  explicit tally(shard_room& room) noexcept : head_(reinterpret_cast<std::uintptr_t>(&room) | is_room) {}
  tally(const tally&) = delete;
  tally& operator=(const tally&) = delete;
  ~tally();

  // The shard of whoever runs the root, once: nobody else counts before it.
  shard& first_shard(const worker& who) noexcept;
  // The shard of this worker; makes one at its first visit.
  shard& shard_of(const worker& who) noexcept;
  // True for the one that may end the job, of the workers that call it after their last end.
  bool claim_if_quiet() noexcept;
  // True for at least one of the workers that call it after their last end; false alarms do not happen.
  bool quiet() noexcept;
  // True for the one caller that may end the job.
  // order(claim): acq_rel; the claimer follows everybody who found the job quiet before.
  bool claim_end() noexcept { return !claimed_.exchange(true, memory_order_acq_rel); }
  task_counts counts() const noexcept;

 private:
  // The newest shard; or the room, and then there is none.
  static constexpr std::uintptr_t is_room = 1;
  static shard* newest(std::uintptr_t head) noexcept {
    return (head & is_room) != 0 ? nullptr
                                 : reinterpret_cast<shard*>(head);  // NOLINT(performance-no-int-to-ptr)
  }

  atomic<std::uintptr_t> head_;
  atomic<std::uint32_t> turn_{0};
  atomic<bool> claimed_{false};
  // More than one. order(several): relaxed; who destroys the tally follows all who count.
  atomic<bool> several_{false};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
