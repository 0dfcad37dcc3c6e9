// The finite FIFO pool: one mutex, one linked queue. It shares nothing with the work-stealing scheduler,
// which it is there to judge.
//
// Who writes what: everything under `mutex_` is written by whoever holds it; a seat by its worker.
//
// Invariant: queued_ + in_hand_ <= queue_capacity until a stop begins, but for the steps of streams, of
// which each stream has at most one queued; and submitted == ran + skipped + queued + running whenever the
// mutex is free.
//
// A submitter that has to move from its callable takes its place first (in_hand_), fills the node
// without a lock, and then appends it.
// In a stop workers leave only when the queue is empty and nothing is in hand: then no node can come any
// more. In a resize those leave whose seats are not wanted any more, when they look for the next task.
#include <coppice/fifo_pool.hpp>

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <thread>

#include "fifo/seat.hpp"
#include "platform/fork.hpp"
#include "platform/limits.hpp"
#include "platform/thread.hpp"

namespace coppice::inline v0 {
namespace {

using clock = std::chrono::steady_clock;

// The pool whose worker this thread is, and where it sits.
thread_local const fifo_pool* own_pool = nullptr;
thread_local detail::fifo_seat* own_place = nullptr;

// Helping on a worker that waits leaves this much of its stack to the tasks themselves.
constexpr std::uintptr_t stack_reserve = std::uintptr_t{256} * 1024;

unsigned usable_cpus() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) return static_cast<unsigned>(CPU_COUNT(&mask));
  return std::max(1u, std::thread::hardware_concurrency());  // a mask beyond the 1024 CPUs of cpu_set_t
}

unsigned checked_workers(unsigned workers) {
  if (workers > platform::max_workers) {
    throw std::invalid_argument("coppice: a fifo_pool of " + std::to_string(workers) +
                                " workers was asked for; the limit is " +
                                std::to_string(platform::max_workers) + ", 0 means one per CPU");
  }
  return workers == 0 ? usable_cpus() : workers;
}

fifo_options checked(fifo_options options) {
  options.workers = checked_workers(options.workers);
  if (options.queue_capacity == 0) {
    throw std::invalid_argument(
        "coppice: a fifo_pool with queue_capacity 0 could accept no task; use 1 or more");
  }
  return options;
}

void name_this_thread(const std::string& name, unsigned index) {
  char number[16];
  std::snprintf(number, sizeof number, "-%02u", index);
  const std::string suffix = number;
  pthread_setname_np(pthread_self(), (name.substr(0, 15 - suffix.size()) + suffix).c_str());
}

}  // namespace

// ---- life --------------------------------------------------------------------------------------

fifo_pool::fifo_pool(fifo_options options)
    : options_(checked(std::move(options))),
      streams_(std::make_shared<detail::stream_door>()),
      forks_(platform::forks()) {
  try {
    resize(options_.workers);
  } catch (...) {
    stop();
    throw;
  }
}

fifo_pool::~fifo_pool() {
  if (inherited_over_fork()) {
    leave_to_parent();
    return;
  }
  still_running_.clear();  // nobody reads it any more, and a copy of it would need memory
  stop();
  streams_->shut();
}

bool fifo_pool::inherited_over_fork() const noexcept { return forks_ != platform::forks(); }

void fifo_pool::refuse_inherited() const {
  throw scheduler_stopped("coppice: fifo_pool '" + options_.name +
                          "' was made before a fork, and its threads run in the parent process only; make a "
                          "pool of its own in the child");
}

// There is nobody to join, and threads that waited in the parent seem to wait here for ever: what would join
// or wait for them is made anew and never used.
void fifo_pool::leave_to_parent() noexcept {
  for (const auto& each : seats_) ::new (static_cast<void*>(&each->thread)) std::thread;
  for (std::condition_variable* const each : {&not_full_, &not_empty_, &moved_, &left_}) {
    ::new (static_cast<void*>(each)) std::condition_variable;
  }
}

void fifo_pool::resize(unsigned workers) {
  if (inherited_over_fork()) refuse_inherited();
  workers = checked_workers(workers);
  const std::lock_guard serial(resizing_);
  std::unique_lock lock(mutex_);
  seats_.reserve(workers);
  while (!stopping_ && wanted_ < workers) {
    if (wanted_ == seats_.size()) seats_.push_back(std::make_unique<seat>(wanted_));
    seat& next = *seats_[wanted_];
    if (!next.present) {
      lock.unlock();
      if (next.thread.joinable()) next.thread.join();  // it has left
      // It waits for the mutex, so that it finds itself present.
      lock.lock();
      next.thread = std::thread(&fifo_pool::work, this, std::ref(next));
      next.present = true;
      ++present_;
    }
    ++wanted_;
  }
  if (stopping_) {
    lock.unlock();
    refuse();
  }
  wanted_ = workers;
  lock.unlock();
  not_empty_.notify_all();
}

stop_report fifo_pool::stop(stop_mode mode) { return stop(mode, nullptr); }

stop_report fifo_pool::stop_until(time_point when) { return stop(stop_mode::drain, &when); }

stop_report fifo_pool::stop(stop_mode mode, const time_point* until) {
  if (inherited_over_fork()) refuse_inherited();
  if (own_pool == this) {
    throw std::runtime_error("coppice: fifo_pool '" + options_.name +
                             "': a task of the pool asked to stop it, and would wait for its own end; "
                             "stop it from another thread");
  }
  std::unique_lock lock(mutex_);
  if (mode == stop_mode::cancel) cancel_queued(lock);
  if (!stopping_) {
    stopping_ = true;
    ran_before_stop_ = ran();
    rejected_before_stop_ = rejected_;
  }
  not_full_.notify_all();
  not_empty_.notify_all();
  moved_.notify_all();
  const auto all_left = [this] { return present_ == 0; };
  if (until && !left_.wait_until(lock, *until, all_left)) cancel_queued(lock);
  left_.wait(lock, all_left);
  lock.unlock();
  join();

  lock.lock();
  return {ran() - ran_before_stop_, skipped_, rejected_ - rejected_before_stop_, still_running_};
}

// With the mutex held, but not while closures die.
void fifo_pool::cancel_queued(std::unique_lock<std::mutex>& lock) {
  if (cancelled_) return;
  const auto now = clock::now();
  std::vector<running_task> running;  // complete before anything changes: it may throw
  for (const auto& at : seats_) {
    if (at->taken != at->ran) running.push_back({std::to_string(at->number), {}, at->index, now - at->since});
  }
  still_running_ = std::move(running);
  cancelled_ = true;
  if (!stopping_) {
    stopping_ = true;
    ran_before_stop_ = ran();
    rejected_before_stop_ = rejected_;
  }
  detail::fifo_node* unwanted = std::exchange(head_, nullptr);
  tail_ = nullptr;
  const std::size_t count = std::exchange(queued_, 0);
  in_hand_ += count;
  skipped_ += count;
  lock.unlock();
  not_full_.notify_all();
  while (unwanted) std::exchange(unwanted, unwanted->next)->skip();
  lock.lock();
  in_hand_ -= count;
  not_empty_.notify_all();
  moved_.notify_all();
}

void fifo_pool::join() {
  const std::lock_guard serial(resizing_);
  for (const auto& each : seats_) {
    if (each->thread.joinable()) each->thread.join();
  }
}

fifo_stats fifo_pool::stats() const {
  if (inherited_over_fork()) refuse_inherited();
  const std::lock_guard lock(mutex_);
  const std::uint64_t ended = ran();
  return {.submitted = submitted_,
          .ran = ended,
          .skipped = skipped_,
          .rejected = rejected_,
          .queued = queued_,
          .running = static_cast<std::size_t>(taken_ - ended),
          .standing = standing_,
          .workers = wanted_};
}

std::uint64_t fifo_pool::ran() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& each : seats_) sum += each->ran;
  return sum;
}

// ---- submitting --------------------------------------------------------------------------------

class fifo_pool::room final : public awaited {
 public:
  explicit room(const fifo_pool& pool) noexcept : pool_(pool) {}
  bool over() const noexcept override { return pool_.stopping_ || !pool_.full(); }
  std::string text() const override {
    return "room in the queue, whose " + std::to_string(pool_.options_.queue_capacity) + " places are taken";
  }

 private:
  const fifo_pool& pool_;
};

// With the mutex held: whether one more task may come.
admission fifo_pool::await_room(std::unique_lock<std::mutex>& lock, const time_point* until) {
  if (room here(*this); until && !here.over()) {
    if (*until != for_ever) {
      stand_until(lock, here, *until);
    } else if (own_pool == this) {
      stand(lock, here);
    } else {
      not_full_.wait(lock, [&here] { return here.over(); });
    }
  }
  if (!stopping_ && !full()) return admission::accepted;
  ++rejected_;
  return stopping_ ? admission::stopped : admission::full;
}

// With the mutex held, which it releases.
void fifo_pool::append(std::unique_lock<std::mutex>& lock, detail::fifo_node& node) noexcept {
  node.pool = this;
  node.number = submitted_++;
  (tail_ ? tail_->next : head_) = &node;
  tail_ = &node;
  ++queued_;
  const bool stopping = stopping_;
  const bool look_again = standing_ != 0;  // to help, or because nothing is in hand any more
  lock.unlock();
  // In a stop all must look: one takes the node, and the others may be free to leave now.
  stopping ? not_empty_.notify_all() : not_empty_.notify_one();
  if (look_again) moved_.notify_all();
}

void fifo_pool::admit(detail::fifo_node& node) {
  try {
    if (!inherited_over_fork()) {
      std::unique_lock lock(mutex_);
      if (await_room(lock, &for_ever) == admission::accepted) return append(lock, node);
    }
    refuse();
  } catch (...) {
    node.skip();  // nobody sees that: the handle is thrown away
    throw;
  }
}

admission fifo_pool::reserve(const time_point* until) {
  if (inherited_over_fork()) return admission::stopped;
  std::unique_lock lock(mutex_);
  const admission status = await_room(lock, until);
  if (status == admission::accepted) ++in_hand_;
  return status;
}

void fifo_pool::unreserve() noexcept {
  const std::lock_guard lock(mutex_);
  --in_hand_;
  not_full_.notify_one();
  moved_.notify_all();
  if (stopping_) not_empty_.notify_all();  // workers may leave now
}

void fifo_pool::enqueue(detail::fifo_node& node) noexcept {
  std::unique_lock lock(mutex_);
  if (!cancelled_) {
    --in_hand_;
    return append(lock, node);
  }
  ++submitted_;  // it was accepted before the cancel, so it counts
  ++skipped_;
  lock.unlock();
  node.skip();
  lock.lock();
  --in_hand_;
  not_empty_.notify_all();  // workers may leave now
  moved_.notify_all();
}

// The next step of a stream, which no bound holds up. False: the pool is stopped, the node is untouched.
bool fifo_pool::post(detail::fifo_node& node) noexcept {
  if (inherited_over_fork()) return false;
  std::unique_lock lock(mutex_);
  if (stopping_) return false;
  append(lock, node);
  return true;
}

void fifo_pool::refuse() const {
  if (inherited_over_fork()) refuse_inherited();
  throw scheduler_stopped("coppice: fifo_pool '" + options_.name +
                          "' is stopped and takes no more tasks; submit before stop() is called");
}

// ---- working -----------------------------------------------------------------------------------

detail::fifo_seat* fifo_pool::own_seat(const fifo_pool* pool) noexcept {
  return own_pool == pool ? own_place : nullptr;
}

void fifo_pool::work(seat& own) {
  own_pool = this;
  own_place = &own;
  name_this_thread(options_.name, own.index);
  const std::uintptr_t lowest = platform::lowest_stack_address();
  if (lowest != 0) own.stack_limit = lowest + stack_reserve;
  own.since = clock::now();
  std::unique_lock lock(mutex_);
  while (await_task(lock, own)) run_next(lock, own);
  leave(own);
}

// With the mutex held: true when there is a task for this worker, false when it is to leave.
bool fifo_pool::await_task(std::unique_lock<std::mutex>& lock, seat& own) {
  for (;;) {
    if (own.index >= wanted_) return false;
    if (head_) return true;
    if (stopping_ && in_hand_ == 0) return false;
    not_empty_.wait(lock);
    own.since = clock::now();
  }
}

// With the mutex held, but not while the task runs.
void fifo_pool::run_next(std::unique_lock<std::mutex>& lock, seat& own) {
  detail::fifo_node* const node = std::exchange(head_, head_->next);
  if (!head_) tail_ = nullptr;
  --queued_;
  ++taken_;
  ++own.taken;
  own.number = node->number;
  node->runner = &own;
  if (standing_ != 0) moved_.notify_all();
  lock.unlock();
  not_full_.notify_one();
  node->run();
  ++own.ran;       // before settle(): who has waited for the task also finds it counted
  node->settle();  // after this the node may be gone
  something_moved();
  own.since = clock::now();  // of the next one; without the lock, which everybody waits for
  lock.lock();
}

// With the mutex held. Without it nothing of the pool is used any more.
void fifo_pool::leave(seat& own) noexcept {
  own.present = false;
  if (--present_ == 0) left_.notify_all();
  if (head_) not_empty_.notify_one();  // the call may have been for the task, and not for this worker
  moved_.notify_all();
}

}  // namespace coppice::inline v0
