// What a job's tree looked like when it ran: asked for with job_options::stats. Plain data; any thread.
//
//   auto job = scheduler.submit(work, {.stats = true});
//   if (const auto& s = job.wait().stats) std::cout << s->parallelism() << ": " << s->advice << '\n';
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace coppice {
inline namespace v0 {

/// Timed are the root, each child by spawn, and each branch of a join that was stolen; a branch that nobody
/// stole counts as a part of what forked it. So `span` is at least the longest chain of the tree, and
/// parallelism() at most what the tree has: a tree of joins shows no more than was stolen, one of spawned
/// children all that it has.
struct job_stats {
  std::uint64_t tasks = 0;         ///< that ran: the root and children by spawn
  std::uint64_t depth = 0;         ///< of the deepest task; the root's is 0
  std::uint64_t largest_live = 0;  ///< tasks that were spawned and had not ended, at most at a time
  std::uint64_t steals = 0;  ///< branches and tasks that ran on another worker than where they were made
  std::uint64_t pieces = 0;  ///< timed parts: tasks and stolen branches
  std::uint64_t stands = 0;  ///< calls of blocking() that did not lie within another
  unsigned workers = 0;      ///< of the scheduler
  std::chrono::nanoseconds queued{0};  ///< from submit to the root's start
  std::chrono::nanoseconds stood{0};   ///< time in blocking(), all tasks together; in neither work nor span
  std::chrono::nanoseconds work{
      0};  ///< time spent in the job's code, waits left out, all workers together: T1
  std::chrono::nanoseconds span{
      0};              ///< the longest chain of timed parts that wait for each other: T infinity
  std::string advice;  ///< one sentence: too fine, too serial, starved, waiting, or what it made use of

  /// How many workers can have work at a time, on average: work / span, at least 1.
  double parallelism() const noexcept {
    return span.count() > 0 && work > span
               ? static_cast<double>(work.count()) / static_cast<double>(span.count())
               : 1.0;
  }
};

}  // namespace v0
}  // namespace coppice
