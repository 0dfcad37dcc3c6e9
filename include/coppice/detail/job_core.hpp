// The core of a job: its root frame, its counts, its errors, its stop. job_value and job_body add the types.
//
// Life. A job is held by its handle, by the scheduler while it is not quiet, by workers that count for it, by
// the jobs submitted from within it. It is quiet when all its tasks have ended (tally.hpp); the worker that
// finds this out makes the report and wakes who waits. job.md holds the states.
//
// Who writes what. The stop in `marks_` under the job's lock, who looks whenever he comes; read everywhere.
// The end in `done_` once, by the worker that found the job quiet; that somebody sleeps or lets go, whoever
// does, before the end. The result: the root's worker before it counts the root's end; then the handle's
// owner after it has seen the end, or the worker, if the job was let go.
//
// Orders
//   marks_  fetch_xor(seq_cst) of the stop, under the lock, the record being complete; pairs with the
//           acquire in unmarked() and stop_seen().
//   done_   exchange(acq_rel) of the end; pairs with the acquire in done(), and with the fetch_or(acq_rel) of
//           whoever lets the job go.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <coppice/detail/tally.hpp>
#include <coppice/detail/task_frame.hpp>
#include <coppice/error.hpp>
#include <coppice/job_options.hpp>
#include <coppice/stop.hpp>
#include <cstdint>
#include <memory>
#include <new>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace coppice {
inline namespace v0 {
namespace detail {

class scheduler_core;
class error_set;
class measure;
struct job_state;  // the private part

// right_of_failure: only what comes later in serial order than the first failure is stopped.
enum class stop_reason : std::uint32_t { none, cancelled, deadline, failed, right_of_failure };

// In the order of its cache lines: what each job needs lies in two, with a small value and closure. A line
// goes to the worker's core and back.
class COPPICE_API_ALIGNED(cache_line) job_core {
 public:
  job_core(const job_core&) = delete;
  job_core& operator=(const job_core&) = delete;

  // Most jobs all their life: nothing is stopped, nobody looks at the tasks, no child is held back.
  // order(stop): acquire; pairs with the fetch_xor in set_stopped().
  bool unmarked() const noexcept { return marks_.load(memory_order_acquire) == 0; }
  // Whether nothing of the job is stopped.
  bool undisturbed() const noexcept { return stop_seen() == stop_reason::none; }
  // Whether all of it is.
  bool stopping() const noexcept {
    const stop_reason why = stop_seen();
    return why != stop_reason::none && why != stop_reason::right_of_failure;
  }
  // Whether what would start at this place is.
  bool stops(spot s) const noexcept { return !undisturbed() && stops_at(s); }
  bool stops_at_failure() const noexcept { return policy().stops_at_failure(); }
  bool keeps_what_is_earlier() const noexcept {
    return (marks_.load(memory_order_relaxed) & holds_children) != 0;
  }
  const error_policy& policy() const noexcept;
  bool done() const noexcept { return (done_.load(memory_order_acquire) & is_over) != 0; }

  // Whether anybody wants to know of each task that begins or ends.
  bool looked_at() const noexcept {
    return (marks_.load(memory_order_relaxed) & (look_measured | look_running)) != 0;
  }
  bool is_measured() const noexcept { return (marks_.load(memory_order_relaxed) & look_measured) != 0; }
  // Null: nothing is measured.
  measure* measured() const noexcept;

  // The handle's side.
  void wait();
  bool wait_until(std::chrono::steady_clock::time_point when);
  bool cancel(std::string reason);
  std::stop_token stop_token();
  void cancel_and_join() noexcept;      // unless it is done
  void detach() noexcept;               // gives the results up, once, as soon as it is done
  const job_report& report() noexcept;  // requires done()
  // Requires done().
  bool completed() const noexcept { return (done_.load(memory_order_relaxed) & went_well) != 0; }
  [[noreturn]] void throw_report();  // requires done() and not completed
  void abandon() noexcept;           // all of what the end of a handle does

  void acquire() noexcept { references_.fetch_add(1, memory_order_relaxed); }
  void release() noexcept;

  // A job is one block of memory, with the private part before the rest.
  static void* operator new(std::size_t bytes, std::align_val_t alignment);
  static void operator delete(void* job, std::align_val_t alignment) noexcept;

  task_frame root;

 protected:
  job_core(scheduler_core& home, job_options&& options);
  virtual ~job_core();

  virtual void run_body() = 0;   // may throw
  virtual void drop_body() = 0;  // destroys the closure; may throw
  virtual void drop_value() noexcept = 0;

 private:
  friend struct job_state;
  friend class scheduler_core;
  class ends;
  void wait_until_done();
  void wait_elsewhere(class worker_thread& me);
  COPPICE_COLD bool stops_at(spot s) const noexcept;
  static void run_root(frame* f, worker& w) noexcept;

  job_state& state() const noexcept;

  std::uint32_t make_state(scheduler_core& home, job_options&& options);

  // What every spawn and every beginning of a task looks at. The stop's reason in the lowest bits.
  static constexpr std::uint32_t stop_bits = 7, look_measured = 8, look_running = 16, holds_children = 32;
  atomic<std::uint32_t> marks_;
  // order(stop): acquire; pairs with the fetch_xor in set_stopped().
  stop_reason stop_seen() const noexcept {
    return static_cast<stop_reason>(marks_.load(memory_order_acquire) & stop_bits);
  }
  // Who sleeps says so first, and the end wakes only then. A job that was let go gives up its results itself.
  static constexpr std::uint32_t is_awaited = 1, is_over = 2, went_well = 4, is_let_go = 8;
  // True: the job is over, and the results are the caller's to give up. If it is not, it does so itself.
  bool let_go() noexcept;
  bool sleep_until_done(const std::chrono::steady_clock::time_point* until) noexcept;
  atomic<std::uint32_t> done_{0};
  atomic<std::uint32_t> references_{2};  // the handle's and the scheduler's

 public:
  tally counts;
};

// Admission, in two steps: a callable is moved only when there is room for it.
COPPICE_API admission admit(scheduler_core& s, bool wait, const job_options& options);
COPPICE_API void withdraw(scheduler_core& s) noexcept;
// Takes over the scheduler's reference.
COPPICE_API void launch(scheduler_core& s, job_core& job) noexcept;
// The failure of a child that was spawned outside of any job. In the handler.
COPPICE_API void report_serial_failure(std::string_view name) noexcept;
[[noreturn]] COPPICE_API void refuse_empty_callable();
[[noreturn]] COPPICE_API void refuse_empty_job();
[[noreturn]] COPPICE_API void refuse_second_get();
[[noreturn]] COPPICE_API void refuse_stopped(const scheduler_core& s);

}  // namespace detail
}  // namespace v0
}  // namespace coppice
