#include "lifecycle/scheduler_core.hpp"

#include <algorithm>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/stream_core.hpp>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "job/job_state.hpp"
#include "platform/environment.hpp"
#include "platform/limits.hpp"
#include "platform/thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

platform::topology plan(const scheduler_options& o) {
  const platform::overridden heard = platform::override_from_environment(o.workers, o.pin);
  return platform::topology(
      {.workers = heard.workers, .pin = heard.pin, .synthetic = o.topology, .mask = {}, .quota = {}});
}

// In the child the thread that forked is no worker any more, also if it was one: what it calls runs serially.
const bool forked_threads_are_ordinary =
    (platform::at_fork(nullptr, nullptr, [] { this_worker = forking_worker = nullptr; }), true);

// Address space, not memory: pages that no recursion has touched cost nothing.
constexpr std::size_t default_stack_bytes = std::size_t{64} * 1024 * 1024;

}  // namespace

scheduler_core::scheduler_core(scheduler_options o)
    : options(std::move(o)),
      streams(std::make_shared<stream_door>()),
      team(plan(options), options.injection_capacity,
           std::min(options.max_spare_workers, platform::max_spares)),
      timer(team, options.name + "-timer"),
      watchdog(*this, platform::stall_from_environment(options.stall_after)) {
  team.name = options.name;
  team.stack_bytes = options.stack_bytes != 0 ? options.stack_bytes : default_stack_bytes;
  team.watched = watchdog.on();
  if (options.injection_capacity == 0)
    throw std::invalid_argument(
        "coppice: scheduler \"" + options.name +
        "\" was asked for an injection_capacity of 0, with which nobody could ever submit (ask "
        "for at least 1)");
  start_workers();
  try {
    watchdog.start();
  } catch (...) {
    join_workers();
    throw;
  }
}

scheduler_core::~scheduler_core() {
  report_.still_running.clear();  // nobody reads it any more, and a copy of it would need memory
  stop(stop_mode::drain, nullptr);
  streams->shut();
  give_back_memory_of_jobs();
}

std::uint64_t scheduler_core::live_jobs() const { return team.injection.now().live; }

void scheduler_core::was_running(running_task&& task) {
  constexpr std::size_t most = 256;
  const std::lock_guard hold(lock_);
  if (report_.still_running.size() < most) report_.still_running.push_back(std::move(task));
}

void scheduler_core::refuse_unpinned(const platform::topology& plan) const {
  throw std::system_error(
      std::make_error_code(std::errc::operation_not_permitted),
      "coppice: scheduler \"" + options.name +
          "\" was asked to run only with pinned workers (require_pinning), but they cannot be "
          "pinned: " +
          plan.why_not_pinned());
}

std::unique_ptr<worker_thread> scheduler_core::make_worker(unsigned index) {
  auto made = std::make_unique<worker_thread>(team, index);
  if (team.watched) made->watched = std::make_unique<seat>();
  return made;
}

// It holds its core before its thread runs.
void scheduler_core::start(worker_thread& regular) {
  team.cores.come(regular);
  try {
    regular.start(team.stack_bytes);
  } catch (...) {
    team.cores.leave(regular);
    throw;
  }
  ++started_;
}

void scheduler_core::start_workers() {
  const unsigned n = team.topology.workers();
  team.cores.reserve(n);
  for (unsigned i = 0; i < n; ++i) team.workers.push_back(make_worker(i));
  for (unsigned i = 0; i < n; ++i) team.workers[i]->victims = victims_of(i, team.topology);
  // order(wanted): seq_cst; pairs with the load in is_surplus(). Nobody runs yet.
  team.wanted.store(n, memory_order_seq_cst);
  try {
    for (const auto& w : team.workers) start(*w);
    for (const auto& w : team.workers) w->wait_until_bound();
    team.cores.want(n);
    if (options.require_pinning && !team.topology.pinned()) refuse_unpinned(team.topology);
  } catch (...) {
    join_workers();
    throw;
  }
}

void scheduler_core::join_workers() noexcept {
  const std::lock_guard alone(resizing_);
  // order(closing): seq_cst; pairs with the load in worker_thread::sleep(): it is stored before sleepers are
  // looked for, and a sleeper reads it after it has announced itself.
  team.closing.store(true, memory_order_seq_cst);
  team.wake_all();
  team.cores.close();
  team.each_worker([](worker_thread& w) { w.join(); });
}

bool scheduler_core::runs_on_this_thread() const noexcept {
  return this_worker != nullptr && &worker_thread::of(*this_worker).all == &team;
}

admission scheduler_core::admit(bool wait, const job_options& o) {
  if (inherited_over_fork()) return admission::stopped;
  if (this_worker != nullptr && this_worker->attention.is_below_limit(stack_address(&wait)))
    refuse_recursion();
  if (o.deadline) timer.start();
  if (!door_.enter()) return reject();
  injection_queue::outcome got{};
  // Another scheduler's worker does not wait either: this one's workers may be waiting for what it runs.
  if (this_worker != nullptr)
    got = team.injection.reserve_unbounded();
  else
    got = team.injection.reserve(wait, o.deadline ? &*o.deadline : nullptr);
  // Its deadline passed before there was room: it is taken in, and ends without a body having run.
  if (got == injection_queue::outcome::timed_out)
    got = team.injection.reserve_anyway() ? injection_queue::outcome::reserved
                                          : injection_queue::outcome::closed;
  if (got == injection_queue::outcome::reserved) return admission::accepted;
  if (got == injection_queue::outcome::closed) return reject();
  leave_door();
  return admission::full;
}

admission scheduler_core::reject() noexcept {
  {
    const std::lock_guard hold(lock_);
    ++rejected_;
  }
  leave_door();
  return admission::stopped;
}

void scheduler_core::leave_door() noexcept {
  if (door_.leave_if_open()) return;
  const std::lock_guard hold(lock_);
  door_.leave();
  changed_.notify_all();
}

void scheduler_core::withdraw() noexcept {
  if (this_worker == nullptr) team.injection.cancel_reservation();
  leave_door();
}

void scheduler_core::launch(job_core& job) noexcept {
  // A job submitted from a task belongs to that task's job, whichever scheduler it goes to.
  launch(job, this_worker == nullptr, current_job());
}

bool scheduler_core::open_for_step() {
  if (inherited_over_fork()) return false;
  if (door_.enter() && team.injection.reserve_unbounded() == injection_queue::outcome::reserved) return true;
  leave_door();
  return false;
}

void scheduler_core::launch_step(job_core& job, job_core* outer) noexcept {
  static_cast<void>(job.let_go());
  launch(job, false, outer != nullptr && !outer->done() ? outer : nullptr);
}

void scheduler_core::launch(job_core& job, bool bounded, job_core* outer) noexcept {
  job_state& s = job_state::of(job);
  s.bounded = bounded;
  s.submitted = clock::now();
  s.submitted_on = platform::current_cpu();
  if (outer != nullptr) s.adopt_by(*outer);
  s.watch_deadline();
  // Asked before: whoever takes the job does not search any more.
  const bool taken_elsewhere = bounded && team.searched_elsewhere();
  team.injection.commit(s);
  team.wake_one(nullptr);
  // The handle still holds the job, which may be over; a job without one may be gone.
  if (bounded) s.submitter_polls = taken_elsewhere || team.leaves_this_cpu_alone();
  team.waits_elsewhere.wake_all();
  leave_door();
}

void scheduler_core::no_job_is_left() noexcept {
  if (!door_.closed()) return;
  const std::lock_guard hold(lock_);
  changed_.notify_all();
}

scheduler_stats scheduler_core::stats() const {
  if (inherited_over_fork()) refuse_inherited();
  scheduler_stats s;
  s.workers = team.number_wanted();
  s.jobs = team.injection.now().committed;
  s.stalls = watchdog.reports();
  team.each_worker([&s](const worker_thread& w) {
    const worker_counters& c = w.stats;
    s.steals_cache += c.steals[0].load(memory_order_relaxed);
    s.steals_node += c.steals[1].load(memory_order_relaxed);
    s.steals_remote += c.steals[2].load(memory_order_relaxed);
    s.leaps += c.leaps.load(memory_order_relaxed);
    s.shares += c.shares.load(memory_order_relaxed);
    s.exposures += c.exposures.load(memory_order_relaxed);
    s.exposed += c.exposed.load(memory_order_relaxed);
    s.parks += c.parks.load(memory_order_relaxed);
    s.wakes += c.wakes.load(memory_order_relaxed);
    s.inline_runs += w.inline_runs.load(memory_order_relaxed);
    s.bundled += c.bundled.load(memory_order_relaxed);
  });
  const loans::counts lent = team.cores.now();
  s.loans = lent.loans;
  s.borrowings = lent.borrowings;
  s.kept = lent.kept;
  s.standing = lent.standing;
  s.spares = team.cores.made();
  return s;
}

std::string scheduler_core::describe() const {
  if (inherited_over_fork()) refuse_inherited();
  std::string text = "scheduler \"" + options.name + "\"\n";
  {
    const std::lock_guard hold(team.lock);
    text += team.topology.describe();
  }
  if (!text.empty() && text.back() != '\n') text += '\n';
  const loans::counts lent = team.cores.now();
  text += "standing still: " + std::to_string(lent.standing) + " workers now; " +
          std::to_string(team.cores.made()) + " of at most " + std::to_string(lent.most) +
          " spare workers were made for their cores" +
          (lent.refused != 0 ? ", " + std::to_string(lent.refused) + " could not be (no thread or no memory)"
                             : std::string()) +
          "\n";
  text += team.can_expose ? "long leaves: tasks behind them are exposed by membarrier\n"
                          : "long leaves: no membarrier here, so tasks behind a long leaf are shared at its "
                            "worker's next fork\n";
  return text;
}

void scheduler_core::refuse_stopped() const {
  if (inherited_over_fork()) refuse_inherited();
  throw scheduler_stopped("coppice: scheduler \"" + options.name +
                          "\" takes no more jobs, because it was stopped (the callable was not touched)");
}

void scheduler_core::refuse_inherited() const {
  throw scheduler_stopped("coppice: scheduler \"" + options.name +
                          "\" was made before a fork, and its workers run in the parent process only (make a "
                          "scheduler of its own in the child)");
}

admission admit(scheduler_core& s, bool wait, const job_options& options) { return s.admit(wait, options); }
void withdraw(scheduler_core& s) noexcept { s.withdraw(); }
void launch(scheduler_core& s, job_core& job) noexcept { s.launch(job); }
void refuse_stopped(const scheduler_core& s) { s.refuse_stopped(); }

}  // namespace detail
}  // namespace v0
}  // namespace coppice
