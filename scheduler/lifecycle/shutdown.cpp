// The way down: close the door, let the jobs end or cancel them, then let the workers leave. shutdown.md
// holds the states.
#include <chrono>
#include <coppice/detail/stream_core.hpp>
#include <vector>

#include "job/job_state.hpp"
#include "lifecycle/scheduler_core.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

constexpr const char* was_stopped = "the scheduler was stopped";

std::uint64_t ran(const task_counts& n) noexcept { return n.succeeded + n.failed + n.cancelled; }

// Jobs with a reference on each.
struct held_jobs {
  std::vector<job_core*> all;
  held_jobs() = default;
  held_jobs(const held_jobs&) = delete;
  held_jobs& operator=(const held_jobs&) = delete;
  ~held_jobs() {
    for (job_core* const job : all) job->release();
  }
  void add(job_core& job) {
    all.push_back(&job);
    job.acquire();
  }
};

}  // namespace

void scheduler_core::cancel_all() {
  held_jobs jobs;
  team.injection.for_each_live([&jobs](injected& i) {
    auto& s = static_cast<job_state&>(i);
    s.ask_what_runs();
    jobs.add(s.job);
  });
  for (job_core* const job : jobs.all) job_state::of(*job).stop_now(stop_reason::cancelled, was_stopped);
}

stop_report scheduler_core::stop(stop_mode mode, const std::chrono::steady_clock::time_point* when) {
  if (inherited_over_fork()) refuse_inherited();
  if (runs_on_this_thread())
    throw would_deadlock(
        "coppice: scheduler \"" + options.name +
        "\" was asked to stop by a task that it runs, and would wait for that task for ever (stop it "
        "from another thread)");
  if (timer.runs_on_this_thread())
    throw would_deadlock(
        "coppice: scheduler \"" + options.name +
        "\" was asked to stop by a stop callback that a deadline of its jobs has called, and would wait for "
        "that callback for ever (stop it from another thread)");
  // A task of another scheduler: what runs here may wait for what that one has ended, or has yet to run.
  if (this_worker != nullptr) flush_counts(*this_worker);
  const lent_core meanwhile(this_worker);
  unique_lock hold(lock_);
  if (phase_ == phase::open) {
    phase_ = phase::stopping;
    door_.close();
    const injection_queue::state before = team.injection.for_each_live([this](injected& i) {
      const task_counts n = static_cast<job_state&>(i).job.counts.counts();
      ran_before_stop_ += ran(n);
      skipped_before_stop_ += n.skipped;
    });
    ran_before_stop_ += before.ran;
    skipped_before_stop_ += before.skipped;
    hold.unlock();
    team.injection.close();  // who is blocked at the door leaves
    hold.lock();
  }
  const auto all_quiet = [this] { return door_.nobody() && live_jobs() == 0; };
  if (mode == stop_mode::drain && when != nullptr && !changed_.wait_until(hold, *when, all_quiet))
    mode = stop_mode::cancel;
  if (mode == stop_mode::cancel) {
    // Those at the door come in yet: they are cancelled like the rest.
    changed_.wait(hold, [this] { return door_.nobody(); });
    hold.unlock();
    cancel_all();
    streams->stop_streams(was_stopped);
    hold.lock();
  }
  changed_.wait(hold, all_quiet);
  if (phase_ == phase::stopping) {
    phase_ = phase::leaving;
    hold.unlock();
    join_workers();
    timer.stop();
    watchdog.stop();
    streams->stop_streams(was_stopped);
    hold.lock();
    const injection_queue::state after = team.injection.now();
    report_.ran = after.ran - ran_before_stop_;
    report_.skipped = after.skipped - skipped_before_stop_;
    phase_ = phase::stopped;
    changed_.notify_all();
  }
  changed_.wait(hold, [this] { return phase_ == phase::stopped; });
  report_.rejected = rejected_;
  return report_;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
