// A worker's life: start, the main loop, sharing. search.cpp, sleep.cpp and wait.cpp hold the rest.
#include "worker/worker_thread.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "platform/waiting.hpp"
#include "worker/crew.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

constinit thread_local worker* this_worker [[gnu::tls_model("initial-exec")]] = nullptr;

worker_thread::worker_thread(crew& everybody, unsigned number)
    : all(everybody), seed_(number * 0x9e3779b97f4a7c15U + 1) {
  index = number;
  nodes = &own_nodes;
}

worker_thread::~worker_thread() { delete new_victims.load(memory_order_relaxed); }

void worker_thread::start(std::size_t stack_bytes) {
  thread_.reset();  // one that has left
  stack_bytes_ = stack_bytes;
  bound_.store(0, memory_order_relaxed);
  const std::string digits = std::to_string(index);
  const std::string suffix = "-" + (digits.size() < 2 ? "0" + digits : digits);
  thread_.emplace(all.name.substr(0, 15 - suffix.size()) + suffix, stack_bytes, &worker_thread::enter, this);
}

void worker_thread::enter(void* self) {
  auto& me = *static_cast<worker_thread*>(self);
  this_worker = &me;
  {
    const std::lock_guard hold(me.all.lock);
    me.all.topology.bind_this_thread(me.index, nullptr);
  }
  // order(bound): release; pairs with the acquire in wait_until_bound().
  me.bound_.store(1, memory_order_release);
  platform::futex_wake_all(me.bound_);
  // Below the limit a fork refuses; what runs then needs room to unwind and to call what does not fork. Half
  // of a small stack is for forks all the same.
  constexpr std::uintptr_t reserve = std::uintptr_t{96} * 1024;
  std::uintptr_t lowest = platform::lowest_stack_address();
  // Where the system does not say: as much as was asked for, less what lies above this frame and the guard.
  if (lowest == 0 && me.stack_bytes_ != 0)
    lowest = stack_address(&self) - me.stack_bytes_ + std::min(reserve, me.stack_bytes_ / 4);
  const std::uintptr_t size = stack_address(&self) - lowest;
  me.stack_limit = lowest == 0 ? 0 : lowest + std::min(reserve, size / 2);
  me.main_loop();
  this_worker = nullptr;
}

void worker_thread::main_loop() noexcept {
  while (frame* const f = next()) f->run(f, *this);
  let_go_of_counts(*this);
}

void worker_thread::wait_until_bound() noexcept {
  // order(bound): acquire; pairs with the release in enter().
  while (bound_.load(memory_order_acquire) == 0) platform::futex_wait(bound_, 0);
}

bool worker_thread::is_surplus() const noexcept {
  // order(wanted): seq_cst; pairs with the store in resize(), as closing does.
  return index >= all.number_wanted();
}

// False: it is wanted again.
bool worker_thread::leave() noexcept {
  const std::lock_guard hold(all.lock);
  if (!is_surplus()) return false;
  has_left = true;
  all.left.fetch_add(1, memory_order_relaxed);
  return true;
}

void worker_thread::take_new_place() noexcept {
  // order(victims): acquire; pairs with the release in resize().
  const std::unique_ptr<std::vector<victim>> list(new_victims.exchange(nullptr, memory_order_acquire));
  if (list != nullptr) victims.swap(*list);
  const std::lock_guard hold(all.lock);
  if (!is_surplus()) all.topology.bind_this_thread(index, nullptr);
}

frame* worker_thread::next() noexcept {
  if (!deque.empty_for_owner())
    if (frame* const f = deque.pop()) return f;
  floor = deque.top();
  weigh_strand();
  if (frame* const f = steal_again()) {
    begin_strand(f);
    return f;
  }
  flush_counts(*this);
  strand_of.store(nullptr, memory_order_relaxed);
  all.idle.begin_search();
  if (finds_poor_work()) sleep();
  for (;;) {
    if (is_surplus() && leave()) {
      // Whoever made work visible meanwhile has relied on this searcher.
      if (all.idle.end_search()) all.wake_one(this);
      return nullptr;
    }
    if (new_victims.load(memory_order_relaxed) != nullptr) take_new_place();
    if (frame* const f = search()) {
      if (all.idle.end_search()) pass_on_the_search();
      begin_strand(f);
      return f;
    }
    // Nothing is to be had now, not even little: who rests on asks nobody, and never reaches what a long leaf
    // hides.
    poor_strands_ = 0;
    // order(closing): seq_cst; pairs with the store in join_workers().
    if (all.closing.load(memory_order_seq_cst)) {
      all.idle.end_search();
      return nullptr;
    }
    sleep();
  }
}

void worker_thread::begin_strand(const void* what) noexcept {
  strand_starts = true;
  strand_of.store(what, memory_order_relaxed);
  strand_since = clock::now();
  strand_is_weighed_ = true;
  deque.begin_strand();
}

// The last searcher has found work, and owes the next one a wake. Where all others sleep and nothing more is
// to be seen, there will be nothing to find before this worker's own first fork: then it wakes. A job that
// forks nothing wakes nobody. While others work, the wake cannot wait for them: what the sleepers have asked
// of them may have been answered.
void worker_thread::pass_on_the_search() noexcept {
  const bool all_others_sleep =
      all.idle.sleepers() + all.left.load(memory_order_relaxed) + 1 == all.workers.size();
  if (all_others_sleep && !anything_visible())
    // order(attention): relaxed; the own word, read after the own pushes.
    attention.fetch_or(attention_bit::starving, memory_order_relaxed);
  else
    all.wake_one(this);
}

// At the end of a strand that was stolen or injected: was it worth the way?
void worker_thread::weigh_strand() noexcept {
  if (!std::exchange(strand_is_weighed_, false)) return;
  if (clock::now() - strand_since >= worth_a_steal) {
    fruitless_ = 0;
    poor_strands_ = 0;
  } else if (++poor_strands_ >= poor_strands_before_rest) {
    ++fruitless_;
    steals_left_ = 0;
  }
}

void worker_thread::share_and_wake() noexcept {
  last_share.store(clock::now().time_since_epoch() / std::chrono::nanoseconds(1), memory_order_relaxed);
  if (deque.share() != 0) add_as_only_writer(stats.shares, std::uint64_t{1}, memory_order_relaxed);
  announce_shared();
}

void worker_thread::share_all_and_wake() noexcept {
  if (deque.share_all() != 0) announce_shared();
}

void worker_thread::announce_shared() noexcept {
  all.wake_one(this);
  // order(helper): acq_rel; pairs with the release in wait_for().
  if (worker_thread* const h = helper.exchange(nullptr, memory_order_acq_rel)) h->park.unpark();
}

// The attention word, seen non-zero by a fork. The bit is cleared before what it stands for is looked at, so
// that a setter who comes in between is not lost.
bool answer_quietly(worker& w) noexcept {
  // order(attention): seq_cst; pairs with the fetch_or in ask(), wait_for() and signal_stop().
  const std::uint32_t asked = w.attention.exchange(0, memory_order_seq_cst);
  constexpr std::uint32_t share = attention_bit::hungry | attention_bit::starving;
  if ((asked & share) != 0) worker_thread::of(w).share_and_wake();
  if ((asked & attention_bit::look) == 0 || !current_job_is_stopping(w)) return false;
  // Level-triggered: every fork of a cancelled job comes here.
  w.attention.fetch_or(attention_bit::look, memory_order_relaxed);
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
