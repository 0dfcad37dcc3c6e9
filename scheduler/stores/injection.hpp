// The injection queue: root tasks on their way from outside threads to the workers, and those that have been
// taken and whose jobs have not ended. First in, first out, bounded.
//
// The bound is for outsiders: a worker's own submissions are always taken in, or it could wait for itself.
// Admission comes in two steps, reserve and commit, so that a callable is moved only when there is room for
// it.
//
// A root is in one of two lists from its commit to the end of its job: queued or taken. Both are under one
// lock, so that a job costs three visits in all, and two where a worker goes from one to the next: it tells
// the end of the last with the visit that takes the next. The lock also lets a worker that waits for a job
// take that job's root out of the middle.
//
// What is reserved or queued is the difference of two counts that only grow: reservations, which need no lock
// while nobody is blocked, and those that are over, which are counted under it, where the blocked ones look.
// A submitter goes by what it has last seen of those until that is too little.
#pragma once

#include <algorithm>
#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/frame.hpp>
#include <coppice/stop.hpp>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// What the lists link; base class of a job.
struct injected {
  injected* before = nullptr;
  injected* after = nullptr;
  bool queued = false;  // under the lock
  bool bounded = true;  // counts against the capacity
};

// Provided by the job floor: asks the processor for the job's lines. It may be gone.
void fetch_soon(const injected* job) noexcept;

class injection_queue {
 public:
  explicit injection_queue(std::size_t capacity) noexcept : capacity_(std::min(capacity, no_bound)) {}

  enum class outcome { reserved, full, closed, timed_out };
  // Waits for room until the deadline, if `wait`.
  outcome reserve(bool wait, const std::chrono::steady_clock::time_point* deadline);
  // A worker's reservation: no bound.
  outcome reserve_unbounded() const noexcept { return closed() ? outcome::closed : outcome::reserved; }
  // Beyond the bound, for a job that will not wait for a worker's time. False: closed.
  bool reserve_anyway() noexcept;
  void cancel_reservation() noexcept;
  void commit(injected& job) noexcept;

  injected* take() noexcept;
  // The end of a job whose root was taken, with so many tasks; or of none, if job is null.
  struct end {
    injected* job = nullptr;
    std::uint64_t ran = 0, skipped = 0;
    std::chrono::steady_clock::time_point when{};
    bool was_last = false;  // the queue's answer: none is left
  };
  void ended(end& over) noexcept;
  // Both in one visit, the end first.
  injected* take_after(end& over) noexcept;
  bool remove(injected& job) noexcept;  // false: somebody took it already
  // The first one that the predicate accepts; it is asked under the queue's lock.
  template <class Predicate>
  injected* take_if(const Predicate& wanted) noexcept {
    const std::lock_guard hold(lock_);
    for (injected* job = queued_.first; job != nullptr; job = job->after) {
      if (!wanted(*job)) continue;
      mark_taken(*job);
      return job;
    }
    return nullptr;
  }

  struct state {
    std::size_t queued, blocked;
    std::uint64_t live;          // queued or taken
    std::uint64_t committed;     // ever
    std::uint64_t ran, skipped;  // tasks of the jobs that have ended
  };
  state now() const noexcept {
    const std::lock_guard hold(lock_);
    return counted();
  }
  // Of those that are queued or taken, and the state at that moment. `f` is called under the lock, and may
  // throw.
  template <class F>
  state for_each_live(F&& f) const {
    const std::lock_guard hold(lock_);
    for (const list* l : {&queued_, &taken_})
      for (injected* job = l->first; job != nullptr; job = job->after) f(*job);
    return counted();
  }
  bool empty() const noexcept { return waiting_.load(memory_order_seq_cst) == 0; }

  // No reservation succeeds any more; who waits for one wakes up.
  void close() noexcept;

 private:
  // The first one's `before` says nothing: whoever takes the first leaves the next one's memory alone.
  struct list {
    injected* first = nullptr;
    injected* last = nullptr;
    void append(injected& job) noexcept;
    void unlink(injected& job) noexcept;
  };
  // Under the lock.
  state counted() const noexcept {
    const std::size_t queued = waiting_.load(memory_order_relaxed);
    return {queued, blocked_, queued + taken_ever_ - ended_ever_, queued + taken_ever_, ran_, skipped_};
  }
  void mark_taken(injected& job) noexcept;
  void mark_ended(end& over) noexcept;
  injected* take_oldest(end* over) noexcept;
  outcome try_reserve(std::size_t capacity) noexcept;
  outcome look_and_reserve() noexcept;
  void give_room() noexcept;
  bool closed() const noexcept { return (reserved_.load(memory_order_relaxed) & is_closed) != 0; }

  // What a submitter writes, on one line; then what only workers write; then what only submitters do.
  alignas(cache_line) mutable mutex lock_;
  list queued_;
  // order(injected): seq_cst on both sides; the submitter's half of announce and look (idle.md): it stores
  // the count, then reads the sleepers; a sleeper announces itself, then reads the count.
  atomic<std::size_t> waiting_{0};  // in queued_; written under the lock

  list taken_;
  std::uint64_t taken_ever_ = 0;
  std::uint64_t ended_ever_ = 0;
  std::uint64_t ran_ = 0;
  std::uint64_t skipped_ = 0;
  std::size_t given_ = 0;    // reservations that are over, ever
  std::size_t blocked_ = 0;  // who waits for room

  static constexpr std::size_t no_bound = ~std::size_t{0} >> 1;
  static constexpr std::size_t is_closed = ~no_bound;
  const std::size_t capacity_;
  // order(room): relaxed; pairs with itself. What a reservation is for is handed over by the list, under the
  // lock.
  alignas(cache_line) atomic<std::size_t> reserved_{0};  // ever; and is_closed
  atomic<std::size_t> given_seen_{0};     // `given_` when somebody looked; written under the lock
  atomic<bool> somebody_blocked_{false};  // written under the lock
  condition_variable room_;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
