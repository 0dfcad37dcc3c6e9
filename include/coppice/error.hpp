// Errors of a job: what failed, where in the tree, and what the waiter gets. Plain data and exception types;
// any thread may copy and print them.
//
//   auto job = scheduler.submit(work, {.errors = coppice::error_policy::collect_all()});
//   const coppice::job_report& report = job.wait();
//   for (const coppice::task_error& e : report.errors) std::cerr << e.path << ": " << e.message << '\n';
//   std::cerr << report;   // all of it, for people
#pragma once

#include <chrono>
#include <coppice/detail/config.hpp>
#include <coppice/error_policy.hpp>
#include <coppice/job_stats.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace coppice {
inline namespace v0 {

/// How a job ended. Any error of a task: failed; else anything lost: cancelled or deadline_exceeded, by the
/// first reason; else completed.
enum class outcome { completed, failed, cancelled, deadline_exceeded };

/// One failure, with its place in the tree.
struct task_error {
  std::string path;              ///< ordinals from the root: `root/3/1`
  std::string name;              ///< as given to spawn; often empty
  std::string type;              ///< of the exception, demangled
  std::string message;           ///< what(), or the type where there is none
  std::exception_ptr exception;  ///< the original
  unsigned worker = 0;           ///< who ran it
  bool after_cancel = false;     ///< happened after the job was cancelled
  bool secondary = false;        ///< another error of the same task came first, in serial order
};

/// How many errors were of one type.
struct error_kind {
  std::string type;  ///< demangled
  std::uint64_t count = 0;
  friend bool operator==(const error_kind&, const error_kind&) = default;
};

/// The first cancel of a job; later ones do not replace it.
struct cancel_record {
  std::string by;  ///< the path of the task that cancelled, or `outside`
  std::string reason;
  std::chrono::steady_clock::time_point when;
  std::uint64_t running = 0;                ///< tasks that were running at that moment
  std::chrono::nanoseconds until_quiet{0};  ///< from then until nothing of the job was queued or running
};

/// What became of a job. spawned == succeeded + failed + cancelled + skipped; the root counts as one,
/// branches of a join do not count.
struct job_report {
  std::string name;
  outcome result = outcome::completed;
  std::uint64_t spawned = 0;       ///< the root and every child by spawn
  std::uint64_t succeeded = 0;     ///< body returned
  std::uint64_t failed = 0;        ///< an error left the body, or this_task::fail was called
  std::uint64_t cancelled = 0;     ///< started, and left by the cancellation
  std::uint64_t skipped = 0;       ///< never started
  std::uint64_t errors_total = 0;  ///< exact, however many are kept
  /// The keep_errors earliest; the last of them gives way to the primary one.
  std::vector<task_error> errors;
  /// All errors by type, the most frequent first; of more than 64 types the rest is not told apart.
  std::vector<error_kind> kinds;
  std::optional<cancel_record> cancel;
  std::optional<job_stats> stats;       ///< if asked for by job_options::stats
  std::chrono::nanoseconds elapsed{0};  ///< from submit until quiet
};

COPPICE_API const char* to_string(outcome) noexcept;
/// Prints the report over several lines, for people.
COPPICE_API std::ostream& operator<<(std::ostream&, outcome);
COPPICE_API std::ostream& operator<<(std::ostream&, const task_error&);
COPPICE_API std::ostream& operator<<(std::ostream&, const job_report&);

/// What job::get throws when there is no value: always one of the three below, even for a single error.
/// what() is a summary; the report is shared, so copies do not throw.
class COPPICE_API job_exception : public std::exception {
 public:
  const job_report& report() const noexcept;
  const char* what() const noexcept override;
  /// Throws the original exception of the first error that is not secondary, or *this if the job has none.
  [[noreturn]] void rethrow_primary() const;
  ~job_exception() override;
  job_exception(const job_exception&) noexcept;
  job_exception& operator=(const job_exception&) noexcept;

 protected:
  explicit job_exception(std::shared_ptr<const job_report> report);
  [[noreturn]] virtual void rethrow_self() const = 0;

 private:
  std::shared_ptr<const job_report> report_;
  std::shared_ptr<const std::string> what_;
};

class COPPICE_API job_error : public job_exception {
 public:
  explicit job_error(std::shared_ptr<const job_report> report);
  ~job_error() override;
  job_error(const job_error&) noexcept = default;
  job_error& operator=(const job_error&) noexcept = default;

 private:
  [[noreturn]] void rethrow_self() const override;
};

class COPPICE_API job_cancelled : public job_exception {
 public:
  explicit job_cancelled(std::shared_ptr<const job_report> report);
  ~job_cancelled() override;
  job_cancelled(const job_cancelled&) noexcept = default;
  job_cancelled& operator=(const job_cancelled&) noexcept = default;

 private:
  [[noreturn]] void rethrow_self() const override;
};

class COPPICE_API job_deadline_exceeded : public job_exception {
 public:
  explicit job_deadline_exceeded(std::shared_ptr<const job_report> report);
  ~job_deadline_exceeded() override;
  job_deadline_exceeded(const job_deadline_exceeded&) noexcept = default;
  job_deadline_exceeded& operator=(const job_deadline_exceeded&) noexcept = default;

 private:
  [[noreturn]] void rethrow_self() const override;
};

/// Thrown at the forks and waits of a cancelled job. Not a std::exception, so that `catch (const
/// std::exception&)` does not eat it; let it pass.
struct COPPICE_API cancelled {};

/// A wait that could never end.
class COPPICE_API would_deadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~would_deadlock() override;
  would_deadlock(const would_deadlock&) = default;
  would_deadlock& operator=(const would_deadlock&) = default;
};

/// The tree is nested deeper than the worker's stack; see scheduler_options::stack_bytes.
class COPPICE_API recursion_too_deep : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~recursion_too_deep() override;
  recursion_too_deep(const recursion_too_deep&) = default;
  recursion_too_deep& operator=(const recursion_too_deep&) = default;
};

/// Sets who hears of the errors of a job that nobody looked at, when its handle is destroyed or, for a
/// detached job, when it ends. Null: the default, one line on stderr.
///
/// Threads: any; the handler may be called from several threads at a time, under no lock. It must not throw.
COPPICE_API void set_unobserved_error_handler(void (*handler)(const job_report&)) noexcept;

}  // namespace v0
}  // namespace coppice
