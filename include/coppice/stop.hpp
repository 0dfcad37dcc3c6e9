// How a pool of workers ends, and what it says about it: the words that `scheduler` and `fifo_pool`
// share. Plain data: any thread may make, copy and print it.
//
//   coppice::fifo_pool pool({.workers = 4});
//   for (const auto& file : files) pool.submit([&file] { compress(file); });
//   const coppice::stop_report report = pool.stop(coppice::stop_mode::cancel);
//   if (report.skipped != 0) std::cerr << report << '\n';
//   // stop: ran 4, skipped 16, rejected 0, still running 4
//   //   3 on worker 1, for 250 ms ...
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <vector>

#include <coppice/detail/config.hpp>

namespace coppice::inline v0 {

/// What became of a submission that must not block.
enum class admission {
  accepted,  ///< the task is the pool's: it runs, or a stop reports it as skipped
  full,      ///< no room now; the callable is untouched, trying again may succeed
  stopped,   ///< no room ever again; the callable is untouched
};

/// What a stop does with the tasks that were accepted and have not started. Running tasks are
/// never torn down: both modes wait for them.
enum class stop_mode {
  drain,   ///< run them
  cancel,  ///< skip them: their closures are destroyed, whoever waits for them is told
};

/// A task that was running when somebody looked.
struct running_task {
  /// Its place in its tree; in a fifo_pool, which has no trees, its number in order of acceptance,
  /// from 0.
  std::string path;
  std::string name;     ///< as given by the user; often empty
  unsigned worker = 0;  ///< who runs it, as this_task::worker() says
  /// For how long it had been running when it ended, or longer: of a job's root since the job was submitted.
  /// Of another task in a job, since its worker last took work from others.
  std::chrono::nanoseconds age{};
};

/// What a stop did. A stop that is asked for again gives the counts since the first one began.
struct stop_report {
  /// Tasks that ended by running after the stop began, those that failed included.
  std::uint64_t ran = 0;

  /// Accepted tasks that never ran, because of the stop.
  std::uint64_t skipped = 0;

  /// Submissions refused since the stop began, blocked ones that it woke included.
  std::uint64_t rejected = 0;

  /// Tasks that were running when cancel was asked for; they have ended when the stop returns.
  std::vector<running_task> still_running;
};

/// Prints the counts on one line, and below it each task that was still running, indented by two
/// spaces; no newline at the end. The stream's number format is neither used nor changed.
///
/// Threads: any, each with its own stream.
/// Throws: std::bad_alloc; what the stream throws.
COPPICE_API std::ostream& operator<<(std::ostream& out, const stop_report& report);

/// The pool takes no more work, or will not run the task that was waited for, because it was
/// stopped.
class COPPICE_API scheduler_stopped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace coppice::inline v0
