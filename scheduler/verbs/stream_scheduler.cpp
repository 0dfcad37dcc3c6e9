// A scheduler as a stream sees it. Each step is a job of its own, which nobody waits for: so it waits its
// turn like other jobs, has a deadline, and can be cancelled. It belongs to the job in which the stream was
// made.
#include <algorithm>
#include <coppice/detail/job_body.hpp>
#include <coppice/detail/stream_core.hpp>
#include <coppice/scheduler.hpp>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "job/job_state.hpp"
#include "job/task_extra.hpp"
#include "lifecycle/scheduler_core.hpp"
#include "verbs/origin.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

class scheduler_stream final : public stream_pool {
 public:
  scheduler_stream(scheduler_core& home, const stream_options& options)
      : home_(home),
        door_(home.streams),
        outer_(current_job()),
        options_{options.name, error_policy::collect_all(), deadline_within_current_job(options.deadline),
                 options.keep_errors, options.shield} {
    if (this_worker != nullptr && this_worker->attention.is_below_limit(stack_address_here()))
      refuse_recursion();
    if (options_.deadline) home_.timer.start();  // may throw
    if (outer_ != nullptr) outer_->acquire();
  }
  ~scheduler_stream() override {
    if (outer_ != nullptr) outer_->release();
  }

  bool post(stream_core& core) override {
    const inside_door inside(*door_);
    if (!inside || !home_.open_for_step()) return false;
    step next(step_ticket(core), *this);
    job_body<void, step>* made = nullptr;
    try {
      {
        // One post at a time, so that the place is still there below.
        const std::lock_guard hold(lock_);
        steps_.reserve(steps_.size() + 1);
      }
      job_options options = options_;
      made = new job_body<void, step>(home_, std::move(options), std::move(next));
    } catch (...) {
      next.ticket.dismiss();
      home_.leave_door();
      throw;
    }
    job_state::of(*made).stream = &core;
    {
      const std::lock_guard hold(lock_);
      steps_.push_back(made);
      posted_ = made;
    }
    home_.launch_step(*made, outer_);
    return true;
  }

  stream_door* door() const noexcept override { return door_.get(); }

  void cancel_steps(const stream_core& core, stream_stop why) noexcept override {
    const item_scope callbacks_of_users(core);
    for (;;) {
      job_core* job = nullptr;
      {
        const std::lock_guard hold(lock_);
        const auto live =
            std::find_if(steps_.begin(), steps_.end(), [](job_core* s) { return !s->stopping(); });
        if (live == steps_.end()) return;
        job = *live;
        job->acquire();
      }
      const auto how = why == stream_stop::deadline ? stop_reason::deadline : stop_reason::cancelled;
      job_state::of(*job).stop_now(how, "its stream was stopped");
      job->release();
    }
  }

  bool help(stream_core& stage, stream_core& reader, bool whatever_comes) override {
    const inside_door inside(*door_);
    if (!inside || this_worker == nullptr || !home_.runs_on_this_thread()) return false;
    worker& w = *this_worker;
    worker_thread& me = worker_thread::of(w);
    // Before a step is taken from the queue: what the end of a job runs may wait for that step.
    flush_counts(w);
    job_core* job = nullptr;
    {
      // Beside another step, or if a result has come, this step's input may be the one that waits for the
      // reader. Whoever was at work when it was posted is counted by now, and nobody can begin but with it.
      const std::lock_guard hold(lock_);
      if (posted_ != nullptr && (whatever_comes || reader.rests_from(stage)) &&
          home_.team.injection.remove(job_state::of(*posted_)))
        job = helped_ = std::exchange(posted_, nullptr);
      if (job != nullptr) job->acquire();
    }
    if (job == nullptr) {
      // What this worker still has is for others while it stands still.
      me.share_all_and_wake();
      return false;
    }
    const spot outer = w.where();
    standing_floor floor(me);
    job->root.run(&job->root, w);
    while (frame* const f = floor.pop()) f->run(f, w);
    flush_counts(w);
    w.where() = outer;
    w.attention.fetch_or(attention_bit::look, memory_order_relaxed);
    job->release();
    return true;
  }

  bool steps_wait_for_this() const noexcept override {
    const std::lock_guard hold(lock_);
    for (job_core* job = current_job(); job != nullptr; job = job_state::of(*job).parent)
      if (std::find(steps_.begin(), steps_.end(), job) != steps_.end()) return true;
    return false;
  }

  void stand(stream_core& core, unique_lock& lock) override { core.sleep(lock); }

  // An input has a place below its step, as a stolen branch has.
  void enter(item_scope& scope, std::uint64_t sequence) noexcept override {
    static_assert(sizeof(stolen_place) <= sizeof(scope.words));
    worker& w = *this_worker;
    auto* const here = ::new (static_cast<void*>(scope.words)) stolen_place;
    here->up = place::link(w.where(), place_kind::stolen);
    here->low = static_cast<std::uint32_t>(sequence);
    here->carries[0] = 0;
    here->owner = w.task;
    here->timed = nullptr;
    here->held = nullptr;
    w.where() = *here;
  }
  void leave(item_scope& scope) noexcept override {
    worker& w = *this_worker;
    w.where() = std::launder(reinterpret_cast<const stolen_place*>(scope.words))->above();
    forget_origin(w, *w.task);
  }

  stream_stop stopped_from_above() const noexcept override {
    const job_core* const job = current_job();
    if (job == nullptr || !job->stopping()) return stream_stop::none;
    return job_state::of(*job).reason() == stop_reason::deadline ? stream_stop::deadline
                                                                 : stream_stop::cancelled;
  }

  std::optional<cancel_record> stopped_by() const override {
    job_core* const job = current_job();
    if (job == nullptr) return std::nullopt;
    job_state& state = job_state::of(*job);
    const std::lock_guard hold(state.lock);
    const mishaps* const ill = state.ill();
    return ill != nullptr ? ill->cancelled_by : std::nullopt;
  }

  task_error describe(std::uint64_t sequence) const override {
    const task_frame* const t = current_task();
    if (t == nullptr) return describe_current(sequence, 0);
    worker& w = *this_worker;
    const std::unique_ptr<failure> f = capture(w, *t, w.where(), "");
    return f != nullptr ? detail::describe(*f) : describe_current(sequence, w.index);
  }

  // What this_task::fail and groups that nobody waited for have left with the task. Each input is a task of
  // its own to its users, though a step runs many.
  bool take_recorded(kept_error& kept) noexcept override {
    const task_frame* const t = current_task();
    task_extra* const extra = t != nullptr ? t->get_extra() : nullptr;
    if (extra == nullptr) return false;
    // What is not kept dies under no lock.
    error_set unwaited(0), secondary(0);
    std::optional<failure> recorded;
    {
      const std::lock_guard hold(job_state::of(*t->job).lock);
      std::swap(recorded, extra->recorded);
      unwaited = extra->unwaited.take();
      secondary = extra->secondary.take();
    }
    error_set left(options_.keep_errors);
    if (recorded) left.add(*recorded);
    left.merge(unwaited, false);
    if (left.total() == 0) return false;
    try {
      task_error error = detail::describe(left.take_first());
      if (error.name.empty()) error.name = options_.name;
      kept = std::make_shared<const task_error>(std::move(error));
    } catch (...) {
      kept = nullptr;
    }
    return true;
  }

 private:
  struct step {
    step_ticket ticket;
    scheduler_stream& pool;

    step(step_ticket&& t, scheduler_stream& p) noexcept : ticket(std::move(t)), pool(p) {}
    step(step&&) noexcept = default;
    step& operator=(step&&) = delete;
    ~step() {
      if (ticket.valid()) pool.step_over();
    }
    void operator()() noexcept {
      const bool for_reader = pool.step_begins();
      ticket(for_reader);
    }
  };

  // True: a reader runs it.
  bool step_begins() noexcept {
    const std::lock_guard hold(lock_);
    if (posted_ == current_job()) posted_ = nullptr;
    return std::exchange(helped_, nullptr) == current_job();
  }
  // On the worker that runs the step's job, or skips it.
  void step_over() noexcept {
    job_core* const job = current_job();
    {
      const std::lock_guard hold(lock_);
      if (posted_ == job) posted_ = nullptr;
      if (helped_ == job) helped_ = nullptr;
      const auto mine = std::find(steps_.begin(), steps_.end(), job);
      if (mine == steps_.end()) return;
      steps_.erase(mine);
    }
    {
      job_state& state = job_state::of(*job);
      const std::lock_guard hold(state.lock);
      state.stream = nullptr;
    }
    job->release();
  }

  scheduler_core& home_;
  const std::shared_ptr<stream_door> door_;
  job_core* const outer_;  // in which the stream was made
  const job_options options_;
  mutable mutex lock_;
  std::vector<job_core*> steps_;  // that have not ended, each with a reference
  job_core* posted_ = nullptr;    // the one that nobody has begun
  job_core* helped_ = nullptr;    // the one that a reader is about to run
};

}  // namespace

std::unique_ptr<stream_pool> stream_pool_of(scheduler_core& home, const stream_options& options) {
  if (!home.open_for_step()) home.refuse_stopped();
  home.leave_door();
  return std::make_unique<scheduler_stream>(home, options);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
