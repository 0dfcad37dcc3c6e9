// A finite FIFO pool: N threads take tasks, in order, from one bounded queue. Right for flat lists
// of work that blocks, and the baseline that the work-stealing scheduler is measured against.
//
// Any thread may call any member of a `fifo_pool`, except that its own workers may not stop it.
// A `fifo_task` belongs to one thread at a time.
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
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <coppice/detail/config.hpp>
#include <coppice/stop.hpp>

namespace coppice::inline v0 {

namespace detail {
class fifo_node;
template <class T>
class fifo_result;

/// What can be submitted: callable without arguments, and the pool can keep a copy of its own. Not
/// std::constructible_from, which refuses a closure whose destructor may throw.
template <class F>
concept fifo_callable = std::invocable<F> && std::is_constructible_v<std::decay_t<F>, F>;
}  // namespace detail

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

  /// Names the threads: `fifo-00`, `fifo-01`, ... The system keeps 15 characters: a longer name is
  /// cut, not the number.
  std::string name = "fifo";
};

/// Counts since the pool was made, all of one moment: submitted == ran + skipped + queued + running.
struct fifo_stats {
  std::uint64_t submitted = 0;  ///< tasks accepted
  std::uint64_t ran = 0;        ///< tasks that ended by running, failed ones included
  std::uint64_t skipped = 0;    ///< tasks that a stop kept from running
  std::uint64_t rejected = 0;   ///< submissions refused: queue full, or pool stopped
  std::size_t queued = 0;       ///< tasks that wait for a worker now
  std::size_t running = 0;      ///< tasks that a worker has taken and not ended yet
  unsigned workers = 0;         ///< threads that the pool was made with
};

/// The handle of a submitted task, movable. Destroying it blocks nobody and cancels nothing: the
/// task runs, and its result is thrown away, an exception too.
///
/// Threads: one at a time.
/// Lifetime: may outlive the pool.
template <class T>
class fifo_task {
 public:
  /// An empty handle.
  fifo_task() noexcept = default;
  fifo_task(fifo_task&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  fifo_task& operator=(fifo_task&& other) noexcept {
    fifo_task(std::move(other)).swap(*this);
    return *this;
  }
  ~fifo_task();

  /// Whether there is a task to wait for: false after `get`, after a move, and if none was accepted.
  bool valid() const noexcept { return node_ != nullptr; }

  /// Returns when the task has run or was skipped. What the task did, the destruction of its closure
  /// included, happens before that.
  ///
  /// Blocks: until then. A worker of the same pool keeps its thread meanwhile: if all workers wait
  /// for queued tasks, nothing moves until `stop(stop_mode::cancel)` skips those.
  /// Throws: std::future_error (no_state) on an empty handle; never what the task threw.
  void wait() const;

  /// Waits, then hands the result over and leaves the handle empty.
  ///
  /// Blocks: as `wait`.
  /// Throws: what the task threw, or else the destructor of its closure; scheduler_stopped if a stop
  /// skipped it; std::future_error (no_state) on an empty handle.
  T get();

  void swap(fifo_task& other) noexcept { std::swap(node_, other.node_); }

 private:
  friend class fifo_pool;
  explicit fifo_task(detail::fifo_result<T>& node) noexcept : node_(&node) {}

  detail::fifo_result<T>* node_ = nullptr;
};

/// What `fifo_pool::try_submit` answers.
template <class T>
struct fifo_submission {
  admission status = admission::stopped;
  fifo_task<T> task;  ///< empty unless accepted
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
  /// Blocks: while the queue is full; also a worker of this pool, which keeps its thread meanwhile.
  /// Throws: std::invalid_argument if f is an empty std::function or a null pointer;
  /// scheduler_stopped if the pool is stopped, before the call or while it blocks; std::bad_alloc;
  /// what moving f throws. In all these cases no task was accepted, and f is untouched in the first
  /// three. Never what f throws when called.
  /// Stop: wakes when one begins.
  /// Cost: one allocation, one notification, one lock of the queue's mutex; two if f has to be moved
  /// from.
  template <detail::fifo_callable F>
  auto submit(F&& f) -> fifo_task<std::invoke_result_t<F>>;

  /// As `submit`, but never waits for room: says what happened instead. f is untouched unless
  /// accepted.
  ///
  /// Throws: as `submit`, without scheduler_stopped.
  /// Cost: one allocation, one notification, two locks; one lock and nothing else when refused.
  template <detail::fifo_callable F>
  [[nodiscard]] auto try_submit(F&& f) -> fifo_submission<std::invoke_result_t<F>>;

  /// Refuses new tasks, wakes blocked submitters, runs (drain) or skips (cancel) what is queued, and
  /// returns when every task and every thread has ended. Asking again is allowed, also from several
  /// threads at once: all return then, and one cancel is enough to skip what is still queued.
  ///
  /// Blocks: until all running tasks have ended.
  /// Throws: std::runtime_error in one of the pool's own workers, which would wait for itself;
  /// std::bad_alloc.
  stop_report stop(stop_mode mode = stop_mode::drain);

  /// Counts what the pool did so far. A task that was waited for is no longer running.
  fifo_stats stats() const;

 private:
  struct seat;

  // Accepting a task: at once, or in two steps between which no lock is held.
  void admit(detail::fifo_node& node);
  admission reserve(bool wait_for_room);
  void unreserve() noexcept;
  void enqueue(detail::fifo_node& node) noexcept;
  template <class F>
  auto place(F&& f) -> fifo_task<std::invoke_result_t<F>>;

  admission await_room(std::unique_lock<std::mutex>& lock, bool wait_for_room);
  void append(std::unique_lock<std::mutex>& lock, detail::fifo_node& node) noexcept;
  [[noreturn]] void refuse() const;

  bool inherited_over_fork() const noexcept;
  [[noreturn]] void refuse_inherited() const;
  void leave_to_parent() noexcept;

  void work(unsigned index);
  detail::fifo_node* take(seat& own);
  std::uint64_t ran() const noexcept;
  void join();

  const fifo_options options_;  // workers is never 0 here
  const unsigned forks_;        // before it was made; more of them: this is a child's copy

  mutable std::mutex mutex_;  // guards what follows, up to the line
  std::condition_variable not_full_, not_empty_;
  detail::fifo_node* head_ = nullptr;  // the queue: linked by fifo_node::next
  detail::fifo_node* tail_ = nullptr;
  std::size_t queued_ = 0;
  std::size_t in_hand_ = 0;  // outside the queue: being filled by a submitter, or skipped by a stop
  std::uint64_t submitted_ = 0, taken_ = 0, skipped_ = 0, rejected_ = 0;
  bool stopping_ = false, cancelled_ = false;
  std::uint64_t ran_before_stop_ = 0, rejected_before_stop_ = 0;
  std::vector<running_task> still_running_;  // when cancel was asked for
  // ----
  std::unique_ptr<seat[]> seats_;  // one per worker
  std::mutex joining_;             // guards threads_ once the constructor is done
  std::vector<std::thread> threads_;
};

// ---- what the templates above are made of ------------------------------------------------------

namespace detail {

[[noreturn]] COPPICE_API void throw_empty_callable();
[[noreturn]] COPPICE_API void throw_empty_fifo_task();

/// One accepted task: its closure, what came of it, and its link in the queue.
///
/// It has two owners, the pool and the handle, and the second one to leave deletes it: `settle` and
/// `drop` decide that under the mutex. No reference count, because then the pool could be the one
/// to destroy a result after `wait` has returned.
class COPPICE_API fifo_node {
 public:
  fifo_node(const fifo_node&) = delete;
  fifo_node& operator=(const fifo_node&) = delete;

  // The pool's side; after settle() or skip() the node may be gone.
  virtual void run() noexcept = 0;  ///< calls the closure, keeps what came of it, destroys the closure
  void settle() noexcept;           ///< wakes who waits
  void skip() noexcept;             ///< instead of both: the outcome is scheduler_stopped

  // The handle's side; after drop() the node may be gone.
  void wait();
  void drop() noexcept;

  fifo_node* next = nullptr;  ///< guarded by the pool's mutex

 protected:
  fifo_node() noexcept;
  virtual ~fifo_node();
  virtual void destroy_closure() noexcept = 0;

  std::exception_ptr error_;  // the pool's until settled, then the handle's

 private:
  const unsigned forks_;  // before it was made; more of them: this is a child's copy
  std::mutex mutex_;
  std::condition_variable has_settled_;
  bool settled_ = false, dropped_ = false;
};

/// The part that the handle knows: a task with a result of type T.
template <class T>
class fifo_result : public fifo_node {
 public:
  T take() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(**value_);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*value_);
    }
  }

 protected:
  template <class Call>
  void keep(Call&& call) {
    if constexpr (std::is_void_v<T>) {
      call();
    } else if constexpr (std::is_reference_v<T>) {
      T&& result = call();
      value_ = std::addressof(result);
    } else {
      value_.emplace(call());
    }
  }

 private:
  using kept = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*,
                                  std::conditional_t<std::is_void_v<T>, std::monostate, std::remove_cv_t<T>>>;
  std::optional<kept> value_;
};

/// The whole: the closure is called as F was handed in, so an rvalue is called as an rvalue.
template <class F>
class fifo_closure final : public fifo_result<std::invoke_result_t<F>> {
  using stored = std::decay_t<F>;
  using called = std::conditional_t<std::is_function_v<std::remove_reference_t<F>>, stored, F>;

 public:
  explicit fifo_closure(F&& f) : closure_(std::forward<F>(f)) {}
  ~fifo_closure() noexcept override {}  // run or skip has destroyed the closure

  void run() noexcept override {
    // The handler is left before settle(), so the exception cannot die here after wait() returned.
    try {
      this->keep([this]() -> decltype(auto) { return static_cast<called&&>(closure_)(); });
    } catch (...) {
      this->error_ = std::current_exception();
    }
    destroy_closure();
  }

 private:
  void destroy_closure() noexcept override {
    try {
      closure_.~stored();
    } catch (...) {
      if (!this->error_) this->error_ = std::current_exception();
    }
  }

  union {  // destroyed before the node is, and a destructor that throws is an error like any other
    stored closure_;
  };
};

/// Types with an empty state that must not be called: pointers, std::function and its like. Lambdas
/// compare with nullptr too, by converting to a pointer, but have no operator bool of their own.
template <class F>
concept fifo_nullable = std::is_pointer_v<F> || requires(const F& f) {
  f.operator bool();
  { f == nullptr } -> std::convertible_to<bool>;
};

/// Keeping one of these leaves f as it is, so that it can be done before the pool has said yes.
template <class F>
concept fifo_copied = std::is_lvalue_reference_v<F> || std::is_trivially_copyable_v<std::decay_t<F>>;

template <class F>
void require_callable(const F& f) {
  if constexpr (fifo_nullable<F>) {
    if (f == nullptr) throw_empty_callable();
  }
}

}  // namespace detail

template <class T>
fifo_task<T>::~fifo_task() {
  if (node_) node_->drop();
}

template <class T>
void fifo_task<T>::wait() const {
  if (!node_) detail::throw_empty_fifo_task();
  node_->wait();
}

template <class T>
T fifo_task<T>::get() {
  const fifo_task mine = std::move(*this);  // its end drops the node, also when take() throws
  mine.wait();
  return mine.node_->take();
}

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

template <detail::fifo_callable F>
auto fifo_pool::submit(F&& f) -> fifo_task<std::invoke_result_t<F>> {
  detail::require_callable(f);
  if constexpr (detail::fifo_copied<F>) {
    auto& node = *new detail::fifo_closure<F>(std::forward<F>(f));
    fifo_task<std::invoke_result_t<F>> task(node);
    admit(node);
    return task;
  } else {
    if (reserve(true) != admission::accepted) refuse();
    return place(std::forward<F>(f));
  }
}

template <detail::fifo_callable F>
auto fifo_pool::try_submit(F&& f) -> fifo_submission<std::invoke_result_t<F>> {
  detail::require_callable(f);
  const admission status = reserve(false);
  if (status != admission::accepted) return {status, {}};
  return {status, place(std::forward<F>(f))};
}

}  // namespace coppice::inline v0
