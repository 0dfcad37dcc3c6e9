// What a stream of results can be told. Plain data; any thread.
//
//   auto rows = scheduler.map(lines, parse, {.capacity = 256, .concurrency = 4, .name = "parse"});
#pragma once

#include <chrono>
#include <coppice/error.hpp>
#include <cstddef>
#include <optional>
#include <string>

namespace coppice {
inline namespace v0 {

/// The first three are the stream's own; the others mean what they mean in job_options.
struct stream_options {
  /// At most so many inputs are taken from the source and not read as results yet. At least 1.
  std::size_t capacity = 1024;
  /// Results in the order of the inputs, not of completion. Of what is ahead at most `capacity` waits.
  bool ordered = false;
  /// How many inputs may be worked on at once; 0: no limit but the workers.
  unsigned concurrency = 0;

  std::string name = {};  ///< of the stage: in errors and reports
  /// collect_all: an error is one input's result, the others go on. fail_fast: it cancels the stream; after,
  /// fraction and when, if they say so, where each input counts as a task, and so does what the source
  /// throws. serial_first is refused.
  error_policy errors = error_policy::collect_all();
  /// When the stream is cancelled by itself; never later than that of the job in which it was made.
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  std::size_t keep_errors = 64;  ///< errors kept in the report; all are counted
  bool shield = false;           ///< not cancelled with the job in which it was made
};

}  // namespace v0
}  // namespace coppice
