// C-26: spawned = succeeded + failed + cancelled + skipped, in every report. One comparison a job, so it is
// always on, and a test of anything is a test of this.
#pragma once

#include <coppice/detail/tally.hpp>
#include <coppice/error.hpp>
#include <string>

namespace coppice {
inline namespace v0 {
namespace detail {

// Ends the program with a message when a task was lost or counted twice: nothing that the report says is true
// then, and what a lost task held may be used by nobody or by two.
void insist_on_conservation(const job_report& report) noexcept;
[[noreturn]] COPPICE_COLD void lost_count(const task_counts& n, const char* job) noexcept;
inline void insist_on_conservation(const task_counts& n, const std::string& job) noexcept {
  if (n.spawned != n.ended()) lost_count(n, job.c_str());
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
