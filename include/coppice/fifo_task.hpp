// The handle of a task of a `fifo_pool`: waits for it, and hands its result over.
//
// A handle belongs to one thread at a time; it may outlive its pool.
//
//   coppice::fifo_task<std::string> page = pool.submit([&url] { return fetch(url); });
//   try { store(page.get()); } // the value, or what fetch() threw
//   catch (const std::exception& error) { std::cerr << error.what() << '\n'; }
#pragma once

#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <coppice/detail/callable.hpp>
#include <coppice/detail/config.hpp>
#include <coppice/stop.hpp>

namespace coppice::inline v0 {

class fifo_pool;

namespace platform {
class party;
}  // namespace platform

namespace detail {
class fifo_node;
struct fifo_seat;
template <class T>
class fifo_result;
class fifo_stream_pool;
class fifo_task_party;
class fifo_room_party;

/// What can be submitted: callable without arguments, and the pool can keep a copy of its own. Not
/// std::constructible_from, which refuses a closure whose destructor may throw.
template <class F>
concept fifo_callable = std::invocable<F> && std::is_constructible_v<std::decay_t<F>, F>;
}  // namespace detail

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
  /// Blocks: until then; in a worker of the same pool as fifo_options::on_recursion says.
  /// Throws: std::future_error (no_state) on an empty handle; in a worker of this or another pool and in a
  /// task of a job would_deadlock, with the chain, if the wait could never end; recursion_too_deep if helping
  /// has used up the worker's stack; never what the task threw.
  void wait() const;

  /// Waits, then hands the result over and leaves the handle empty.
  ///
  /// Blocks: as `wait`.
  /// Throws: as `wait`, the handle keeps its task then; what the task threw, or else the destructor of its
  /// closure; scheduler_stopped if a stop skipped it.
  T get();

  void swap(fifo_task& other) noexcept { std::swap(node_, other.node_); }

 private:
  friend class fifo_pool;
  explicit fifo_task(detail::fifo_result<T>& node) noexcept : node_(std::addressof(node)) {}

  detail::fifo_result<T>* node_ = nullptr;
};

/// What `fifo_pool::try_submit` answers.
template <class T>
struct fifo_submission {
  admission status = admission::stopped;
  fifo_task<T> task;  ///< empty unless accepted
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
  bool settled() const noexcept;
  void search_again() noexcept;  ///< who waits, and has counted on a worker that has left

  // Guarded by the pool's mutex.
  fifo_node* next = nullptr;
  const fifo_pool* pool = nullptr;    ///< that accepted it
  const fifo_seat* runner = nullptr;  ///< the worker that took it; null: none yet
  std::uint64_t number = 0;           ///< in order of acceptance

 protected:
  fifo_node() noexcept;
  virtual ~fifo_node();
  virtual void destroy_closure() noexcept = 0;

  std::exception_ptr error_;  // the pool's until settled, then the handle's

 private:
  void wait_as(platform::party& me);
  bool sleep_until_settled(bool searches);  // false: to search anew

  const unsigned forks_;  // before it was made; more of them: this is a child's copy
  mutable std::mutex mutex_;
  std::condition_variable has_settled_;
  bool settled_ = false, dropped_ = false;
  bool search_again_ = false;
};

/// The part that the handle knows: a task with a result of type T.
template <class T>
class fifo_result : public fifo_node {
 public:
  fifo_result() = default;
  ~fifo_result() noexcept override = default;
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

 public:
  explicit fifo_closure(F&& f) : closure_(std::forward<F>(f)) {}
  ~fifo_closure() noexcept override {}  // run or skip has destroyed the closure

  void run() noexcept override {
    // The handler is left before settle(), so the exception cannot die here after wait() returned.
    try {
      this->keep([this]() -> decltype(auto) { return static_cast<called_as<F>&&>(closure_)(); });
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

/// Keeping one of these leaves f as it is, so that it can be done before the pool has said yes.
template <class F>
concept fifo_copied = std::is_lvalue_reference_v<F> || std::is_trivially_copyable_v<std::decay_t<F>>;

template <class F>
void require_callable(const F& f) {
  if (is_empty_callable(f)) throw_empty_callable();
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
  wait();
  const fifo_task mine = std::move(*this);  // its end drops the node, also when take() throws
  return mine.node_->take();
}

}  // namespace coppice::inline v0
