#include "job/job_state.hpp"

#include <coppice/detail/worker.hpp>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "job/conservation.hpp"
#include "job/unobserved.hpp"
#include "lifecycle/scheduler_core.hpp"
#include "platform/deadline_clock.hpp"
#include "platform/futex.hpp"
#include "platform/waiting.hpp"
#include "worker/crew.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {
constexpr const char* with_parent = "the job that it was submitted from was stopped";

// Why a job is stopped with its parent.
stop_reason inherited(stop_reason parents) noexcept {
  return parents == stop_reason::deadline ? stop_reason::deadline : stop_reason::cancelled;
}

}  // namespace

frame* root_frame(injected& job) noexcept { return &static_cast<job_state&>(job).job.root; }

// What each job needs of the private part, and the job with a small closure.
void fetch_soon(const injected* job) noexcept {
  constexpr std::size_t needed = 2 * cache_line;
  const auto* const state = reinterpret_cast<const std::byte*>(static_cast<const job_state*>(job));
  for (std::size_t at = 0; at < needed; at += cache_line) {
    __builtin_prefetch(state + at, 1);
    __builtin_prefetch(state + state_at + at, 1);
  }
}

bool current_job_is_stopping(const worker& w) noexcept {
  return w.task != nullptr && w.task->job->stops(w.where());
}

task_extra& job_state::extra_of(task_frame& t) {
  task_extra* extra = t.get_extra();
  if (extra == nullptr) {
    extra = new task_extra(options.keep_errors);
    // order(extra): release; pairs with the acquire in get_extra().
    t.extra.store(extra, memory_order_release);
  }
  return *extra;
}

// Under the lock, of a job that is not closed: nobody else changes these bits, and as long as the lock is
// held the job does not end, which may be what its scheduler waits for before it goes.
void job_state::set_stopped(stop_reason why) noexcept {
  const auto change = static_cast<std::uint32_t>(reason()) ^ static_cast<std::uint32_t>(why);
  // order(stop): seq_cst; pairs with the acquire in unmarked() and stop_seen(). The record is complete.
  job.marks_.fetch_xor(change, memory_order_seq_cst);
  // order(attention): seq_cst; pairs with the take in answer_quietly(): who sees the bit sees the stop.
  home.team.each_worker(
      [](worker_thread& w) { w.attention.fetch_or(attention_bit::look, memory_order_seq_cst); });
}

// A worker that is left of the failure drops its `look` bit at its next fork. It needs it again only when it
// comes to the right of a branch that was stolen from it, where take_back_or_wait() sets it.
void job_state::stop_right_of(const task_path& failed) noexcept {
  const std::lock_guard hold(lock);
  if (job.stopping() || closed) return;
  mishaps& mine = what_happens();
  if (mine.first_failure && !is_earlier(failed, *mine.first_failure)) return;
  try {
    if (!mine.cancelled_by) {
      cancel_record record;
      record.reason = "a task failed, and the job's policy is serial_first: what comes later is not run";
      record.when = clock::now();
      record.running = job.counts.counts().running();
      mine.cancelled_by = std::move(record);
    }
    mine.cancelled_by->by = to_text(failed);
    mine.first_failure = failed;
  } catch (const std::bad_alloc&) {
    return;  // stops later, or not at all: every error is met all the same
  }
  set_stopped(stop_reason::right_of_failure);
}

bool job_core::stops_at(spot s) const noexcept {
  if (stopping()) return true;
  const task_path path = path_of(s);
  const std::lock_guard hold(state().lock);
  const mishaps* const ill = state().ill();
  return ill != nullptr && ill->first_failure && !may_be_earlier(path, *ill->first_failure);
}

// A loop, not a recursion: jobs nest as deep as their submitters like.
bool job_state::request_stop(stop_reason why, std::string by, std::string text) {
  std::vector<job_core*> inner;
  if (!stop_this(why, std::move(by), std::move(text), inner, false)) return false;
  while (!inner.empty()) {
    job_core* const child = inner.back();
    inner.pop_back();
    try {
      of(*child).stop_this(inherited(why), "outside", with_parent, inner, true);
    } catch (const std::bad_alloc&) {
      of(*child).stop_without_record(inherited(why));
    }
    child->release();
  }
  return true;
}

// Under the lock.
void job_state::add_inner(std::vector<job_core*>& all) const {
  std::size_t count = 0;
  for (const job_state* c = first_child; c != nullptr; c = c->sibling_after) ++count;
  all.reserve(all.size() + count);
  for (job_state* c = first_child; c != nullptr; c = c->sibling_after) {
    if (c->options.shield) continue;
    c->job.acquire();
    all.push_back(&c->job);
  }
}

bool job_state::stop_this(stop_reason why, std::string by, std::string text, std::vector<job_core*>& inner,
                          bool from_above) {
  std::stop_source source{std::nostopstate};
  {
    const std::lock_guard hold(lock);
    // It has ended, and what was submitted from it goes on: that is still below whoever is stopped.
    if (closed && from_above) add_inner(inner);
    if (job.stopping() || closed) return false;
    cancel_record record;
    record.by = std::move(by);
    record.reason = std::move(text);
    record.when = clock::now();
    record.running = job.counts.counts().running();
    add_inner(inner);
    what_happens().cancelled_by = std::move(record);
    set_stopped(why);
    source = ill()->stop;
  }
  source.request_stop();  // which calls callbacks of users: under no lock
  return true;
}

void job_state::stop_now(stop_reason why, const char* reason) noexcept {
  try {
    request_stop(why, "outside", reason);
  } catch (const std::bad_alloc&) {
    stop_without_record(why);
  }
}

void job_state::stop_without_record(stop_reason why) noexcept {
  std::fputs("coppice: no memory to record why a job is stopped; it is stopped all the same\n", stderr);
  std::stop_source source{std::nostopstate};
  {
    const std::lock_guard hold(lock);
    if (job.stopping() || closed) return;
    set_stopped(why);
    source = what_happens().stop;
  }
  source.request_stop();
}

void job_state::adopt_by(job_core& outer) noexcept {
  job_state& p = of(outer);
  bool stop_too = false;
  stop_reason why{};
  {
    const std::lock_guard hold(p.lock);
    outer.acquire();
    parent = &outer;
    depth = p.depth + 1;
    sibling_after = p.first_child;
    if (p.first_child != nullptr) p.first_child->sibling_before = this;
    p.first_child = this;
    stop_too = outer.stopping() && !options.shield;
    why = p.reason();
    options.deadline = earlier(options.deadline, p.options.deadline);
  }
  if (stop_too) stop_now(inherited(why), with_parent);
}

void job_state::watch_deadline() noexcept {
  if (!options.deadline) return;
  if (*options.deadline <= platform::deadline_now()) {
    stop_now(stop_reason::deadline, "its deadline had passed before it was submitted");
    return;
  }
  try {
    home.timer.start();
    is_timed = true;
    home.timer.watch(job, *options.deadline);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "coppice: a deadline cannot be watched, the job is stopped now: %s\n", e.what());
    stop_now(stop_reason::deadline, "its deadline could not be watched");
  }
}

bool is_watched(const scheduler_core& s) noexcept { return s.watchdog.on(); }

void job_state::ask_what_runs() noexcept {
  job.marks_.fetch_or(job_core::look_running, memory_order_relaxed);
}

// Whatever ends after it was asked, and has not been skipped, was running then, or began right after.
void job_state::tell_if_asked_what_runs(const worker& w, const task_frame& t) noexcept {
  if ((job.marks_.load(memory_order_relaxed) & job_core::look_running) == 0) return;
  try {
    if (!t.above()) return home.was_running({"root", options.name, w.index, clock::now() - submitted});
    const task_extra* const x = t.get_extra();
    home.was_running({to_text(path_of(t)), x != nullptr ? x->name : std::string(), w.index,
                      clock::now() - worker_thread::of(const_cast<worker&>(w)).strand_since});  // NOLINT
  } catch (const std::bad_alloc&) {
    // One name less.
  }
}

// Under the lock of the parent.
void job_state::unlink_from(job_state& p) noexcept {
  if (sibling_before != nullptr)
    sibling_before->sibling_after = sibling_after;
  else
    p.first_child = sibling_after;
  if (sibling_after != nullptr) sibling_after->sibling_before = sibling_before;
}

// Those below look upwards for jobs that they may not wait for: of a job that is quiet and its last child,
// whoever comes second leaves the parent. A loop, not a recursion: jobs nest as deep as their submitters
// like.
void job_state::leave_parent() noexcept {
  if (parent == nullptr) return;
  {
    const std::lock_guard hold(lock);
    left_by_tasks = true;
    if (first_child != nullptr) return;
  }
  job_core* above = std::exchange(parent, nullptr);
  job_state* leaving = this;
  while (above != nullptr) {
    job_state& p = of(*above);
    job_core* next = nullptr;
    {
      const std::lock_guard hold(p.lock);
      leaving->unlink_from(p);
      if (p.left_by_tasks && p.first_child == nullptr) next = std::exchange(p.parent, nullptr);
    }
    if (leaving != this) leaving->job.release();
    leaving = &p;
    above = next;
  }
  leaving->job.release();
}

void job_state::record(error_set&& failures, spot by) noexcept {
  failure first;
  if (policy.keeps_what_is_earlier() || policy.looks_at_errors()) {
    try {
      if (const failure* const f = failures.first()) first = *f;
    } catch (const std::bad_alloc&) {
      // Its path and name are not known: what is decided by them is decided without.
    }
  }
  error_count so_far;
  {
    const std::lock_guard hold(lock);
    mishaps& mine = what_happens();
    mine.errors.merge(failures, false);
    so_far.errors = mine.errors.primaries();
  }
  if (policy.collects_all() || job.stopping()) return;
  if (policy.keeps_what_is_earlier()) return stop_right_of(first.path);
  const char* why = "a task failed, and the job's policy is fail_fast";
  try {
    if (!policy.stops_at_failure()) {
      const task_counts n = job.counts.counts();
      so_far.ended = n.ended() - n.skipped + 1;
      so_far.spawned = n.spawned;
      const task_error error = policy.looks_at_errors() ? detail::describe(first) : task_error{};
      if (!policy.stops(error, so_far)) return;
      why = "too many errors for the job's policy";
    }
    request_stop(stop_reason::failed, to_text(path_of(by)), why);
  } catch (const std::bad_alloc&) {
    stop_now(stop_reason::failed, why);
  }
}

job_report& job_state::counted_report(const task_counts& n) noexcept {
  job_report& r = make_empty_report();
  r.elapsed = elapsed;
  r.spawned = n.spawned;
  r.succeeded = n.succeeded;
  r.failed = n.failed;
  r.cancelled = n.cancelled;
  r.skipped = n.skipped;
  return r;
}

// Nobody looks at the report of most jobs that went well. Several threads may wait by one handle.
const job_report& job_state::made_report() noexcept {
  const std::lock_guard hold(lock);
  return has_report ? *report() : counted_report(job.counts.counts());
}

// Runs code of users, the texts of their errors, if there are any: then in no lock.
void job_state::make_report(const task_counts& n) noexcept {
  job_report& r = counted_report(n);
  if (wants_stats) {
    try {
      r.stats = measured->sum(n, submitted, home.team.number_wanted(), elapsed);
    } catch (const std::bad_alloc&) {
      // No memory for the advice: no statistics.
    }
  }
  if (is_ill) {
    r.errors_total = ill()->errors.total();
    if (r.errors_total != 0) describe_errors(r);
    if (std::optional<cancel_record>& cancel = ill()->cancelled_by) {
      cancel->until_quiet = submitted + elapsed - cancel->when;
      r.cancel = std::move(cancel);
    }
  }
  if (r.errors_total != 0)
    r.result = outcome::failed;
  else if (r.skipped + r.cancelled == 0 || reason() == stop_reason::none)
    r.result = outcome::completed;
  else
    r.result = reason() == stop_reason::deadline ? outcome::deadline_exceeded : outcome::cancelled;
}

void job_state::describe_errors(job_report& r) noexcept {
  try {
    r.kinds = ill()->errors.kinds();
  } catch (const std::bad_alloc&) {
    // Not told apart.
  }
  std::vector<failure> kept = ill()->errors.take_sorted();
  if (kept.size() > options.keep_errors) kept.resize(options.keep_errors);
  for (const failure& f : kept) {
    try {
      r.errors.push_back(detail::describe(f));
    } catch (...) {
      break;  // no memory for the texts: the count stands
    }
  }
}

void job_state::tell_if_unobserved() noexcept {
  if (!has_report || report()->errors_total == 0) return;
  // order(observed): relaxed; whoever asks has seen the report, and of two who ask one tells.
  if (!observed.exchange(true, memory_order_relaxed)) tell_unobserved(*report());
}

std::shared_ptr<const job_report> job_state::share_report() {
  struct reader {
    job_core& job;
    explicit reader(job_core& j) noexcept : job(j) {
      job.acquire();
      of(job).readers.fetch_add(1, memory_order_relaxed);
    }
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;
    ~reader() {
      of(job).leave_report();
      job.release();
    }
  };
  const auto shared = std::make_shared<reader>(job);
  return {shared, &made_report()};
}

void job_state::leave_report() noexcept {
  // order(readers): acq_rel; pairs with itself: the last one follows all that the others read. Who is alone,
  // as the acquire shows, stays alone: only a reader brings another one.
  if (readers.load(memory_order_acquire) != 1 && readers.fetch_sub(1, memory_order_acq_rel) != 1) return;
  if (has_report) const std::vector<task_error> gone = std::move(report()->errors);
}

void job_state::give_up_results() noexcept {
  if (job.completed()) return job.drop_value();  // there is no error
  tell_if_unobserved();
  job.drop_value();
  leave_report();
}

std::uint32_t job_state::publish_report() noexcept {
  const bool well = !has_report || report()->result == outcome::completed;
  const std::uint32_t ended = job_core::is_over | (well ? job_core::went_well : 0);
  // order(done): acq_rel; pairs with the acquire in job_core::done() and with itself in job_core::let_go().
  return job.done_.exchange(ended, memory_order_acq_rel);
}

injection_queue::end job_state::finish(worker& w) noexcept {
  worker_thread& me = worker_thread::of(w);
  job_core* const outer_ending = me.ending;
  const outside_tasks code_of_users(me, job);
  delete_extra(w, job.root);  // as with any task
  if (is_timed) home.timer.forget(job, *options.deadline);
  leave_parent();
  std::uint32_t asked = 0;
  bool all_is_well = false;
  const task_counts n = job.counts.counts();
  insist_on_conservation(n, options.name);
  {
    const std::lock_guard hold(lock);
    closed = true;
    elapsed = clock::now() - submitted;
    all_is_well =
        (!is_ill || (ill()->errors.total() == 0 && !ill()->cancelled_by)) && reason() == stop_reason::none;
    if (all_is_well) {
      if (has_report || wants_stats) make_report(n);
      asked = publish_report();
    } else {
      what_happens();  // so that nobody who asks for a stop token now makes it
    }
  }
  if (!all_is_well) {
    make_report(n);
    const std::lock_guard hold(lock);
    asked = publish_report();
  }
  if ((asked & job_core::is_awaited) != 0) platform::futex_wake_all(job.done_);
  waiting_workers.wake_all();
  // The job is over: nobody waits for what the ends of its value and its errors wait for.
  me.ending = outer_ending;
  if ((asked & job_core::is_let_go) != 0) give_up_results();
  if (bounded) home.team.callers.come_back_to(submitted_on);
  return {this, n.succeeded + n.failed + n.cancelled, n.skipped, submitted + elapsed};
}

// The queue's list is done with this job.
void job_state::has_left(bool was_last) noexcept {
  if (was_last) home.no_job_is_left();
  job.release();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
