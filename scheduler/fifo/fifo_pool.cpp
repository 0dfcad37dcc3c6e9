// The finite FIFO pool: one mutex, one linked queue, two condition variables. It shares nothing with
// the work-stealing scheduler, which it is there to judge.
//
// Who writes what: everything under `mutex_` is written by whoever holds it; a seat by its worker.
//
// Invariant: queued_ + in_hand_ <= queue_capacity until a stop begins, and
// submitted == ran + skipped + queued + running whenever the mutex is free.
//
// A submitter that has to move from its callable takes its place first (in_hand_), fills the node
// without a lock, and then appends it.
// Workers leave only when a stop began, the queue is empty and nothing is in hand: then no node can
// come any more.
#include <coppice/fifo_pool.hpp>

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <new>

#include "platform/fork.hpp"
#include "platform/limits.hpp"

namespace coppice::inline v0 {
namespace {

using clock = std::chrono::steady_clock;

// The pool whose worker this thread is: it must not wait for its own end.
thread_local const fifo_pool* own_pool = nullptr;

unsigned usable_cpus() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) return static_cast<unsigned>(CPU_COUNT(&mask));
  return std::max(1u, std::thread::hardware_concurrency());  // a mask beyond the 1024 CPUs of cpu_set_t
}

fifo_options checked(fifo_options options) {
  if (options.workers > platform::max_workers) {
    throw std::invalid_argument("coppice: a fifo_pool of " + std::to_string(options.workers) +
                                " workers was asked for; the limit is " +
                                std::to_string(platform::max_workers) + ", 0 means one per CPU");
  }
  if (options.queue_capacity == 0) {
    throw std::invalid_argument(
        "coppice: a fifo_pool with queue_capacity 0 could accept no task; use 1 or more");
  }
  if (options.workers == 0) options.workers = usable_cpus();
  return options;
}

void name_this_thread(const std::string& name, unsigned index) {
  char number[16];
  std::snprintf(number, sizeof number, "-%02u", index);
  const std::string suffix = number;
  pthread_setname_np(pthread_self(), (name.substr(0, 15 - suffix.size()) + suffix).c_str());
}

}  // namespace

// ---- the node ----------------------------------------------------------------------------------

namespace detail {

fifo_node::fifo_node() noexcept : forks_(platform::forks()) {}
fifo_node::~fifo_node() = default;

void fifo_node::settle() noexcept {
  {
    const std::lock_guard lock(mutex_);
    settled_ = true;
    if (!dropped_) {
      has_settled_.notify_all();  // under the lock: once it is released the handle may delete the node
      return;
    }
  }
  delete this;
}

void fifo_node::drop() noexcept {
  if (forks_ != platform::forks()) return;  // the parent's; its mutex may be held here for ever
  {
    const std::lock_guard lock(mutex_);
    dropped_ = true;
    if (!settled_) return;  // the pool deletes it
  }
  delete this;
}

void fifo_node::skip() noexcept {
  try {
    error_ = std::make_exception_ptr(scheduler_stopped(
        "coppice: this task of a fifo_pool was not run: the pool was stopped with stop_mode::cancel"));
  } catch (...) {
    error_ = std::current_exception();
  }
  destroy_closure();
  settle();
}

void fifo_node::wait() {
  if (forks_ != platform::forks()) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && settled_) return;
    throw scheduler_stopped(
        "coppice: this task of a fifo_pool was submitted before a fork, and runs in the parent process only "
        "(submit it again, to a pool that was made in the child)");
  }
  std::unique_lock lock(mutex_);
  has_settled_.wait(lock, [this] { return settled_; });
}

void throw_empty_callable() {
  throw std::invalid_argument(
      "coppice: an empty function was submitted to a fifo_pool; there is nothing to call");
}

void throw_empty_fifo_task() { throw std::future_error(std::future_errc::no_state); }

}  // namespace detail

// ---- life --------------------------------------------------------------------------------------

// What a worker writes about itself: `taken`, `number` and `since` under the mutex, `ran` without,
// so that ending a task costs no lock. It is busy while the two counts differ. A cache line each.
struct alignas(64) fifo_pool::seat {
  std::uint64_t taken = 0;
  std::uint64_t number = 0;  // of the task, in order of acceptance
  clock::time_point since;
  std::atomic<std::uint64_t> ran = 0;
};

fifo_pool::fifo_pool(fifo_options options)
    : options_(checked(std::move(options))),
      forks_(platform::forks()),
      seats_(std::make_unique<seat[]>(options_.workers)) {
  threads_.reserve(options_.workers);
  try {
    for (unsigned index = 0; index < options_.workers; ++index) {
      threads_.emplace_back(&fifo_pool::work, this, index);
    }
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
  for (std::thread& thread : threads_) ::new (static_cast<void*>(&thread)) std::thread;
  ::new (static_cast<void*>(&not_full_)) std::condition_variable;
  ::new (static_cast<void*>(&not_empty_)) std::condition_variable;
}

stop_report fifo_pool::stop(stop_mode mode) {
  if (inherited_over_fork()) refuse_inherited();
  if (own_pool == this) {
    throw std::runtime_error("coppice: fifo_pool '" + options_.name +
                             "': a task of the pool asked to stop it, and would wait for its own end; "
                             "stop it from another thread");
  }
  std::unique_lock lock(mutex_);
  detail::fifo_node* unwanted = nullptr;
  std::size_t count = 0;
  if (mode == stop_mode::cancel && !cancelled_) {
    const auto now = clock::now();
    std::vector<running_task> running;  // complete before anything changes: it may throw
    for (unsigned index = 0; index < options_.workers; ++index) {
      const seat& at = seats_[index];
      if (at.taken != at.ran) running.push_back({std::to_string(at.number), {}, index, now - at.since});
    }
    still_running_ = std::move(running);
    cancelled_ = true;
    unwanted = std::exchange(head_, nullptr);
    tail_ = nullptr;
    count = std::exchange(queued_, 0);
    in_hand_ += count;
    skipped_ += count;
  }
  if (!stopping_) {
    stopping_ = true;
    ran_before_stop_ = ran();
    rejected_before_stop_ = rejected_;
  }
  lock.unlock();
  not_full_.notify_all();
  not_empty_.notify_all();

  while (unwanted) std::exchange(unwanted, unwanted->next)->skip();  // without the lock: closures die here

  lock.lock();
  in_hand_ -= count;
  lock.unlock();
  not_empty_.notify_all();
  join();

  lock.lock();
  return {ran() - ran_before_stop_, skipped_, rejected_ - rejected_before_stop_, still_running_};
}

void fifo_pool::join() {
  const std::lock_guard lock(joining_);
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
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
          .workers = options_.workers};
}

std::uint64_t fifo_pool::ran() const noexcept {
  std::uint64_t sum = 0;
  for (unsigned index = 0; index < options_.workers; ++index) sum += seats_[index].ran;
  return sum;
}

// ---- submitting --------------------------------------------------------------------------------

// With the mutex held: whether one more task may come.
admission fifo_pool::await_room(std::unique_lock<std::mutex>& lock, bool wait_for_room) {
  const auto full = [this] { return queued_ + in_hand_ >= options_.queue_capacity; };
  while (wait_for_room && !stopping_ && full()) not_full_.wait(lock);
  if (!stopping_ && !full()) return admission::accepted;
  ++rejected_;
  return stopping_ ? admission::stopped : admission::full;
}

// With the mutex held, which it releases.
void fifo_pool::append(std::unique_lock<std::mutex>& lock, detail::fifo_node& node) noexcept {
  (tail_ ? tail_->next : head_) = &node;
  tail_ = &node;
  ++queued_;
  ++submitted_;
  const bool stopping = stopping_;
  lock.unlock();
  // In a stop all must look: one takes the node, and the others may be free to leave now.
  stopping ? not_empty_.notify_all() : not_empty_.notify_one();
}

void fifo_pool::admit(detail::fifo_node& node) {
  if (!inherited_over_fork()) {
    std::unique_lock lock(mutex_);
    if (await_room(lock, true) == admission::accepted) return append(lock, node);
  }
  node.skip();  // nobody sees that: refuse() throws the handle away
  refuse();
}

admission fifo_pool::reserve(bool wait_for_room) {
  if (inherited_over_fork()) return admission::stopped;
  std::unique_lock lock(mutex_);
  const admission status = await_room(lock, wait_for_room);
  if (status == admission::accepted) ++in_hand_;
  return status;
}

void fifo_pool::unreserve() noexcept {
  const std::lock_guard lock(mutex_);
  --in_hand_;
  not_full_.notify_one();
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
}

void fifo_pool::refuse() const {
  if (inherited_over_fork()) refuse_inherited();
  throw scheduler_stopped("coppice: fifo_pool '" + options_.name +
                          "' is stopped and takes no more tasks; submit before stop() is called");
}

// ---- working -----------------------------------------------------------------------------------

void fifo_pool::work(unsigned index) {
  own_pool = this;
  name_this_thread(options_.name, index);
  seat& own = seats_[index];
  while (detail::fifo_node* node = take(own)) {
    node->run();
    ++own.ran;       // before settle(): who has waited for the task also finds it counted
    node->settle();  // after this the node may be gone
  }
}

detail::fifo_node* fifo_pool::take(seat& own) {
  auto now = clock::now();  // before the lock, which everybody waits for
  std::unique_lock lock(mutex_);
  while (!head_) {
    if (stopping_ && in_hand_ == 0) return nullptr;
    not_empty_.wait(lock);
    now = clock::now();
  }
  detail::fifo_node* const node = std::exchange(head_, head_->next);
  if (!head_) tail_ = nullptr;
  --queued_;
  own.number = taken_++;
  ++own.taken;
  own.since = now;
  lock.unlock();
  not_full_.notify_one();
  return node;
}

}  // namespace coppice::inline v0
