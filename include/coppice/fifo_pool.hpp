// A finite FIFO pool: N threads take tasks, in order, from one bounded queue. Right for flat lists
// of work that blocks, and the baseline that the work-stealing scheduler is measured against.
//
// Any thread may call any member of a `fifo_pool`, except that its own workers may not stop it.
//
//   coppice::fifo_pool pool({.workers = 8, .name = "fetch"});
//   std::vector<coppice::fifo_task<std::string>> pages;
//   for (const auto& url : urls) pages.push_back(pool.submit([&url] { return fetch(url); }));
//   for (auto& page : pages) {
//     try { store(page.get()); } // the value, or what fetch() threw
//     catch (const std::exception& error) { std::cerr << error.what() << '\n'; }
//   }
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <coppice/detail/config.hpp>
#include <coppice/detail/stream_body.hpp>
#include <coppice/fifo_task.hpp>
#include <coppice/stop.hpp>

namespace coppice::inline v0 {
namespace platform {
class party;
struct outlook;
}  // namespace platform

/// What a worker's own `submit` does while the queue is full, and its wait for a task of its own pool
/// while that has not run: such waits can leave no worker to run what they wait for.
enum class recursion {
  detect,  ///< blocks, but throws would_deadlock at once if no worker is left, or workers wait in a circle
  help,    ///< runs queued tasks meanwhile, on top of the waiting one; throws where that does not help
  block,   ///< blocks, also for ever: what pools do that do not look
};

/// The options of a fifo_pool.
///
/// Lifetime: copied by the pool; need not outlive its constructor.
struct fifo_options {
  /// How many threads. 0: one per CPU of the calling thread's affinity mask. More than 4096 is
  /// refused.
  unsigned workers = 0;

  /// How many tasks may wait for a worker before `submit` blocks and `try_submit` says full. At
  /// least 1.
  std::size_t queue_capacity = 1000;

  recursion on_recursion = recursion::detect;

  /// Names the threads: `fifo-00`, `fifo-01`, ... The system keeps 15 characters: a longer name is
  /// cut, not the number.
  std::string name = "fifo";
};

/// Counts since the pool was made, all of one moment: submitted == ran + skipped + queued + running.
/// The steps of a stream (`map`) count as tasks: each runs one or more inputs.
struct fifo_stats {
  std::uint64_t submitted = 0;  ///< tasks accepted
  std::uint64_t ran = 0;        ///< tasks that ended by running, failed ones included
  std::uint64_t skipped = 0;    ///< tasks that a stop kept from running
  std::uint64_t rejected = 0;   ///< submissions refused: queue full, or pool stopped
  std::size_t queued = 0;       ///< tasks that wait for a worker now
  std::size_t running = 0;      ///< tasks that a worker has taken and not ended yet
  std::size_t standing = 0;     ///< workers that wait for a task of this pool, or for room in its queue
  unsigned workers = 0;         ///< threads that the pool is meant to have: see resize
};

/// Threads that take tasks, in order of acceptance, from one bounded queue.
///
/// Threads: any.
/// In a child made by fork() its threads do not exist: `submit`, `stop`, `stats` and waits for tasks
/// that had not run throw scheduler_stopped, `try_submit` says stopped, the destructor joins nobody.
/// Lifetime: no call may be in progress, nor blocked, when the pool is destroyed; a `stop` before
/// that wakes blocked ones.
/// Example: at the top of this file.
class COPPICE_API fifo_pool {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Starts the threads.
  ///
  /// Throws: std::invalid_argument on more than 4096 workers or a capacity of 0; std::system_error
  /// when a thread cannot be created, those that were created have ended then; std::bad_alloc.
  explicit fifo_pool(fifo_options options = {});

  fifo_pool(const fifo_pool&) = delete;
  fifo_pool& operator=(const fifo_pool&) = delete;

  /// `stop(stop_mode::drain)`. In one of the pool's own workers: std::terminate.
  ~fifo_pool();

  /// Hands f to the workers. The result is what `f()` returns: void, a reference, a move-only type.
  ///
  /// Blocks: while the queue is full; a worker of this pool as fifo_options::on_recursion says.
  /// Throws: std::invalid_argument if f is an empty std::function or a null pointer;
  /// scheduler_stopped if the pool is stopped, before the call or while it blocks; would_deadlock in
  /// a worker of this pool, if there could never be room; recursion_too_deep if helping has used up
  /// the worker's stack; std::bad_alloc; what moving f throws. In all these cases no task was
  /// accepted, and f is untouched but in the last two. Never what f throws when called.
  /// Stop: wakes when one begins.
  /// Cost: one allocation, one notification, one lock of the queue's mutex; two if f has to be moved
  /// from.
  template <detail::fifo_callable F>
  auto submit(F&& f) -> fifo_task<std::invoke_result_t<F>>;

  /// As `submit`, but never waits for room: says what happened instead. f is untouched unless
  /// accepted.
  ///
  /// Throws: as `submit`, without scheduler_stopped and would_deadlock.
  /// Cost: one allocation, one notification, two locks; one lock and nothing else when refused.
  template <detail::fifo_callable F>
  [[nodiscard]] auto try_submit(F&& f) -> fifo_submission<std::invoke_result_t<F>>;

  /// As `try_submit`, but waits for room until `when`; with time_point::max() for ever, as `submit` does, and
  /// then throws would_deadlock and recursion_too_deep where that does.
  template <detail::fifo_callable F>
  [[nodiscard]] auto submit_until(F&& f, time_point when) -> fifo_submission<std::invoke_result_t<F>>;

  /// Streams f(input) for each input of a range, as scheduler::map. Each step of the stream is a task, which
  /// runs inputs for 200 us or a longer one, and then queues up again.
  ///
  /// Threads: any. Blocks: not at all.
  /// Throws: std::invalid_argument for a capacity of 0, serial_first and an empty callable;
  /// scheduler_stopped; std::bad_alloc; what moving throws.
  /// Stop: a running input is not told of it, since it is no task of a job: in it
  /// this_task::stop_requested() is false and this_task::fail() throws. A cancel, the deadline and fail_fast
  /// keep further inputs from being taken; those that run finish.
  /// Cost: as scheduler::map.
  template <std::ranges::input_range Range, class F>
  auto map(Range&& inputs, F f, stream_options options = {}) -> results<detail::mapped<Range, F>> {
    detail::require_callable(f);
    auto pool = stream_pool();
    return results<detail::mapped<Range, F>>(
        detail::start_stream(std::move(pool), std::forward<Range>(inputs), std::move(f), std::move(options)));
  }

  /// From now on the pool has this many workers; 0: one per CPU. Workers that are too many leave when
  /// their tasks have ended.
  ///
  /// Threads: any, the pool's own workers included. Blocks: until new threads are started.
  /// Throws: std::invalid_argument on more than 4096; scheduler_stopped; std::system_error when a
  /// thread cannot be created: the pool then has as many workers as were there before or could be
  /// added.
  void resize(unsigned workers);

  /// Refuses new tasks, wakes blocked submitters, runs (drain) or skips (cancel) what is queued, and
  /// returns when every task and every thread has ended. Asking again is allowed, also from several
  /// threads at once: all return then, and one cancel is enough to skip what is still queued.
  ///
  /// Blocks: until all running tasks have ended.
  /// Throws: std::runtime_error in one of the pool's own workers, which would wait for itself;
  /// std::bad_alloc.
  stop_report stop(stop_mode mode = stop_mode::drain);
  /// Drains until `when`, then cancels what has not started.
  stop_report stop_until(time_point when);

  /// Counts what the pool did so far. A task that was waited for is no longer running.
  fifo_stats stats() const;

 private:
  friend class detail::fifo_node;
  friend class detail::fifo_stream_pool;
  using seat = detail::fifo_seat;
  friend struct detail::fifo_seat;
  friend class detail::fifo_task_party;
  friend class detail::fifo_room_party;
  class awaited;
  class room;
  class end_of_task;

  // How long to wait: not at all (null), for ever (max), or until then.
  static constexpr time_point for_ever = time_point::max();

  // Accepting a task: at once, or in two steps between which no lock is held.
  void admit(detail::fifo_node& node);
  admission reserve(const time_point* until);
  void unreserve() noexcept;
  void look_for_room_again() noexcept;
  void room_for_one() noexcept;
  void end_waits_for_room() noexcept;
  void enqueue(detail::fifo_node& node) noexcept;
  template <class F>
  auto place(F&& f) -> fifo_task<std::invoke_result_t<F>>;
  template <class F>
  auto submit_within(F&& f, const time_point* until) -> fifo_submission<std::invoke_result_t<F>>;

  bool full() const noexcept { return queued_ + in_hand_ >= options_.queue_capacity; }
  void await_room_as(platform::party& me, std::unique_lock<std::mutex>& lock, const room& here);
  admission await_room(std::unique_lock<std::mutex>& lock, const time_point* until);
  void append(std::unique_lock<std::mutex>& lock, detail::fifo_node& node) noexcept;
  bool post(detail::fifo_node& node) noexcept;
  std::unique_ptr<detail::stream_pool> stream_pool();
  [[noreturn]] void refuse() const;

  bool inherited_over_fork() const noexcept;
  [[noreturn]] void refuse_inherited() const;
  void leave_to_parent() noexcept;

  stop_report stop(stop_mode mode, const time_point* until);
  void begin_stop() noexcept;
  void await_end(const time_point* until);
  void cancel_all(std::unique_lock<std::mutex>& lock);
  void cancel_queued(std::unique_lock<std::mutex>& lock);
  void insist_on_conservation() const noexcept;
  void join();
  std::uint64_t ran() const noexcept;

  void start(seat& worker);
  void work(seat& own);
  bool await_task(std::unique_lock<std::mutex>& lock, seat& own);
  void run_next(std::unique_lock<std::mutex>& lock, seat& own);
  void leave(seat& own) noexcept;

  // A worker that waits for its own pool: standing.cpp.
  static seat* own_seat(const fifo_pool* pool) noexcept;
  void stand(std::unique_lock<std::mutex>& lock, awaited& what);
  void stand_until(std::unique_lock<std::mutex>& lock, awaited& what, time_point when);
  void help(std::unique_lock<std::mutex>& lock, seat& own);
  void wait_as_worker(const detail::fifo_node& node);
  std::string why_stuck(const seat& own) const;
  std::string why_stuck_elsewhere(std::unique_lock<std::mutex>& lock, seat& own);
  platform::outlook any_worker() const;
  void something_moved() noexcept;
  void let_those_who_stand_look() noexcept;

  const fifo_options options_;
  const std::shared_ptr<detail::stream_door> streams_;  // that were made here, and may be read later
  const unsigned forks_;  // before it was made; more of them: this is a child's copy

  mutable std::mutex mutex_;  // guards what follows, up to the line
  std::condition_variable not_full_, not_empty_, moved_, left_;
  std::condition_variable look_again_;  // those who wait for room as a part of others' waits
  detail::fifo_node* head_ = nullptr;   // the queue: linked by fifo_node::next
  detail::fifo_node* tail_ = nullptr;
  std::size_t queued_ = 0;
  std::size_t in_hand_ = 0;  // outside the queue: being filled by a submitter, or skipped by a stop
  std::size_t blocked_ = 0;  // submitters that wait for room; a stop refuses them all, when it begins
  std::uint64_t submitted_ = 0, taken_ = 0, skipped_ = 0, rejected_ = 0;
  bool stopping_ = false, cancelled_ = false;
  std::uint64_t ran_before_stop_ = 0, rejected_before_stop_ = 0;
  std::vector<running_task> still_running_;  // when cancel was asked for
  std::vector<std::unique_ptr<seat>> seats_;
  unsigned wanted_ = 0;          // workers; seats from here on are to be left
  unsigned present_ = 0;         // seats that somebody sits on
  std::uint64_t room_lost_ = 0;  // how often, while somebody waited at look_again_
  std::uint64_t moves_ = 0;      // how often those who stand were to look again
  // ----
  std::atomic<unsigned> standing_ = 0;       // changed under the mutex; read by who settles a task
  std::atomic<unsigned> rooms_awaited_ = 0;  // by those at look_again_; increased under the mutex
  std::mutex resizing_;                      // one at a time starts and joins threads
};

// ---- what the templates above are made of ------------------------------------------------------

template <class F>
auto fifo_pool::place(F&& f) -> fifo_task<std::invoke_result_t<F>> {
  // Between reserve() and enqueue(): f is moved from only when there is a place for it, and under no
  // lock, because moving is user code.
  detail::fifo_closure<F>* node;
  try {
    node = new detail::fifo_closure<F>(std::forward<F>(f));
  } catch (...) {
    unreserve();
    throw;
  }
  fifo_task<std::invoke_result_t<F>> task(*node);
  enqueue(*node);
  return task;
}

template <class F>
auto fifo_pool::submit_within(F&& f, const time_point* until) -> fifo_submission<std::invoke_result_t<F>> {
  detail::require_callable(f);
  const admission status = reserve(until);
  if (status != admission::accepted) return {status, {}};
  return {status, place(std::forward<F>(f))};
}

template <detail::fifo_callable F>
auto fifo_pool::submit(F&& f) -> fifo_task<std::invoke_result_t<F>> {
  if constexpr (detail::fifo_copied<F>) {
    detail::require_callable(f);
    auto& node = *new detail::fifo_closure<F>(std::forward<F>(f));
    fifo_task<std::invoke_result_t<F>> task(node);
    admit(node);
    return task;
  } else {
    auto [status, task] = submit_within(std::forward<F>(f), &for_ever);
    if (status != admission::accepted) refuse();
    return std::move(task);
  }
}

template <detail::fifo_callable F>
auto fifo_pool::try_submit(F&& f) -> fifo_submission<std::invoke_result_t<F>> {
  return submit_within(std::forward<F>(f), nullptr);
}

template <detail::fifo_callable F>
auto fifo_pool::submit_until(F&& f, time_point when) -> fifo_submission<std::invoke_result_t<F>> {
  return submit_within(std::forward<F>(f), &when);
}

}  // namespace coppice::inline v0
