#include "job/unobserved.hpp"

#include <coppice/detail/job_core.hpp>
#include <cstdio>
#include <string>

#include "job/failure.hpp"

namespace coppice {
inline namespace v0 {
namespace {

std::atomic<void (*)(const job_report&)> handler{nullptr};

void print_one_line(const job_report& report) noexcept {
  try {
    std::string line = "coppice: job \"" + report.name +
                       "\" failed and nobody looked: " + std::to_string(report.errors_total) +
                       (report.errors_total == 1 ? " error" : " errors");
    if (!report.errors.empty()) {
      const task_error& first = detail::primary(report);
      line += ", the first at " + first.path + ": " + first.message;
    }
    std::fprintf(stderr, "%s\n", line.c_str());
  } catch (...) {
    std::fputs("coppice: a job failed and nobody looked\n", stderr);
  }
}

}  // namespace

void set_unobserved_error_handler(void (*h)(const job_report&)) noexcept {
  // order(handler): release; pairs with the acquire in tell_unobserved().
  handler.store(h, std::memory_order_release);
}

namespace detail {

void tell_unobserved(const job_report& report) noexcept {
  // order(handler): acquire; pairs with the release in set_unobserved_error_handler().
  auto* const h = handler.load(std::memory_order_acquire);
  if (h != nullptr)
    h(report);
  else
    print_one_line(report);
}

void report_serial_failure(std::string_view name) noexcept {
  try {
    failure f;
    f.exception = std::current_exception();
    f.name = name;
    job_report report;
    report.name = "outside of any job";
    report.result = outcome::failed;
    report.spawned = report.failed = report.errors_total = 1;
    report.errors.push_back(describe(f));
    tell_unobserved(report);
  } catch (...) {
    std::fputs("coppice: a child spawned outside of any job failed\n", stderr);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
