// How a task comes into a fifo_pool: at once, or in two steps between which no lock is held.
#include <coppice/error.hpp>
#include <coppice/fifo_pool.hpp>
#include <cstdint>
#include <mutex>
#include <string>

#include "fifo/seat.hpp"
#include "platform/standing.hpp"

namespace coppice::inline v0 {
namespace {

// Is counted while it lives.
template <class Count>
class one_of {
 public:
  explicit one_of(Count& all) noexcept : all_(all) { ++all_; }
  ~one_of() { --all_; }
  one_of(const one_of&) = delete;
  one_of& operator=(const one_of&) = delete;

 private:
  Count& all_;
};

}  // namespace

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

// The task of another pool or of a job waits, which must not hold a mutex while it says so.
//
// Its search may find a free place, which an outsider takes before the one does who was to have it: then the
// wait that the search has relied on goes on. So whoever takes the last place, and a worker that leaves, make
// one who waits here search again; for all of them the room is the same. One who is told then, and goes,
// makes the next one search: perhaps it has only waited for a circle of others.
void fifo_pool::await_room_as(platform::party& me, std::unique_lock<std::mutex>& lock, const room& here) {
  const one_of waiting(rooms_awaited_);
  const detail::fifo_room_party some(*this);
  while (!here.over()) {
    const std::uint64_t searched_at = room_lost_;
    lock.unlock();
    {
      const platform::wait_elsewhere registered(&me, some);
      if (!registered.why_endless().empty()) {
        lock.lock();
        look_for_room_again();
        throw would_deadlock(registered.why_endless());
      }
      platform::stand_still([&] {
        lock.lock();
        look_again_.wait(lock, [&] { return here.over() || room_lost_ != searched_at; });
        lock.unlock();
      });
    }
    lock.lock();
  }
}

// With the mutex held: there may be no room any more for those who wait for it as parties.
void fifo_pool::look_for_room_again() noexcept {
  if (rooms_awaited_ == 0) return;
  ++room_lost_;
  look_again_.notify_one();
}

// Who waits as a party does so apart from the others, who are not to wake for its searches.
void fifo_pool::room_for_one() noexcept {
  not_full_.notify_one();
  if (rooms_awaited_ != 0) look_again_.notify_one();
}

void fifo_pool::end_waits_for_room() noexcept {
  not_full_.notify_all();
  look_again_.notify_all();
}

// With the mutex held: whether one more task may come.
admission fifo_pool::await_room(std::unique_lock<std::mutex>& lock, const time_point* until) {
  if (room here(*this); until && !here.over()) {
    const one_of blocked(blocked_);
    if (*until != for_ever) {
      stand_until(lock, here, *until);
    } else if (own_seat(this) != nullptr) {
      stand(lock, here);
    } else if (platform::party* const me = platform::running_party()) {
      await_room_as(*me, lock, here);
    } else {
      not_full_.wait(lock, [&here] { return here.over(); });
    }
    if (stopping_) return admission::stopped;  // whoever has begun the stop has counted it
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
  if (full()) look_for_room_again();
  const bool stopping = stopping_;
  const bool look_again = standing_ != 0;  // to help, or because nothing is in hand any more
  if (look_again) ++moves_;
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
  room_for_one();
  let_those_who_stand_look();
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
  let_those_who_stand_look();
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

}  // namespace coppice::inline v0
