// A piece of a measured job, as a worker that runs it sees it: a clock that stands still in waits and while
// the worker runs something else. job/measure.hpp says what it is for.
//
// Who writes what. `begun`, `excluded`, `outer`: the piece's own thread. `offset`: the same, read by thieves
// of its branches. `latest`: raised by children at their end.
#pragma once

#include <algorithm>
#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <cstdint>

#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

struct piece {
  using ticks = std::int64_t;  // nanoseconds
  static constexpr ticks nowhere = -1;

  atomic<ticks> offset{0};           // its position is the time less this
  atomic<ticks> stands_at{nowhere};  // its position while it waits or its worker runs another piece
  atomic<ticks> latest{0};           // the furthest end of its children
  ticks begun = 0;
  ticks excluded = 0;
  piece* outer = nullptr;  // what this worker ran before
  ticks outer_stood = nowhere;

  static ticks now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now().time_since_epoch()).count();
  }
  ticks position(ticks at) const noexcept {
    const ticks standing = stands_at.load(memory_order_relaxed);
    return standing != nowhere ? standing : at - offset.load(memory_order_relaxed);
  }
  // Its own thread. Returns what go_on() needs.
  ticks stand_still(ticks at) noexcept { return stands_at.exchange(position(at), memory_order_relaxed); }
  void go_on(ticks stood_before) noexcept { stands_at.store(stood_before, memory_order_relaxed); }
};

// A wait of the running piece: what is run or slept in it is not the piece's time. Null when nothing is
// measured.
class measured_wait {
 public:
  explicit measured_wait(piece* running) noexcept;
  ~measured_wait();
  measured_wait(const measured_wait&) = delete;
  measured_wait& operator=(const measured_wait&) = delete;

 private:
  piece* const waits_;
  piece::ticks since_ = 0;
  piece::ticks excluded_ = 0;
  piece::ticks stood_before_ = 0;
};

inline measured_wait::measured_wait(piece* running) noexcept : waits_(running) {
  if (waits_ == nullptr) return;
  since_ = piece::now();
  excluded_ = waits_->excluded;
  stood_before_ = waits_->stand_still(since_);
}

inline measured_wait::~measured_wait() {
  if (waits_ == nullptr) return;
  // All of the wait, also the pieces that have been taken out already.
  const piece::ticks now = piece::now();
  waits_->excluded = excluded_ + (now - since_);
  const piece::ticks position = std::max(waits_->position(now), waits_->latest.load(memory_order_relaxed));
  waits_->offset.store(now - position, memory_order_relaxed);
  waits_->go_on(stood_before_);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
