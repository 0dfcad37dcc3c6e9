// What a job can be told when it is submitted. Plain data; any thread.
//
//   auto job = scheduler.submit(work, {.name = "index",
//                                      .errors = coppice::error_policy::collect_all(),
//                                      .deadline = std::chrono::steady_clock::now() + 5s});
#pragma once

#include <chrono>
#include <coppice/error.hpp>
#include <cstddef>
#include <optional>
#include <string>

namespace coppice {
inline namespace v0 {

struct job_options {
  std::string name = {};  ///< in reports and messages
  error_policy errors = error_policy::fail_fast();
  /// When the job is cancelled by itself. A job submitted from within another one never has a later deadline
  /// than it.
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  std::size_t keep_errors = 64;  ///< errors kept in full; all are counted
  bool shield = false;           ///< not cancelled with the job it is submitted from; has its deadline
  /// Times tasks and stolen branches for job_report::stats. Cost: when false one load for each spawned task,
  /// nothing for a join; when true two reads of the clock and a few read-modify-writes for each task and
  /// stolen branch.
  bool stats = false;
};

}  // namespace v0
}  // namespace coppice
