// How a stream's results are read: by one reader at a time, which takes all that is ready at once.
#include <algorithm>
#include <coppice/detail/stream_core.hpp>
#include <coppice/detail/worker.hpp>
#include <coppice/error.hpp>
#include <coppice/this_task.hpp>
#include <utility>

#include "worker/crew.hpp"
#include "worker/loans.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// When a reader lets results gather: stream_core::begin_wait(). 2 cores, 2026: a step that wakes a reader on
// its core loses 10 us, and the clock, in a virtual machine, takes 75 us of that core.
constexpr std::chrono::microseconds short_wait{200}, trial_nap{150}, whole_nap{1000};
constexpr std::size_t window_for_naps = 64;

// What a task waits for its stream is no work of the task.
measured_wait not_work() noexcept {
  return measured_wait(this_worker != nullptr ? worker_thread::of(*this_worker).running : nullptr);
}

// Whether a reader on this thread keeps its core while it stands still, or would.
bool keeps_core() noexcept {
  if (this_worker == nullptr) return false;
  const worker_thread& me = worker_thread::of(*this_worker);
  return me.all.cores.keeps(me);
}

bool is_later(const stream_node* a, const stream_node* b) noexcept { return a->sequence > b->sequence; }

}  // namespace

bool stream_core::ended() {
  refuse_inherited();
  const std::lock_guard hold(mutex_);
  gather();
  return no_more() && first_ == nullptr && fetched_ == nullptr;
}

bool stream_core::may_go_on() {
  const std::lock_guard hold(mutex_);
  return ready() || no_more();
}

bool stream_core::has_more() noexcept {
  const std::lock_guard hold(mutex_);
  gather();
  return first_ != nullptr || no_more();
}

// Asked while a reader stands. From the first stage on: what one has given on by then the next one is seen to
// have, and what has come to rest stays so.
bool stream_core::may_come_without(const void* fifo, bool helps) noexcept {
  const bool here = pool_->fifo() == fifo;
  if (here && !helps) return false;
  if (stream_core* const before = source();
      before != nullptr && (before->may_come_without(fifo, helps) || before->has_more()))
    return true;
  if (here) return false;  // what is posted here is what helping runs
  const std::lock_guard hold(mutex_);
  return working_.load(memory_order_relaxed) != 0 || !gate_.nobody_comes();
}

bool stream_core::helps(bool whatever_comes) {
  const measured_wait timed = not_work();
  return help_here(*this, whatever_comes);
}

bool stream_core::help_here(stream_core& reader, bool whatever_comes) {
  if (pool_->help(*this, reader, whatever_comes)) return true;
  stream_core* const before = source();
  return before != nullptr && before->help_here(reader, whatever_comes);
}

// Of the reader's stream: nothing is on its way to the reader from this stage on, but by a step of it that is
// posted and not begun. From there down: what one has given on by then the next one is seen to have.
bool stream_core::rests_from(const stream_core& stage) noexcept {
  const bool here = this == &stage;
  if (!here && !source()->rests_from(stage)) return false;
  // A step that begins is at work in the section in which it comes no more.
  const std::lock_guard hold(mutex_);
  if (works() || (!here && !gate_.nobody_comes())) return false;
  gather();
  return first_ == nullptr;
}

std::chrono::steady_clock::time_point stream_core::wakes_at() const noexcept {
  const std::lock_guard hold(mutex_);
  return next_deadline();
}

// With the mutex held, by the reader.
std::chrono::steady_clock::time_point stream_core::next_deadline() const noexcept {
  if (!options_.deadline || stop_ != stream_stop::none) return source_deadline_;
  return std::min(*options_.deadline, source_deadline_);
}

// A stage that nobody asks has nobody to stop it when it is late: the reader of the last one does it for all.
void stream_core::stop_late_sources() {
  const auto now = clock::now();
  source_deadline_ = clock::time_point::max();
  for (stream_core* at = source(); at != nullptr; at = at->source()) {
    if (!at->options_.deadline) continue;
    if (now < *at->options_.deadline) {
      source_deadline_ = std::min(source_deadline_, *at->options_.deadline);
    } else {
      unique_lock lock(at->mutex_);
      at->stop_if_late(lock);
    }
  }
}

void stream_core::sleep(unique_lock& lock) {
  if (const auto until = next_deadline(); until != clock::time_point::max())
    moved_.wait_until(lock, until);
  else
    moved_.wait(lock);
}

// A worker of a FIFO pool stands in its own, so that it runs what the stream needs, or is told.
stream_pool& stream_core::pool_to_stand_in() noexcept {
  for (const stream_core* at = this; at != nullptr; at = at->source())
    if (at->pool_->stands_here()) return *at->pool_;
  return *pool_;
}

// With the mutex held: what is ready, in the order in which it is to be read.
void stream_core::gather() noexcept {
  for (stream_node *node = outbox_.take_all(), *next; node != nullptr; node = next) {
    next = node->next;
    if (!options_.ordered) {
      append(*node);
    } else if (node->sequence == next_ready_ && ahead_.empty()) {
      append(*node);
      ++next_ready_;
    } else {
      ahead_.push_back(node);  // there is room for every node
      std::push_heap(ahead_.begin(), ahead_.end(), is_later);
      while (!ahead_.empty() && ahead_.front()->sequence == next_ready_) {
        std::pop_heap(ahead_.begin(), ahead_.end(), is_later);
        append(*ahead_.back());
        ahead_.pop_back();
        ++next_ready_;
      }
    }
  }
}

void stream_core::append(stream_node& node) noexcept {
  node.next = nullptr;
  (last_ != nullptr ? last_->next : first_) = &node;
  last_ = &node;
  ++unread_;
}

// With the mutex held: whether there is something to read. If not, the step that brings it will tell, once.
bool stream_core::ready() noexcept {
  gather();
  if (first_ != nullptr) return true;
  if (options_.ordered)
    outbox_.want(next_ready_);
  else
    outbox_.want_from(0);
  gather();
  return first_ != nullptr;
}

// The reader gives the places of what it has read back a quarter of the window at a time, or when it comes to
// fetch: two locks for many results.
stream_node* stream_core::take() {
  stream_node* const node = fetched_;
  fetched_ = node->next;
  if (read_ == nullptr) last_read_ = own_;
  given_back_.note(*own_);
  own_->next = read_;
  read_ = std::exchange(own_, node);
  if (++taken_ >= options_.capacity / 4) {
    unique_lock lock(mutex_);
    let_go_of_read();
    // With much left to read there is no hurry to post a step: so a full window costs one for half of it.
    after_change(lock, unread_ <= options_.capacity / 2 && wants_step());
  }
  return node;
}

void stream_core::give_back(stream_node* read) noexcept {
  if (read == apart_)
    delete std::exchange(apart_, nullptr);
  else
    clear(*read);
}

void stream_core::set_apart() {
  if (apart_ == nullptr) apart_ = std::exchange(own_, make_node());
}

// With the mutex held, which it releases; something is ready.
void stream_core::fetch(unique_lock& lock) noexcept {
  fetched_ = std::exchange(first_, nullptr);
  last_ = nullptr;
  after_change(lock, unread_ <= options_.capacity / 2 && wants_step());
}

// With the mutex held.
void stream_core::let_go_of_read() noexcept {
  if (read_ == nullptr) return;
  unread_ -= taken_;
  read_in_all_ += taken_;
  taken_ = 0;
  window_.give_back(*std::exchange(read_, nullptr), *last_read_);
}

stream_node* stream_core::next() {
  refuse_inherited();
  if (runs_here())
    throw would_deadlock("coppice: this wait could never end: an input of stream \"" + options_.name +
                         "\" waits for the next result of that stream (read it outside of its own function)");
  for (;;) {
    if (fetched_ != nullptr) return take();
    unique_lock lock(mutex_);
    let_go_of_read();
    gather();
    if (first_ != nullptr) {
      fetch(lock);
      continue;
    }
    if (no_more()) return nullptr;
    if (stop_if_late(lock)) continue;
    if (wants_step()) {
      after_change(lock, true);
      continue;
    }
    const std::uint64_t calls = calls_;
    const bool keeps = keeps_core();
    begin_wait(keeps);
    lock.unlock();
    if (napped_) {
      if (this_worker != nullptr) flush_counts(*this_worker);
    } else if (helps(keeps)) {
      end_wait();
      continue;
    }
    if (fed_by_stage_) stop_late_sources();
    lock.lock();
    if (ready() || no_more() || calls_ != calls) {
      napped_ = false;
      continue;
    }
    napped_ ? nap(lock) : wait(lock, keeps);
  }
}

// With the mutex held: how the wait that begins now is to be, a step that the reader runs meanwhile included.
//
// To wake a thread costs more than a short input, and so does a step for each. A reader that has waited
// shortly several times in a row lets results gather while nobody wakes it and others run the steps. Which of
// the two brings more results in a time is measured, over all that happens from one wait to the next: where
// the source waits for what the reader does with results, naps hold both up. A first nap is short, and may be
// half as good; one that was not worth it makes the next run of waits twice as long.
void stream_core::begin_wait(bool keeps) noexcept {
  const auto now = clock::now();
  const auto rate_since = [&](const pace& from) {
    return static_cast<double>(read_in_all_ - from.read) / static_cast<double>((now - from.at).count() + 1);
  };
  if (napped_) {
    const bool worth_it = rate_since(wait_) >= rate_of_waits_ * (tries_naps_ ? 0.5 : 0.9);
    if (!worth_it) {
      waits_before_nap_ = std::min(2 * waits_before_nap_, most_waits_before_nap);
      short_waits_ = 0;
    } else if (!tries_naps_) {
      waits_before_nap_ = fewest_waits_before_nap;
    }
    tries_naps_ = !worth_it;
  }
  wait_ = {read_in_all_, now};
  if (short_waits_ == 0) waits_ = wait_;
  const bool naps = short_waits_ >= waits_before_nap_ && options_.capacity >= window_for_naps &&
                    (works() || !(keeps || pool_to_stand_in().stands_here()));
  if (naps && !napped_) rate_of_waits_ = rate_since(waits_);
  napped_ = naps;
}

void stream_core::end_wait() noexcept {
  if (clock::now() - wait_.at < short_wait)
    ++short_waits_;
  else
    short_waits_ = 0;
}

// With the mutex held, but not meanwhile. Half a window is enough: then the steps go on beside the reader.
void stream_core::nap(unique_lock& lock) {
  const measured_wait timed = not_work();
  const lent_core meanwhile(detail::this_worker);
  outbox_.want_from(read_in_all_ + options_.capacity / 2);
  napping_ = true;
  moved_.wait_until(lock, wait_.at + (tries_naps_ ? trial_nap : whole_nap), [this] { return !napping_; });
  napping_ = false;
}

// With the mutex held, but not meanwhile.
//
// `kept`: it keeps its core, as far as it knew when it looked for a step to run. If it does not lend it after
// all, it looks again.
void stream_core::wait(unique_lock& lock, bool kept) {
  stream_pool& pool = pool_to_stand_in();
  const measured_wait timed = not_work();
  {
    struct counted {
      unsigned& count;
      const unsigned one;
      counted(unsigned& n, bool counts) : count(n), one(counts ? 1 : 0) { count += one; }
      ~counted() { count -= one; }
    };
    struct stood_in {
      stream_pool*& in;
      stood_in(stream_pool*& i, stream_pool& pool) noexcept : in(i) { in = &pool; }
      ~stood_in() { in = nullptr; }
    };
    const lent_core meanwhile(detail::this_worker);  // nothing of this stream needs it
    const bool keeps = keeps_core();
    if (keeps && !kept) return;
    const counted reader(waiting_, true);
    const counted helper(helpers_, this_task::worker() >= 0);
    const counted keeper(keepers_, keeps);
    const stood_in here(stands_in_, pool);
    stands_in_->stand(*this, lock);
  }
  end_wait();
}

stream_node* stream_core::try_next(stream_core& reader, bool& ended) {
  ended = false;
  if (fetched_ != nullptr) return take();
  unique_lock lock(mutex_);
  let_go_of_read();
  stop_if_late(lock);
  gather();
  // The places that were given back may be what the next step needs.
  if (first_ == nullptr && !no_more() && wants_step()) {
    after_change(lock, true);
    lock.lock();
  }
  if (ready()) {
    fetch(lock);
    return take();
  }
  ended = no_more();
  if (ended || downstream_ != nullptr) return nullptr;
  downstream_ = &reader;
  reader.acquire();
  lock.unlock();
  reader.call_for_help(false);  // the reader's reader could not hear of a step that was posted before
  return nullptr;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
