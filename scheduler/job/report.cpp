// The printed report, and the exceptions that carry it.
#include <coppice/error.hpp>
#include <iomanip>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>

#include "job/failure.hpp"

namespace coppice {
inline namespace v0 {

namespace {

using detail::primary;

std::string duration_text(std::chrono::nanoseconds d) {
  const auto ns = static_cast<double>(d.count());
  std::ostringstream out;
  out << std::setprecision(3);
  if (ns < 1e3)
    out << ns << " ns";
  else if (ns < 1e6)
    out << ns / 1e3 << " us";
  else if (ns < 1e9)
    out << ns / 1e6 << " ms";
  else
    out << std::fixed << std::setprecision(2) << ns / 1e9 << " s";
  return out.str();
}

std::string counted(std::uint64_t n, const char* one, const char* many) {
  return std::to_string(n) + ' ' + (n == 1 ? one : many);
}

std::string error_text(const task_error& e) {
  std::string text = e.path;
  if (!e.name.empty()) text += " (" + e.name + ")";
  text += ": " + e.message;
  if (e.type != e.message) text += " [" + e.type + "]";
  if (e.after_cancel) text += ", after the cancel";
  if (e.secondary) text += ", secondary";
  return text;
}

std::string headline(const job_report& r) {
  std::string text = "job";
  if (!r.name.empty()) text += " \"" + r.name + "\"";
  text += std::string(" ") + to_string(r.result);
  return text;
}

std::string not_run(const job_report& r) {
  std::string text;
  if (r.skipped != 0) text += "; " + counted(r.skipped, "task was", "tasks were") + " not run because of it";
  if (r.cancelled != 0) text += "; " + counted(r.cancelled, "was", "were") + " left half done";
  return text;
}

std::string summary(const job_report& r) {
  std::string text = headline(r);
  if (r.errors_total != 0) {
    text += ": " + counted(r.errors_total, "error", "errors");
    if (r.spawned > 1) text += " in " + counted(r.spawned, "task", "tasks");
    if (!r.errors.empty())
      text += std::string(r.errors_total == 1 ? ", at " : ", the first at ") + error_text(primary(r));
  } else if (r.cancel) {
    text += " by " + r.cancel->by;
    if (!r.cancel->reason.empty()) text += ": " + r.cancel->reason;
  }
  text += not_run(r);
  return text;
}

}  // namespace

const char* to_string(outcome o) noexcept {
  switch (o) {
    case outcome::completed:
      return "completed";
    case outcome::failed:
      return "failed";
    case outcome::cancelled:
      return "cancelled";
    case outcome::deadline_exceeded:
      return "exceeded its deadline";
  }
  return "?";
}

std::ostream& operator<<(std::ostream& out, outcome o) { return out << to_string(o); }
std::ostream& operator<<(std::ostream& out, const task_error& e) { return out << error_text(e); }

std::ostream& operator<<(std::ostream& out, const job_report& r) {
  std::string text = headline(r) + " after " + duration_text(r.elapsed) +
                     "\n  tasks: " + std::to_string(r.spawned) + " spawned, " + std::to_string(r.succeeded) +
                     " succeeded, " + std::to_string(r.failed) + " failed, " + std::to_string(r.cancelled) +
                     " cancelled, " + std::to_string(r.skipped) + " skipped\n";
  if (r.cancel) {
    text += "  stopped by " + r.cancel->by;
    if (!r.cancel->reason.empty()) text += ": " + r.cancel->reason;
    text += " (" + counted(r.cancel->running, "task was", "tasks were") + " running, quiet " +
            duration_text(r.cancel->until_quiet) + " later)\n";
  }
  if (r.stats) {
    const job_stats& s = *r.stats;
    text += "  tree: depth " + std::to_string(s.depth) + ", at most " + std::to_string(s.largest_live) +
            " tasks at a time, " + counted(s.steals, "steal", "steals") + "; work " + duration_text(s.work) +
            ", span " + duration_text(s.span) + ", in queue " + duration_text(s.queued);
    if (s.stands != 0)
      text += ", stood still " + counted(s.stands, "time", "times") + " for " + duration_text(s.stood);
    text += "\n  " + s.advice + '\n';
  }
  if (r.errors_total != 0) {
    text += "  errors: " + std::to_string(r.errors_total);
    if (r.kinds.size() > 1) {
      const char* before = " (";
      for (const error_kind& k : r.kinds) {
        text += before + std::to_string(k.count) + ' ' + k.type;
        before = ", ";
      }
      text += ')';
    }
    if (r.errors.size() < r.errors_total)
      text += ", the first " + std::to_string(r.errors.size()) + " in serial order";
    text += '\n';
    for (const task_error& e : r.errors) text += "    " + error_text(e) + '\n';
    if (r.errors.size() < r.errors_total)
      text += "    and " + std::to_string(r.errors_total - r.errors.size()) +
              " more (job_options::keep_errors)\n";
  }
  return out << text;
}

job_exception::job_exception(std::shared_ptr<const job_report> report)
    : report_(std::move(report)), what_(std::make_shared<const std::string>(summary(*report_))) {}
job_exception::~job_exception() = default;
job_exception::job_exception(const job_exception&) noexcept = default;
job_exception& job_exception::operator=(const job_exception&) noexcept = default;
const job_report& job_exception::report() const noexcept { return *report_; }
const char* job_exception::what() const noexcept { return what_->c_str(); }
void job_exception::rethrow_primary() const {
  if (report_->errors.empty()) rethrow_self();
  std::rethrow_exception(primary(*report_).exception);
}

job_error::job_error(std::shared_ptr<const job_report> report) : job_exception(std::move(report)) {}
job_error::~job_error() = default;
void job_error::rethrow_self() const { throw *this; }

job_cancelled::job_cancelled(std::shared_ptr<const job_report> report) : job_exception(std::move(report)) {}
job_cancelled::~job_cancelled() = default;
void job_cancelled::rethrow_self() const { throw *this; }

job_deadline_exceeded::job_deadline_exceeded(std::shared_ptr<const job_report> report)
    : job_exception(std::move(report)) {}
job_deadline_exceeded::~job_deadline_exceeded() = default;
void job_deadline_exceeded::rethrow_self() const { throw *this; }

would_deadlock::~would_deadlock() = default;
recursion_too_deep::~recursion_too_deep() = default;

}  // namespace v0
}  // namespace coppice
