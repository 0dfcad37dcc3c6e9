// A worker of a fifo_pool: takes the next task, runs it, and leaves when there is nothing more or it is one
// too many.
#include <pthread.h>

#include <coppice/fifo_pool.hpp>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

#include "fifo/seat.hpp"
#include "platform/fork.hpp"
#include "platform/thread.hpp"
#include "platform/waiting.hpp"

namespace coppice::inline v0 {
namespace {

using clock = std::chrono::steady_clock;

// The pool whose worker this thread is, and where it sits.
thread_local const fifo_pool* own_pool = nullptr;
thread_local detail::fifo_seat* own_place = nullptr;

// In the child the thread that forked is no worker any more, also if it was one: a pool that is made there
// may have the address of its own.
void be_no_worker() {
  own_pool = nullptr;
  own_place = nullptr;
  platform::thread_party = nullptr;
}
const bool children_are_no_workers = (platform::at_fork(nullptr, nullptr, &be_no_worker), true);

// Helping on a worker that waits leaves this much of its stack to the tasks themselves.
constexpr std::uintptr_t stack_reserve = std::uintptr_t{256} * 1024;

void name_this_thread(const std::string& name, unsigned index) {
  char number[16];
  std::snprintf(number, sizeof number, "-%02u", index);
  const std::string suffix = number;
  pthread_setname_np(pthread_self(), (name.substr(0, 15 - suffix.size()) + suffix).c_str());
}

}  // namespace

detail::fifo_seat* fifo_pool::own_seat(const fifo_pool* pool) noexcept {
  return own_pool == pool ? own_place : nullptr;
}

void fifo_pool::work(seat& own) {
  own_pool = this;
  own_place = &own;
  platform::thread_party = &own;
  name_this_thread(options_.name, own.index);
  const std::uintptr_t lowest = platform::lowest_stack_address();
  if (lowest != 0) own.stack_limit = lowest + stack_reserve;
  own.since.store(clock::now(), std::memory_order_relaxed);
  std::unique_lock lock(mutex_);
  while (await_task(lock, own)) run_next(lock, own);
  leave(own);
}

// With the mutex held: true when there is a task for this worker, false when it is to leave. Before it sleeps
// the worker lets others have the core once: a submitter there would wake it for each task, and be preempted
// by it (bench/notes/2026-11-28-a-worker-yields-before-it-sleeps.md).
bool fifo_pool::await_task(std::unique_lock<std::mutex>& lock, seat& own) {
  if (!head_) {
    lock.unlock();
    detail::yield();
    lock.lock();
  }
  for (;;) {
    if (own.index >= wanted_) return false;
    if (head_) return true;
    if (stopping_ && in_hand_ == 0) return false;
    not_empty_.wait(lock);
    own.since.store(clock::now(), std::memory_order_relaxed);
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
  if (standing_ != 0) let_those_who_stand_look();
  lock.unlock();
  room_for_one();
  node->run();
  ++own.ran;       // before settle(): who has waited for the task also finds it counted
  node->settle();  // after this the node may be gone
  something_moved();
  own.since.store(clock::now(), std::memory_order_relaxed);  // without the lock, which everybody waits for
  lock.lock();
}

// With the mutex held. Without it nothing of the pool is used any more.
void fifo_pool::leave(seat& own) noexcept {
  own.present = false;
  if (--present_ == 0) left_.notify_all();
  if (head_) not_empty_.notify_one();  // the call may have been for the task, and not for this worker
  let_those_who_stand_look();
  look_for_room_again();
  for (detail::fifo_node* node = head_; node != nullptr; node = node->next) node->search_again();
}

}  // namespace coppice::inline v0
