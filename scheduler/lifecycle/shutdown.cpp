// The way down: close the door, let the jobs end or cancel them, then let the workers leave. shutdown.md
// holds the states.
#include <chrono>
#include <utility>
#include <vector>

#include "job/job_state.hpp"
#include "lifecycle/scheduler_core.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

void scheduler_core::cancel_all() {
  std::vector<job_core*> jobs;
  {
    const std::lock_guard hold(lock_);
    // What can throw comes first: then nothing is held yet, and nobody was told anything.
    jobs.reserve(live_count_);
    std::vector<running_task> running = report_.still_running;
    for (job_state* s = live_; s != nullptr; s = s->live_after) {
      s->ask_what_runs();
      s->describe_running(running);
    }
    report_.still_running = std::move(running);
    for (job_state* s = live_; s != nullptr; s = s->live_after) {
      s->job.acquire();
      jobs.push_back(&s->job);
    }
  }
  for (job_core* const job : jobs) {
    job_state::of(*job).stop_now(stop_reason::cancelled, "the scheduler was stopped");
    job->release();
  }
}

stop_report scheduler_core::stop(stop_mode mode, const std::chrono::steady_clock::time_point* when) {
  if (inherited_over_fork()) refuse_inherited();
  if (runs_on_this_thread())
    throw would_deadlock(
        "coppice: scheduler \"" + options.name +
        "\" was asked to stop by a task that it runs, and would wait for that task for ever (stop it "
        "from another thread)");
  unique_lock hold(lock_);
  if (phase_ == phase::open) {
    phase_ = phase::stopping;
    ran_before_stop_ = ran_;
    skipped_before_stop_ = skipped_;
    for (job_state* s = live_; s != nullptr; s = s->live_after) {
      const task_counts n = s->job.counts.counts();
      ran_before_stop_ += n.succeeded + n.failed + n.cancelled;
      skipped_before_stop_ += n.skipped;
    }
    hold.unlock();
    team.injection.close();  // who is blocked at the door leaves
    hold.lock();
  }
  const auto all_quiet = [this] { return live_count_ == 0 && pending_ == 0; };
  if (mode == stop_mode::drain && when != nullptr && !changed_.wait_until(hold, *when, all_quiet))
    mode = stop_mode::cancel;
  if (mode == stop_mode::cancel) {
    // Those at the door come in yet: they are cancelled like the rest.
    changed_.wait(hold, [this] { return pending_ == 0; });
    hold.unlock();
    cancel_all();
    hold.lock();
  }
  changed_.wait(hold, all_quiet);
  if (phase_ == phase::stopping) {
    phase_ = phase::leaving;
    hold.unlock();
    join_workers();
    timer.stop();
    watchdog.stop();
    hold.lock();
    report_.ran = ran_ - ran_before_stop_;
    report_.skipped = skipped_ - skipped_before_stop_;
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
