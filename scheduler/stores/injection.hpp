// The injection queue: root tasks on their way from outside threads to the workers. First in, first out,
// bounded.
//
// The bound is for outsiders: a worker's own submissions are always taken in, or it could wait for itself.
// Admission comes in two steps, reserve and commit, so that a callable is moved only when there is room for
// it.
//
// Everything is under one lock: a root is the coarsest thing there is, and the lock also lets a worker that
// waits for a job take that job's root out of the middle.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/frame.hpp>
#include <coppice/stop.hpp>
#include <cstddef>
#include <mutex>

#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

struct injected;

class injection_queue {
 public:
  explicit injection_queue(std::size_t capacity) noexcept : capacity_(capacity) {}

  enum class outcome { reserved, full, closed, timed_out };
  // Waits for room until the deadline, if `wait`.
  outcome reserve(bool wait, const std::chrono::steady_clock::time_point* deadline);
  // A worker's reservation: no bound.
  outcome reserve_unbounded();
  // Beyond the bound, for a job that will not wait for a worker's time. False: closed.
  bool reserve_anyway() noexcept;
  void cancel_reservation() noexcept;
  void commit(injected& job) noexcept;

  injected* take() noexcept;
  bool remove(injected& job) noexcept;  // false: somebody took it already
  // The first one that the predicate accepts; it is asked under the queue's lock.
  template <class Predicate>
  injected* take_if(const Predicate& wanted) noexcept {
    const std::lock_guard hold(lock_);
    for (injected* job = first_; job != nullptr; job = next_of(*job)) {
      if (!wanted(*job)) continue;
      unlink(*job);
      return job;
    }
    return nullptr;
  }
  struct state {
    std::size_t queued, blocked;
  };
  state now() const noexcept {
    const std::lock_guard hold(lock_);
    return {queued_.load(memory_order_relaxed), blocked_};
  }
  bool empty() const noexcept { return queued_.load(memory_order_seq_cst) == 0; }

  // No reservation succeeds any more; who waits for one wakes up.
  void close() noexcept;

 private:
  static injected* next_of(const injected& job) noexcept;
  void unlink(injected& job) noexcept;

  mutable mutex lock_;
  condition_variable room_;
  injected* first_ = nullptr;
  injected* last_ = nullptr;
  const std::size_t capacity_;
  std::size_t admitted_ = 0;  // reserved or queued
  std::size_t blocked_ = 0;   // who waits for room
  bool closed_ = false;
  // order(injected): seq_cst on both sides; the submitter's half of announce and look (idle.md): it stores
  // the count, then reads the sleepers; a sleeper announces itself, then reads the count.
  atomic<std::size_t> queued_{0};
};

// What the queue links; base class of a job.
struct injected {
  injected* before = nullptr;
  injected* after = nullptr;
  bool queued = false;  // under the queue's lock
  bool bounded = true;  // counts against the capacity
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
