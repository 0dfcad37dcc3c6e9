#include <chrono>
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/task_run.hpp>
#include <stdexcept>
#include <utility>

#include "job/job_state.hpp"
#include "job/unobserved.hpp"
#include "job/waiting_caller.hpp"
#include "lifecycle/scheduler_core.hpp"
#include "platform/futex.hpp"
#include "platform/waiting.hpp"
#include "stores/shelves.hpp"
#include "worker/crew.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

process_wide<shelves> memory;

// The last scheduler has given back what there was; this is for jobs whose handles have outlived it.
const struct cleared_at_the_end {
  ~cleared_at_the_end() { give_back_memory_of_jobs(); }
} when_the_library_goes;

// Closures of up to 120 bytes. A larger job has a block of its own.
constexpr std::size_t usual_block = state_at + cache_line + sizeof(job_core) + 128;
constexpr std::uintptr_t is_usual = 1;

std::uintptr_t& word_of_block(void* job) noexcept {
  return *reinterpret_cast<std::uintptr_t*>(static_cast<std::byte*>(job) - block_at);
}
void* place_of_state(void* job) noexcept { return static_cast<std::byte*>(job) - state_at; }

unsigned home_shelf() noexcept {
  static atomic<unsigned> threads{0};
  thread_local constinit unsigned home [[gnu::tls_model("initial-exec")]] = 0;
  if (home == 0) home = threads.fetch_add(1, memory_order_relaxed) + 1;
  return home;
}

// Of this thread if it is a worker, or null.
shelves::collection* own_collection() noexcept {
  return this_worker != nullptr ? &worker_thread::of(*this_worker).ended_jobs : nullptr;
}

void* take_block() noexcept {
  shelves::collection* const mine = own_collection();
  void* const block = mine != nullptr ? mine->take() : nullptr;
  return block != nullptr ? block : memory->take(home_shelf());
}

void give_block(void* block) noexcept {
  if (shelves::collection* const mine = own_collection())
    memory->give(home_shelf(), *mine, block);
  else
    memory->give(home_shelf(), block);
}

}  // namespace

void give_back_memory_of_jobs() noexcept {
  if constexpr (keeps_memory_of_jobs) memory->clear();
}

job_core::job_core(scheduler_core& home, job_options&& options)
    : root{{&job_core::run_root, frame::fresh},
           {place::link({}, place_kind::task), 0, {}},
           this,
           nullptr,
           0,
           task_frame::body_runs,
           nullptr},
      marks_(make_state(home, std::move(options))),
      counts(state().first_shard) {}

// The private part comes first. What the marks are then.
std::uint32_t job_core::make_state(scheduler_core& home, job_options&& options) {
  const job_state& made = *::new (place_of_state(this)) job_state(*this, home, std::move(options));
  return (made.policy.keeps_what_is_earlier() ? holds_children : 0) |
         (made.measured != nullptr ? look_measured : 0);
}

job_core::~job_core() { state().~job_state(); }

const error_policy& job_core::policy() const noexcept { return state().policy; }
measure* job_core::measured() const noexcept { return state().measured.get(); }

void* job_core::operator new(std::size_t bytes, std::align_val_t alignment) {
  // Aligned by hand: the system's allocators are slow where they have to do it.
  const auto aligned = static_cast<std::size_t>(alignment);
  const std::size_t all = state_at + bytes + aligned;
  const bool usual = keeps_memory_of_jobs && all <= usual_block;
  void* block = usual ? take_block() : nullptr;
  if (block == nullptr) block = ::operator new(usual ? usual_block : all);
  const auto first = reinterpret_cast<std::uintptr_t>(block) + state_at;
  auto* const job = static_cast<std::byte*>(block) + state_at + (aligned - first % aligned) % aligned;
  word_of_block(job) = reinterpret_cast<std::uintptr_t>(block) | (usual ? is_usual : 0);
  return job;
}

void job_core::operator delete(void* job, std::align_val_t) noexcept {
  const std::uintptr_t word = word_of_block(job);
  void* const block = reinterpret_cast<void*>(word & ~is_usual);  // NOLINT(performance-no-int-to-ptr)
  if ((word & is_usual) != 0)
    give_block(block);
  else
    ::operator delete(block);
}

void job_core::release() noexcept {
  // order(references): acq_rel; pairs with itself: the last one sees what the others did. Who has the only
  // one, as the acquire shows, has the last one: only a holder gives out more.
  if (references_.load(memory_order_acquire) == 1 || references_.fetch_sub(1, memory_order_acq_rel) == 1)
    delete this;
}

void job_core::run_root(frame* f, worker& w) noexcept {
  auto& t = *static_cast<task_frame*>(f);
  job_core& job = *t.job;
  // order(spawned): release; pairs with the acquire in tally::quiet(). Before the body can spawn.
  add_as_only_writer(bind_counts_of_root(w, job).spawned, std::uint64_t{1}, memory_order_release);
  if (run_task(
          w, t, 0, [&job] { job.run_body(); }, [&job] { job.drop_body(); }))
    end_any(w, t, 0);
}

namespace {

// In a forked child: the job goes on in the parent, and its lock may be held here for ever.
void refuse_inherited(const job_state& s) {
  if (s.inherited_over_fork())
    throw scheduler_stopped(
        "coppice: job \"" + s.options.name +
        "\" was submitted before a fork, and runs in the parent process only (submit it again, to "
        "a scheduler that was made in the child)");
}

}  // namespace

bool job_core::cancel(std::string reason) {
  refuse_inherited(state());
  return state().request_stop(stop_reason::cancelled, "outside", std::move(reason));
}

std::stop_token job_core::stop_token() {
  refuse_inherited(state());
  const std::lock_guard hold(state().lock);
  std::stop_source& stop = state().what_happens().stop;
  if (!stop.stop_possible()) {
    stop = std::stop_source();
    if (stopping()) stop.request_stop();  // nobody can have a callback yet
  }
  return stop.get_token();
}

bool job_core::sleep_until_done(const std::chrono::steady_clock::time_point* until) noexcept {
  // order(done): relaxed; the exchange in publish_report() is of the same word, and sees this or comes first.
  const std::uint32_t seen = done_.fetch_or(is_awaited, memory_order_relaxed);
  return (seen & is_over) != 0 || platform::futex_wait(done_, seen | is_awaited, until);
}

// A worker that waits for a job: runs its root here if nobody has it, else helps whoever does.
class job_core::ends final : public wait_condition {
 public:
  ends(job_core& job, injection_queue& queue) noexcept : job_(job), queue_(queue) {}
  bool met() noexcept override { return job_.done(); }
  worker_thread* runner(const void*& strand) noexcept override {
    strand = &job_.root;
    // order(run): acquire; pairs with the release in frame::begin().
    return static_cast<worker_thread*>(frame::runner_of(job_.root.state.load(memory_order_acquire)));
  }
  frame* take_unstarted() noexcept override {
    // Code that runs at the end of another job may wait for this one: not while it is neither queued nor
    // begun.
    flush_counts(*this_worker);
    return queue_.remove(job_state::of(job_)) ? &job_.root : nullptr;
  }
  void sleep(worker_thread& me) noexcept override {
    // Whoever has taken the root is about to begin it, and is then asked to share what it forks.
    if (job_.root.state.load(memory_order_relaxed) == frame::fresh) return yield();
    // What this worker still has is for others while it stands still.
    me.share_all_and_wake();
    job_state& s = job_state::of(job_);
    standing here{me, nullptr};
    {
      // Under the lock under which the job ends.
      const std::lock_guard hold(s.lock);
      s.waiting_workers.enter(here);
    }
    // Not on the job's word: what is shared for this worker wakes it too.
    if (!job_.done()) me.park.park();
    s.waiting_workers.leave(here);
  }

 private:
  job_core& job_;
  injection_queue& queue_;
};

namespace {

// What waits for an inner job is above it, which takes one look.
bool descends_from(const job_core* j, const job_core& ancestor) noexcept {
  const std::uint32_t depth = job_state::of(ancestor).depth;
  while (j != nullptr && job_state::of(*j).depth > depth) j = job_state::of(*j).parent;
  return j == &ancestor;
}

// A wait that may go on needs no memory: the words are made for one that may not.
void refuse_endless_wait(const job_core* own, const job_core& awaited) {
  if (!descends_from(own, awaited)) return;
  const std::string& name = job_state::of(awaited).options.name;
  std::string chain;
  for (const job_core* j = own; j != &awaited; j = job_state::of(*j).parent)
    chain += "job \"" + job_state::of(*j).options.name + "\", submitted from ";
  throw would_deadlock("coppice: this wait could never end: a task of " + chain + "job \"" + name +
                       "\" waits for job \"" + name +
                       "\", which cannot end before the task does (let the waiting job return " +
                       "first, or wait from outside of it)");
}

void refuse_endless_wait(const job_core& awaited) {
  refuse_endless_wait(current_job(), awaited);
  refuse_endless_wait(ending_job(), awaited);
}

}  // namespace

// Another scheduler's workers run the job; this worker stands still, and what it has is for its own crew
// meanwhile. But the job may submit to this worker's scheduler and wait for that, or wait for what others
// have submitted to it: such jobs descend from what is awaited, or are awaited too, so they may run here, and
// must if this is the only worker.
void job_core::wait_elsewhere(worker_thread& me) {
  me.share_all_and_wake();
  const spot outer = me.where();
  standing here{me, nullptr};
  standing there{me, nullptr};
  me.all.waits_elsewhere.enter(here);
  standing anywhere{me, nullptr};
  stand_elsewhere(anywhere);
  {
    // Under the lock under which the job ends.
    const std::lock_guard hold(state().lock);
    state().waiting_workers.enter(there);
  }
  const auto descends = [this](const injected& other) {
    job_core& waiting = static_cast<const job_state&>(other).job;
    return descends_from(&waiting, *this) || waits_for(*this, waiting);
  };
  standing_floor floor(me);
  while (!done()) {
    // What such a job has spawned lies above the floor, and may have nobody else to run it.
    if (frame* const f = floor.pop()) {
      f->run(f, me);
      me.where() = outer;
    } else if (me.counts_dirty) {
      // Before a root is taken: code that runs at the end of this job may wait for the next one.
      flush_counts(me);
    } else if (injected* const inner = me.all.injection.take_if(descends)) {
      frame* const first = root_frame(*inner);
      first->run(first, me);
      me.where() = outer;
    } else {
      const lent_core meanwhile(&me);
      if (!done()) me.park.park();
    }
  }
  flush_counts(me);
  state().waiting_workers.leave(there);
  me.all.waits_elsewhere.leave(here);
  go_on_elsewhere(anywhere);
  me.attention.fetch_or(attention_bit::look, memory_order_relaxed);
}

void job_core::wait() {
  if (state().inherited_over_fork() && done()) return;
  refuse_inherited(state());
  wait_until_done();
  state().observed.store(true, memory_order_relaxed);
}

void job_core::wait_until_done() {
  if (done()) return;
  refuse_endless_wait(*this);
  if (this_worker == nullptr) {
    const waiting_caller me;
    if (me.polls(*this, state()) || me.gives_way(*this)) return;
    const platform::wait_elsewhere registered(platform::thread_party, state().waits);
    if (!registered.why_endless().empty()) throw would_deadlock(registered.why_endless());
    while (!done()) sleep_until_done(nullptr);
    return;
  }
  const wait_edge registered(current_job(), *this), too(ending_job(), *this);
  worker& w = *this_worker;
  const measured_wait timed(worker_thread::of(w).running);
  if (!state().home.runs_on_this_thread()) {
    wait_elsewhere(worker_thread::of(w));
    return;
  }
  const spot outer = w.where();
  ends condition(*this, state().home.team.injection);
  worker_thread::of(w).wait_for(condition, w.deque.top());
  w.where() = outer;
  w.attention.fetch_or(attention_bit::look,
                       memory_order_relaxed);  // the own job may have been cancelled meanwhile
}

bool job_core::wait_until(std::chrono::steady_clock::time_point when) {
  if (state().inherited_over_fork() && done()) return true;
  refuse_inherited(state());
  const auto sleep = [&] {
    while (!done() && sleep_until_done(&when)) {
    }
  };
  if (!done()) refuse_endless_wait(*this);
  if (this_worker != nullptr && !done()) {
    // Nothing is run here, which might take longer than until then. Whoever has the core meanwhile may run
    // the job.
    worker_thread& me = worker_thread::of(*this_worker);
    const measured_wait timed(me.running);
    flush_counts(me);
    const lent_core meanwhile(this_worker);
    sleep();
  } else if (!done()) {
    const waiting_caller me;
    if (!me.polls(*this, state(), when)) sleep();
  }
  return done();  // which is no look at the report
}

const job_report& job_core::report() noexcept { return state().made_report(); }

void job_core::throw_report() {
  switch (state().made_report().result) {
    case outcome::cancelled:
      throw job_cancelled(state().share_report());
    case outcome::deadline_exceeded:
      throw job_deadline_exceeded(state().share_report());
    default:
      throw job_error(state().share_report());
  }
}

void job_core::detach() noexcept {
  if (state().inherited_over_fork()) return;
  if (let_go()) state().give_up_results();
}

// order(done): acq_rel; pairs with the exchange in publish_report(): the second of the two sees the first.
bool job_core::let_go() noexcept {
  return (done_.fetch_or(is_let_go, memory_order_acq_rel) & (is_over | is_let_go)) == is_over;
}

void job_core::cancel_and_join() noexcept {
  if (state().inherited_over_fork() || done()) return;
  state().stop_now(stop_reason::cancelled, "its handle was destroyed");
  try {
    wait_until_done();
  } catch (...) {
    // A task that destroys the handle of its own job: the scheduler joins it.
  }
}

void job_core::abandon() noexcept {
  cancel_and_join();
  detach();
  release();
}

void refuse_empty_callable() {
  throw std::invalid_argument(
      "coppice: an empty callable was submitted (a null function pointer or an empty std::function cannot "
      "run; check "
      "it before)");
}
void refuse_empty_job() {
  throw std::logic_error(
      "coppice: no state: this job handle is empty (default-made, moved from or detached)");
}
void refuse_second_get() {
  throw std::logic_error("coppice: the value of this job was taken by an earlier get()");
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
