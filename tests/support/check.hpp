// What must be true of every report, whatever happened in the job.
#pragma once

#include <coppice/coppice.hpp>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// C-26 and its neighbours: counts add up, the errors are in serial order and complete, outcome and counts
/// agree.
void check(const coppice::job_report& report);

/// Waits for the job, checks its report and returns a copy of it.
template <class T>
coppice::job_report checked(coppice::job<T>& job) {
  const coppice::job_report& report = job.wait();
  check(report);
  return report;
}

/// Submits f, waits, checks the report.
template <class F>
coppice::job_report report_of(coppice::scheduler& scheduler, F&& f, coppice::job_options options = {}) {
  auto job = scheduler.submit(std::forward<F>(f), std::move(options));
  return checked(job);
}

inline coppice::job_options collecting(std::size_t keep = 64) {
  return {.errors = coppice::error_policy::collect_all(), .keep_errors = keep};
}

/// What the test's own tasks throw.
struct failure : std::exception {
  explicit failure(std::string text) : text_(std::move(text)) {}
  explicit failure(std::uint64_t number) : failure(std::to_string(number)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

/// One line for each error: "path message", with "secondary" and "after_cancel" where they hold.
std::vector<std::string> lines(const coppice::job_report& report);

/// Runs f and returns the message of the failure that it throws; "" if it throws nothing.
template <class F>
std::string failure_of(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const failure& e) {
    return e.what();
  }
  return {};
}

}  // namespace support
