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

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <thread>

#include "fifo/seat.hpp"
#include "platform/fork.hpp"
#include "platform/limits.hpp"
#include "platform/standing.hpp"

namespace coppice::inline v0 {
namespace {

using clock = std::chrono::steady_clock;

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

}  // namespace

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
  const std::lock_guard no_search(platform::waits_lock());  // that is still looking at this pool
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
  for (std::condition_variable* const each : {&not_full_, &look_again_, &not_empty_, &moved_, &left_}) {
    ::new (static_cast<void*>(each)) std::condition_variable;
  }
}

void fifo_pool::start(seat& worker) {
  try {
    worker.thread = std::thread(&fifo_pool::work, this, std::ref(worker));
  } catch (const std::system_error& refused) {
    throw std::system_error(refused.code(), "coppice: fifo_pool '" + options_.name +
                                                "': cannot start the thread of worker " +
                                                std::to_string(worker.index) +
                                                " (ask for fewer workers, or raise the process limits)");
  }
}

void fifo_pool::resize(unsigned workers) {
  if (inherited_over_fork()) refuse_inherited();
  workers = checked_workers(workers);
  const std::lock_guard serial(resizing_);
  std::unique_lock lock(mutex_);
  seats_.reserve(workers);
  while (!stopping_ && wanted_ < workers) {
    if (wanted_ == seats_.size()) seats_.push_back(std::make_unique<seat>(*this, wanted_));
    seat& next = *seats_[wanted_];
    if (!next.present) {
      lock.unlock();
      if (next.thread.joinable()) next.thread.join();  // it has left
      // It waits for the mutex, so that it finds itself present.
      lock.lock();
      start(next);
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
  if (own_seat(this) != nullptr) {
    throw std::runtime_error("coppice: fifo_pool '" + options_.name +
                             "': a task of the pool asked to stop it, and would wait for its own end; "
                             "stop it from another thread");
  }
  std::unique_lock lock(mutex_);
  if (mode == stop_mode::cancel) cancel_all(lock);
  begin_stop();
  end_waits_for_room();
  not_empty_.notify_all();
  let_those_who_stand_look();
  lock.unlock();
  platform::stand_still([&] { await_end(until); });
  streams_->stop_streams("its pool was stopped");
  lock.lock();
  insist_on_conservation();
  return {ran() - ran_before_stop_, skipped_, rejected_ - rejected_before_stop_, still_running_};
}

// With the mutex held.
void fifo_pool::begin_stop() noexcept {
  if (std::exchange(stopping_, true)) return;
  ran_before_stop_ = ran();
  rejected_before_stop_ = rejected_;
  rejected_ += blocked_;  // they may wake when the report has been read
}

void fifo_pool::await_end(const time_point* until) {
  {
    std::unique_lock lock(mutex_);
    const auto all_left = [this] { return present_ == 0; };
    if (until && !left_.wait_until(lock, *until, all_left)) cancel_all(lock);
    left_.wait(lock, all_left);
  }
  join();
}

// With the mutex held, and nobody left to run anything. A lost task is one that somebody waits for for ever.
void fifo_pool::insist_on_conservation() const noexcept {
  const unsigned long long ended = ran() + skipped_;
  if (submitted_ == ended && queued_ == 0) return;
  std::fprintf(
      stderr,
      "coppice: fifo_pool '%s' has lost count: of %llu tasks %llu ran or were skipped; this is an error "
      "of the library (please report it), the program ends\n",
      options_.name.c_str(), static_cast<unsigned long long>(submitted_), ended);
  std::abort();
}

// With the mutex held, but not meanwhile.
void fifo_pool::cancel_all(std::unique_lock<std::mutex>& lock) {
  cancel_queued(lock);
  lock.unlock();
  streams_->stop_streams("its pool was stopped");
  lock.lock();
}

// With the mutex held, but not while closures die.
void fifo_pool::cancel_queued(std::unique_lock<std::mutex>& lock) {
  if (cancelled_) return;
  const auto now = clock::now();
  std::vector<running_task> running;  // complete before anything changes: it may throw
  for (const auto& at : seats_) {
    if (at->taken == at->ran) continue;
    const auto age = std::max(now - at->since.load(std::memory_order_relaxed), clock::duration::zero());
    running.push_back({std::to_string(at->number), {}, at->index, age});
  }
  still_running_ = std::move(running);
  cancelled_ = true;
  begin_stop();
  detail::fifo_node* unwanted = std::exchange(head_, nullptr);
  tail_ = nullptr;
  const std::size_t count = std::exchange(queued_, 0);
  in_hand_ += count;
  skipped_ += count;
  lock.unlock();
  end_waits_for_room();
  while (unwanted) std::exchange(unwanted, unwanted->next)->skip();
  lock.lock();
  in_hand_ -= count;
  not_empty_.notify_all();
  let_those_who_stand_look();
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

}  // namespace coppice::inline v0
