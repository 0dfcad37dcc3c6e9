// A worker's seat in a fifo_pool, and what a worker of it can stand still for.
#pragma once

#include <atomic>
#include <chrono>
#include <coppice/fifo_pool.hpp>
#include <cstdint>
#include <string>
#include <thread>

#include "platform/waits.hpp"

namespace coppice::inline v0 {

// What a worker waits for in its own pool. All members are asked with the pool's mutex held.
class fifo_pool::awaited {
 public:
  virtual bool over() const noexcept = 0;
  virtual std::string text() const = 0;  // as in "waits for ..."
  // The task that must end first, if it is one.
  virtual const detail::fifo_node* task() const noexcept { return nullptr; }
  // Whether it can come about without a worker of this pool.
  virtual bool may_come_from_outside() const noexcept { return false; }
  // When the wait is over in any case.
  virtual time_point until() const noexcept { return for_ever; }

 protected:
  ~awaited() = default;
};

namespace detail {

// What a worker writes about itself: under the mutex, but `ran` and `since`, so that ending a task costs no
// lock.
// It is busy while the two counts differ. A cache line each.
struct alignas(64) fifo_seat final : platform::party {
  fifo_seat(const fifo_pool& p, unsigned n) noexcept : index(n), pool(p) {}
  platform::outlook look() const override;
  std::string text() const override;

  const unsigned index;
  bool present = false;
  std::uint64_t taken = 0;
  std::uint64_t number = 0;  // of the task, in order of acceptance
  // Of the task, or of the next one: who finds the worker busy may read that of a task that has just ended.
  // Relaxed: it orders nothing.
  std::atomic<std::chrono::steady_clock::time_point> since{};
  const fifo_pool::awaited* stands_for = nullptr;  // not null: it stands still
  std::uint64_t stands = 0;                        // how often it has stood
  std::uint64_t gave_up = 0;                       // under the lock of all waits: the one that it leaves
  std::uintptr_t stack_limit = 0;                  // helping ends here
  std::thread thread;                              // under resizing_
  std::atomic<std::uint64_t> ran = 0;
  const fifo_pool& pool;
};

// A task of a pool, as others see it that wait for it.
class fifo_task_party final : public platform::party {
 public:
  explicit fifo_task_party(const fifo_node& node) noexcept : node_(node) {}
  platform::outlook look() const override;
  std::string text() const override;

 private:
  const fifo_node& node_;
};

// Room in a pool's queue.
class fifo_room_party final : public platform::party {
 public:
  explicit fifo_room_party(const fifo_pool& pool) noexcept : pool_(pool) {}
  platform::outlook look() const override;
  std::string text() const override;

 private:
  const fifo_pool& pool_;
};

}  // namespace detail
}  // namespace coppice::inline v0
