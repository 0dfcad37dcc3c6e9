// The statistics of a job that was submitted with `stats`: work, span, depth, how many tasks lived at a time.
//
// A *piece* is what is timed: the running of a task, or of a branch on its thief. Branches that nobody stole
// are a part of the piece that forked them: a join does not know of this. Each piece has a *position*, the
// length of the longest chain of pieces that leads to where it is:
//
//   begins      a task: where its spawner was when it spawned it; a stolen branch: where its forker was when
//   it
//               was stolen, which is not before the fork; the root: at 0
//   runs        time that the worker spends in the piece, not in waits and not in other pieces
//   waits       at the end of a wait it is not before the end of any child that has reported to it
//
// The span is the largest position of all. It is at least the longest chain of the tree, so work / span never
// promises parallelism that is not there.
//
// Who writes what. The sums: anybody, relaxed; read when the job is quiet, which comes after all ends.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/tally.hpp>
#include <coppice/detail/task_frame.hpp>
#include <coppice/detail/worker.hpp>
#include <coppice/job_stats.hpp>
#include <cstdint>
#include <string>

#include "worker/piece.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

class measure {
 public:
  void task_spawned() noexcept;
  void task_ended(std::uint64_t depth, bool elsewhere) noexcept;
  void branch_stolen() noexcept { stolen_.fetch_add(1, memory_order_relaxed); }

  // The worker begins a piece at this position, in the middle of another one or not.
  void begin(worker& w, piece& p, piece::ticks position) noexcept;
  // Ends it. The position at its end, which `awaiting`, if there is any, will learn.
  void end(worker& w, piece& p, piece* awaiting) noexcept;

  // A task was in blocking() for so long.
  void stood_still(piece::ticks t) noexcept {
    stands_.fetch_add(1, memory_order_relaxed);
    stood_.fetch_add(t, memory_order_relaxed);
  }

  void root_began() noexcept { root_began_.store(piece::now(), memory_order_relaxed); }
  // Of a job that is quiet. Throws std::bad_alloc.
  job_stats sum(const task_counts& n, std::chrono::steady_clock::time_point submitted, unsigned workers,
                std::chrono::nanoseconds elapsed) const;

 private:
  atomic<std::uint64_t> live_{0}, largest_live_{0}, depth_{0}, stolen_{0}, moved_{0}, pieces_{0}, stands_{0};
  atomic<piece::ticks> work_{0}, span_{0}, stood_{0}, root_began_{0};
};

// What a watched worker runs, from and to the end of a task or stolen branch. Nothing on others.
void watch_begins(worker& w, spot here) noexcept;
void watch_ends(worker& w) noexcept;

// One sentence for the user. Throws std::bad_alloc.
std::string advice_on(const job_stats& s, std::chrono::nanoseconds elapsed);

// The piece that a spot belongs to, or null.
piece* piece_of(spot s) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
