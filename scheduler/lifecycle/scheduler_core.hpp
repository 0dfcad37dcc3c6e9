// The scheduler's core: options, crew, timer, the way in and the way down. Jobs that are not quiet are in the
// crew's injection queue.
//
// Who writes what. `phase_` and the counters of stops: under `lock_`. Who comes to the door or
// leaves it counts in the door; a stop closes that under the lock and waits for those who are in it.
// shutdown.md holds the states.
#pragma once

#include <chrono>
#include <coppice/detail/tally.hpp>
#include <coppice/job_options.hpp>
#include <coppice/options.hpp>
#include <coppice/stats.hpp>
#include <coppice/stop.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lifecycle/deadline_timer.hpp"
#include "lifecycle/door.hpp"
#include "lifecycle/stall_watchdog.hpp"
#include "platform/fork.hpp"
#include "platform/waiting.hpp"
#include "worker/crew.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

class job_core;
class stream_door;
struct job_state;

class scheduler_core {
 public:
  explicit scheduler_core(scheduler_options options);
  ~scheduler_core();
  scheduler_core(const scheduler_core&) = delete;
  scheduler_core& operator=(const scheduler_core&) = delete;

  bool runs_on_this_thread() const noexcept;
  // The workers are the parent's: nobody runs anything here, and locks may be held for ever.
  bool inherited_over_fork() const noexcept { return forks_ != platform::forks(); }
  [[noreturn]] void refuse_stopped() const;
  admission admit(bool wait, const job_options& options);
  void withdraw() noexcept;
  void launch(job_core& job) noexcept;
  // The same for a step of a stream: no bound, and it belongs to `outer`, if that has not ended, and not to
  // whoever posts it. After a true open_for_step() either launch_step() or leave_door().
  bool open_for_step();
  void launch_step(job_core& job, job_core* outer) noexcept;
  void leave_door() noexcept;
  admission reject() noexcept;
  void no_job_is_left() noexcept;

  // Drains until `when` (null: for ever), then cancels; with cancel at once.
  stop_report stop(stop_mode mode, const std::chrono::steady_clock::time_point* when);
  void resize(unsigned workers);
  std::uint64_t live_jobs() const;
  // Of all workers together.
  worker_times times_of_workers() const;
  // A task that a stop found running, and that has ended.
  void was_running(running_task&& task);
  scheduler_stats stats() const;
  std::string describe() const;

  const scheduler_options options;
  const std::shared_ptr<stream_door> streams;  // that were made here, and may be read later
  crew team;
  deadline_timer timer;
  stall_watchdog watchdog;

 private:
  enum class phase { open, stopping, leaving, stopped };
  void start_workers();
  std::unique_ptr<worker_thread> make_worker(unsigned index);
  void start(worker_thread& regular);
  std::vector<victim> victims_of(unsigned index, const platform::topology& plan) const;
  // Of the first workers.
  using victim_lists = std::vector<std::unique_ptr<std::vector<victim>>>;
  victim_lists victims_of_first(std::size_t workers, const platform::topology& plan) const;
  void put_in_force(platform::topology& plan, victim_lists& lists) noexcept;
  void want(unsigned workers) noexcept;
  [[noreturn]] void refuse_unpinned(const platform::topology& plan) const;
  void join_workers() noexcept;
  void cancel_all();
  void launch(job_core& job, bool bounded, job_core* outer) noexcept;
  [[noreturn]] void refuse_inherited() const;

  const unsigned forks_ = platform::forks();  // before it was made
  mutable mutex resizing_;                    // one at a time, and none while the workers are joined
  std::uint64_t started_ = 0;                 // threads of regular workers, ever; under resizing_
  mutable mutex lock_;
  condition_variable changed_;
  phase phase_ = phase::open;
  door door_;  // submitters on their way to the queue: a stop waits for them
  std::uint64_t rejected_ = 0;
  std::uint64_t ran_before_stop_ = 0;
  std::uint64_t skipped_before_stop_ = 0;
  stop_report report_;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
