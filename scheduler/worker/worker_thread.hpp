// A worker's compiled part: its thread, its search for work, its waits, its sleep.
//
// Who writes what. Everything is the owner thread's but
//   `resting`, `helper`, `new_victims`, which others exchange; `attention`, in which others set bits;
//   `core`, `crowded_since` and the links of lists of `crew::cores`, written under the lock of that;
//   `has_left`, under the crew's lock;
//   `thread_` and what else start() writes, by whoever starts the thread;
//   `bound_core_`, also by whoever gives a core to a worker that is parked.
// `strand_of`, `last_share`, `sleeps_on` and the statistics are written by the owner and read by anybody.
//
// Orders
//   strand_of  store relaxed before begin_strand() (release); pairs with look() (acquire) in help_with().
//   resting    seq_cst: exchanged by the sleeper or a waker, who so ends the sleep; stored before a sleeper
//              looks at closing, read after the closer has stored that.
#pragma once

#include <chrono>
#include <coppice/detail/slab.hpp>
#include <coppice/detail/worker.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/futex.hpp"
#include "platform/thread.hpp"
#include "platform/topology.hpp"
#include "stores/injection.hpp"
#include "stores/shelves.hpp"
#include "worker/parker.hpp"
#include "worker/piece.hpp"
#include "worker/seat.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// How long a worker polls, searching or waiting, before it sleeps. By the clock: a pause takes from 3 to 500
// ns. 50 us is about what a sleep and a wake cost together (2-core x86-64 virtual machine, 2026-11).
inline constexpr std::chrono::microseconds spin_time{50};

struct crew;
struct injected;
class worker_thread;

// Spare workers are numbered from here.
inline constexpr unsigned first_spare = roster_capacity;

struct victim {
  worker_thread* who;
  platform::distance how_far;
};

struct worker_counters {
  atomic<std::uint64_t> steals[platform::distances] = {};
  atomic<std::uint64_t> shares{0}, exposures{0}, exposed{0}, parks{0}, wakes{0}, leaps{0};
  atomic<std::uint64_t> bundled{0};  // children that were put together because the deque was full
};

// Where the exception that is under way on this thread comes from, taken where it left its first join.
struct exception_origin {
  std::exception_ptr exception;
  std::vector<std::uint32_t> path;
  std::string name;     // of the task
  unsigned worker = 0;  // who ran it
  std::chrono::steady_clock::time_point when = {};
  bool after_cancel = false;
  const char* phase = "";                     // as in `failure`
  const task_frame* task = nullptr;           // in whose code it left a join
  std::unique_ptr<exception_origin> outer{};  // of code that waits, in a handler, while that task runs
};

// What a waiting worker asks. Lives on its stack.
class wait_condition {
 public:
  virtual bool met() noexcept = 0;
  // The worker that runs a part of what is awaited, and under which name (worker_thread::strand_of); or null.
  virtual worker_thread* runner(const void*& strand) noexcept = 0;
  // There is nothing to help with: sleeps until woken, at the latest when the condition is met. May return
  // early.
  virtual void sleep(worker_thread& me) noexcept = 0;
  // The awaited thing itself, if it has not started and can be taken out of a queue; or null.
  virtual frame* take_unstarted() noexcept { return nullptr; }

 protected:
  ~wait_condition() = default;
};

class worker_thread : public worker {
 public:
  worker_thread(crew& all, unsigned number);
  ~worker_thread();
  worker_thread(const worker_thread&) = delete;
  worker_thread& operator=(const worker_thread&) = delete;

  void start(std::size_t stack_bytes);  // throws std::system_error; also when it has left and is wanted again
  void wait_until_bound() noexcept;
  void join() noexcept {
    if (thread_) thread_->join();
  }

  // Runs what is in the own deque above `wait_floor`, and descendants of what is awaited, until the condition
  // is met.
  void wait_for(wait_condition& condition, deque_index wait_floor) noexcept;
  // Owner: the newest frame above `height`, or null.
  frame* pop_above(deque_index height) noexcept {
    const bool has_own = deque.top() > height && !deque.empty_for_owner();
    return has_own ? deque.pop() : nullptr;
  }
  // Somebody wants work: gives half of the private part and wakes a sleeper.
  void share_and_wake() noexcept;
  // Half of what has come since the worker was asked and had but one: whoever took that comes again, and
  // would have to expose the rest behind a leaf.
  void share_what_is_owed() noexcept;
  bool owes_more = false;  // owner only
  // Before a wait that no helping shortens: everything becomes stealable.
  void share_all_and_wake() noexcept;
  bool anything_visible() noexcept;
  // Asks all that run to share at their next fork. Of what was pushed before, nothing is missed by whoever
  // looks next: that takes a barrier on every thread.
  void ask_all_to_share() noexcept;
  // Shares for somebody who does not answer. The last look before a sleep waits for the lock of a deque, any
  // other gives up.
  bool expose_someone(bool before_sleep) noexcept;
  // Workers that are new are among its victims from now on.
  void look_around_anew() noexcept;
  void sleep_until_awake() noexcept;
  // This thread or another one: it has been given a core.
  void bind_to_core() noexcept;

  crew& all;
  parker park;
  slab own_nodes;
  shelves::collection ended_jobs;  // owner only
  exception_origin origin;
  worker_counters stats;
  std::vector<victim> victims;  // the owner's, once it runs
  // What the owner is to take for victims, and a sign that its place is another one.
  atomic<std::vector<victim>*> new_victims{nullptr};
  bool has_left = false;  // under the crew's lock

  // Which core it holds, or held last. Written under the lock of crew::cores.
  bool is_spare() const noexcept { return index >= first_spare; }
  unsigned spare_number() const noexcept { return index - first_spare; }
  atomic<unsigned> core;
  worker_thread* next_holder = nullptr;  // of the same core; under the lock of crew::cores, as the next two
  worker_thread* next_parked = nullptr;  // or of those that stand still on their cores
  bool has_forked_standing = false;      // and is counted for it
  bool keeps_core = false;               // stands still on its core
  // When its core came to have several holders. Those who came back mostly stand still again soon; if not,
  // the first that can parks.
  static constexpr std::int64_t not_crowded = 0;
  atomic<std::int64_t> crowded_since{not_crowded};  // nanoseconds of the steady clock
  void is_crowded() noexcept;
  bool crowded() const noexcept { return crowded_since.load(memory_order_relaxed) != not_crowded; }
  bool one_too_many() const noexcept { return crowded() && crowded_for_long(); }
  COPPICE_COLD bool crowded_for_long() const noexcept;
  atomic<unsigned> stands{0};  // calls of lend() that nest; a hint to others

  // A sleep is ended by whoever takes `asleep` away: the sleeper itself, or a waker, which counts the sleeper
  // as a searcher before it says awake. So a worker that runs is never counted as asleep.
  // `retired`: it has no core, and is parked until it is given one.
  enum class rest : std::uint32_t { awake, asleep, being_woken, retired };
  atomic<rest> resting{rest::awake};
  atomic<std::int64_t> last_share{0};      // when; nanoseconds of the steady clock
  atomic<int> sleeps_on{-1};               // the CPU on which it began or fell asleep; a hint
  atomic<worker_thread*> helper{nullptr};  // a waiter that would like to be woken when this worker shares
  atomic<const void*> strand_of{nullptr};  // what this worker runs a part of: a join frame, a group, a job

  std::unique_ptr<seat> watched;                         // null without a watchdog
  std::chrono::steady_clock::time_point strand_since{};  // owner only: when the strand began
  std::chrono::nanoseconds processor_time() const noexcept {
    return thread_ ? thread_->processor_time() : std::chrono::nanoseconds(0);
  }
  piece* running = nullptr;    // owner only: what is timed now, if anything is
  job_core* ending = nullptr;  // owner only, in outside_tasks: at whose end code of users runs
  // Owner only. What lies below this index is none of what runs now, and not to be bundled with it.
  deque_index floor = 0;

  static worker_thread& of(worker& w) noexcept { return static_cast<worker_thread&>(w); }

 private:
  static void enter(void* self);
  platform::thread::native handle() const noexcept;
  void main_loop() noexcept;
  frame* next() noexcept;
  frame* search_and_sleep() noexcept;
  bool is_surplus() const noexcept;
  bool leave() noexcept;
  COPPICE_COLD void take_new_place() noexcept;
  COPPICE_COLD void look_around_from_core() noexcept;
  platform::distance distance_of(const worker_thread& extra) const noexcept;
  frame* search() noexcept;
  frame* look_around(std::chrono::steady_clock::time_point now) noexcept;
  frame* steal_from(const victim& v) noexcept;
  frame* steal_from_extra() noexcept;
  bool ask_an_extra(std::chrono::steady_clock::time_point now) noexcept;
  frame* steal_again() noexcept;
  // What next() takes without a search, and when its strand begins.
  struct next_strand {
    frame* f = nullptr;
    std::chrono::steady_clock::time_point begins{};
  };
  next_strand take_again() noexcept;
  frame* root_of(injected* job) noexcept;
  void pass_on_the_search() noexcept;
  bool expose(worker_thread& victim, bool before_sleep) noexcept;
  // False: it has nothing to give, was asked already, or has just given.
  bool ask(worker_thread& victim, std::chrono::steady_clock::time_point now) noexcept;
  void announce_shared() noexcept;
  frame* help_with(wait_condition& condition) noexcept;
  void begin_strand(const void* what, std::chrono::steady_clock::time_point now) noexcept;
  void weigh_strand() noexcept;
  bool finds_poor_work() const noexcept { return poor_strands_ >= poor_strands_before_rest; }
  void run_as_strand(frame& f) noexcept;
  void sleep() noexcept;
  bool end_own_sleep() noexcept;
  std::uint32_t random() noexcept;

  // Neither asking nor sharing may storm where there is nothing to share: a tree that is a chain would be
  // handed from worker to worker. 25 us and 10 us cost such a chain a few percent. To see whether there is
  // anything to ask for takes the line from its owner, who writes it at every fork: not more often than every
  // 2 us (2-core x86-64 virtual machine, 2026-11).
  static constexpr std::chrono::microseconds ask_interval{25};
  static constexpr std::chrono::microseconds share_interval{10};
  static constexpr std::chrono::microseconds look_interval{2};

  static constexpr unsigned nowhere = ~0U;
  static constexpr unsigned everywhere = ~0U - 1;

  platform::futex_word bound_{0};
  unsigned bound_core_ = nowhere;   // to which it was bound last; everywhere: in a plan without places
  unsigned looked_from_ = nowhere;  // a spare worker's: from which core its victims are seen,
  unsigned looked_in_plan_ = 0;     // and in which plan
  std::size_t stack_bytes_ = 0;     // as asked for
  std::optional<platform::thread> thread_;
  platform::thread::native self_{};  // written by the thread itself before it can be parked
  std::uint64_t seed_;
  victim last_victim_{};
  std::uint32_t steals_left_ = 0;   // from last_victim_, before the next search
  std::uint32_t roots_left_ = 0;    // from the injection queue, before the next search
  bool found_root_ = false;         // the strand that begins now
  bool strand_is_weighed_ = false;  // at its end: it was stolen
  std::uint32_t poor_strands_ = 0;  // one after the other
  std::uint32_t fruitless_ = 0;     // wakes and, past the bound, poor strands
  std::uint64_t callers_seen_ = 0;  // of crew::callers
  std::chrono::steady_clock::time_point next_ask_{};
  std::chrono::steady_clock::time_point asked_at_{};
};

// While it lives, what its worker runs is apart from what lies in the deque already.
class standing_floor {
 public:
  explicit standing_floor(worker_thread& me) noexcept : standing_floor(me, me.deque.top()) {}
  standing_floor(worker_thread& me, deque_index floor) noexcept
      : me_(me), outer_(std::exchange(me.floor, floor)), outer_forking_(std::exchange(forking_worker, &me)) {}
  ~standing_floor() {
    me_.floor = outer_;
    forking_worker = outer_forking_;
  }
  standing_floor(const standing_floor&) = delete;
  standing_floor& operator=(const standing_floor&) = delete;
  frame* pop() noexcept { return me_.pop_above(me_.floor); }

 private:
  worker_thread& me_;
  const deque_index outer_;
  worker* const outer_forking_;
};

// Code of users runs that belongs to no task: what it forks is run at once. `ending` is not over before it
// has returned.
class outside_tasks {
 public:
  outside_tasks(worker_thread& me, job_core& ending) noexcept
      : me_(me),
        outer_ending_(std::exchange(me.ending, &ending)),
        outer_forking_(std::exchange(forking_worker, nullptr)) {}
  ~outside_tasks() {
    forking_worker = outer_forking_;
    me_.ending = outer_ending_;
  }
  outside_tasks(const outside_tasks&) = delete;
  outside_tasks& operator=(const outside_tasks&) = delete;

 private:
  worker_thread& me_;
  job_core* const outer_ending_;
  worker* const outer_forking_;
};

// Provided by the job floor: the root frame of an injected job; what to do when a worker has run out of
// tasks; whether the job of the running task is being stopped.
frame* root_frame(injected& job) noexcept;
void flush_counts(worker& w) noexcept;
// The same in two steps, between which the injection queue is to be told, unless no job has ended.
injection_queue::end end_counted_job(worker& w) noexcept;
void job_has_left(const injection_queue::end& over) noexcept;
void let_go_of_counts(worker& w) noexcept;
bool current_job_is_stopping(const worker& w) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
