// A scheduler: a set of workers, one pinned to each core, that run jobs.
//
// All members may be called from any thread; the destructor from one that is not a worker of this scheduler,
// and not in a stop callback that one of its deadlines has called.
//
// In a child made by fork() the workers do not exist: members throw scheduler_stopped at once, try_submit
// says stopped, the destructor joins nobody; a job that had not ended throws the same from its handle. A
// scheduler that is made in the child works. A task that forks is no task in the child: that must exec or
// exit inside it.
//
//   coppice::scheduler scheduler;
//   long value = scheduler.run([] { return fib(40); });
//   auto job = scheduler.submit([] { return disk_usage("/usr"); },
//                               {.name = "du", .errors = coppice::error_policy::collect_all()});
//   std::cout << job.wait();
#pragma once

#include <chrono>
#include <concepts>
#include <coppice/detail/callable.hpp>
#include <coppice/detail/job_body.hpp>
#include <coppice/detail/stream_body.hpp>
#include <coppice/job.hpp>
#include <coppice/options.hpp>
#include <coppice/stats.hpp>
#include <coppice/stop.hpp>
#include <memory>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

// Throws scheduler_stopped.
COPPICE_API std::unique_ptr<stream_pool> stream_pool_of(scheduler_core& home, const stream_options& options);

}  // namespace detail

class COPPICE_API scheduler {
 public:
  /// Starts the workers.
  ///
  /// Throws: std::invalid_argument (more than 4096 workers, a bad synthetic topology); std::system_error when
  /// threads cannot be started or, with require_pinning, not be pinned. All started threads are joined then.
  explicit scheduler(scheduler_options options = {});
  /// stop(drain).
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// submit(f, options).get().
  template <std::invocable F>
  auto run(F&& f, job_options options = {}) -> std::invoke_result_t<F> {
    return submit(std::forward<F>(f), std::move(options)).get();
  }

  /// Hands in a root task.
  ///
  /// Threads: any. From a worker of this scheduler the job becomes a child of the running one: it is
  /// cancelled with it unless shielded, and has no later deadline. Blocks: outside threads while
  /// injection_capacity roots wait, until there is room or the scheduler stops. A worker never blocks.
  /// Throws: scheduler_stopped; std::invalid_argument for an empty callable; recursion_too_deep where a
  /// worker's stack is nearly used up; std::bad_alloc; std::system_error when the thread that meets deadlines
  /// cannot be started, which the first one does; what moving the callable throws. In all cases nothing was
  /// counted; f is untouched unless its own move threw. Cost: one allocation, one lock; a system call if a
  /// worker must be woken.
  template <std::invocable F>
  auto submit(F&& f, job_options options = {}) -> job<std::invoke_result_t<F>> {
    if (detail::is_empty_callable(f)) detail::refuse_empty_callable();
    if (detail::admit(*core_, true, options) == admission::stopped) detail::refuse_stopped(*core_);
    return launch(std::forward<F>(f), std::move(options));
  }

  /// As submit, but never blocks: says full or stopped instead. Throws: as submit, without scheduler_stopped.
  template <std::invocable F>
  auto try_submit(F&& f, job_options options = {}) -> submission<std::invoke_result_t<F>> {
    if (detail::is_empty_callable(f)) detail::refuse_empty_callable();
    const admission answer = detail::admit(*core_, false, options);
    if (answer != admission::accepted) return {answer, {}};
    return {answer, launch(std::forward<F>(f), std::move(options))};
  }

  /// Streams f(input) for each input of a range; errors are results as values are. The source is asked by one
  /// worker at a time, while there is room: it may block there, as a generator does. A `results` that is
  /// moved in is a stage before this one, and holds no worker while it has nothing; values are f's inputs,
  /// errors pass f by unless it takes a `result`.
  ///
  /// f is called with the elements of a forward range as they are, lvalues of a vector that was moved in too;
  /// with those of an input range as rvalues, which are copied where the range gives lvalues.
  /// Neither the input nor the stream waits for what f spawns by coppice::spawn: such a child may outlive
  /// both and what f refers to, its errors go to the unobserved error handler, and no cancel of the stream
  /// reaches it once f has returned. Spawn into a task_group in f, and wait for that there.
  ///
  /// Threads: any; f is called by several workers at a time. Blocks: not at all.
  /// Throws: std::invalid_argument for a capacity of 0, serial_first and an empty callable;
  /// scheduler_stopped; recursion_too_deep, std::bad_alloc and std::system_error as submit; what moving
  /// throws.
  ///
  /// Stop: a stop takes no further input; what was taken is finished, or skipped, and can be read. In stats()
  /// and stop reports each step of a stream counts as a job of one task.
  ///
  /// Cost: four atomic read-modify-writes for each input, no lock and, once the window was full, no
  /// allocation; about 2 us for a step, which lasts 200 us or until the window is full.
  template <std::ranges::input_range Range, class F>
  auto map(Range&& inputs, F f, stream_options options = {}) -> results<detail::mapped<Range, F>> {
    if (detail::is_empty_callable(f)) detail::refuse_empty_callable();
    auto pool = detail::stream_pool_of(*core_, options);
    return results<detail::mapped<Range, F>>(
        detail::start_stream(std::move(pool), std::forward<Range>(inputs), std::move(f), std::move(options)));
  }

  /// Ends the scheduler: no more submissions; drain runs all that was accepted, cancel skips what has not
  /// started. Joins the threads. Idempotent; several threads may call it.
  ///
  /// Blocks: until all jobs are quiet.
  /// Throws: would_deadlock when called by one of its own workers, or in a stop callback that the deadline of
  /// one of its jobs has called.
  stop_report stop(stop_mode mode = stop_mode::drain);
  /// Drains until `when`, then cancels.
  stop_report stop_until(std::chrono::steady_clock::time_point when);

  /// Changes the number of workers; 0: as many as this process may use. New ones are pinned as at the start,
  /// and the others move to their places in the new plan. A surplus worker runs on with what it holds, which
  /// others may steal, and then leaves; what it did stays in the statistics.
  ///
  /// Threads: any, tasks included. Blocks: while threads start; not until surplus ones have left.
  /// Throws: std::invalid_argument for more than 4096; std::system_error when a thread cannot be started or,
  /// with require_pinning, not be pinned; scheduler_stopped. The number is unchanged then.
  void resize(unsigned workers);
  /// The number that was asked for last; surplus workers may still be leaving.
  unsigned workers() const noexcept;
  scheduler_stats stats() const;
  /// Machine, mask, quota, number of workers and why, pinned or why not; for people.
  std::string describe() const;

 private:
  template <class F>
  auto launch(F&& f, job_options&& options) -> job<std::invoke_result_t<F>> {
    using value = std::invoke_result_t<F>;
    detail::job_body<value, F>* made = nullptr;
    try {
      made = new detail::job_body<value, F>(*core_, std::move(options), std::forward<F>(f));
    } catch (...) {
      detail::withdraw(*core_);
      throw;
    }
    detail::launch(*core_, *made);
    return job<value>(made);
  }

  std::unique_ptr<detail::scheduler_core> core_;
};

}  // namespace v0
}  // namespace coppice
