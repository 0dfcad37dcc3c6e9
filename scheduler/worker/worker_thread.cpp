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
constinit thread_local worker* forking_worker [[gnu::tls_model("initial-exec")]] = nullptr;

worker_thread::worker_thread(crew& everybody, unsigned number)
    : all(everybody), core{number}, seed_(number * 0x9e3779b97f4a7c15U + 1) {
  index = number;
  nodes = &own_nodes;
}

worker_thread::~worker_thread() { delete new_victims.load(memory_order_relaxed); }

void worker_thread::start(std::size_t stack_bytes) {
  thread_.reset();  // one that has left
  stack_bytes_ = stack_bytes;
  bound_core_ = nowhere;  // its mask is that of its creator, which may be a worker that is bound
  bound_.store(0, memory_order_relaxed);
  const std::string digits = std::to_string(is_spare() ? spare_number() : index);
  const std::string suffix = (is_spare() ? "-s" : "-") + (digits.size() < 2 ? "0" + digits : digits);
  thread_.emplace(all.name.substr(0, 15 - suffix.size()) + suffix, stack_bytes, &worker_thread::enter, this);
}

void worker_thread::enter(void* self) {
  auto& me = *static_cast<worker_thread*>(self);
  this_worker = forking_worker = &me;
  me.self_ = platform::this_thread();
  if (!me.is_spare()) me.bind_to_core();  // a spare one is bound by whoever gives it a core
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
  me.attention.set_stack_limit(lowest == 0 ? 0 : lowest + std::min(reserve, size / 2));
  me.sleeps_on.store(platform::current_cpu(), memory_order_relaxed);
  me.main_loop();
  this_worker = forking_worker = nullptr;
}

void worker_thread::main_loop() noexcept {
  frame* f = nullptr;
  if (is_spare()) {
    sleep_until_awake();
    f = search_and_sleep();
  } else {
    f = next();
  }
  for (; f != nullptr; f = next()) f->run(f, *this);
  let_go_of_counts(*this);
}

// For others, who have met the worker under the lock of crew::cores: a regular one runs by then, but its
// creator may not have got as far as to store thread_; a spare one is stored by then, but may not run yet.
platform::thread::native worker_thread::handle() const noexcept {
  return is_spare() ? thread_->handle() : self_;
}

void worker_thread::wait_until_bound() noexcept {
  // order(bound): acquire; pairs with the release in enter().
  while (bound_.load(memory_order_acquire) == 0) platform::futex_wait(bound_, 0);
}

void worker_thread::bind_to_core() noexcept {
  const unsigned number = core.load(memory_order_relaxed);
  if (bound_core_ == number || bound_core_ == everywhere) return;
  const std::lock_guard hold(all.lock);
  if (number >= all.topology.workers()) return;  // of another plan: it is left soon
  if (this_worker == this)
    all.topology.bind_this_thread(number, nullptr);
  else
    all.topology.bind_thread(number, handle(), nullptr);
  bound_core_ = all.topology.has_places() ? number : everywhere;
}

namespace {

// For how long a core may have one worker too many: some ten times as long as to park one and to wake it
// again (2-core x86-64 virtual machine, 2026-11).
constexpr std::chrono::microseconds crowding{200};

std::int64_t steady_nanoseconds() noexcept {
  return clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

}  // namespace

void worker_thread::is_crowded() noexcept {
  if (!crowded()) crowded_since.store(steady_nanoseconds(), memory_order_relaxed);
}

bool worker_thread::crowded_for_long() const noexcept {
  const std::int64_t since = crowded_since.load(memory_order_relaxed);
  return since != not_crowded && std::chrono::nanoseconds(steady_nanoseconds() - since) > crowding;
}

bool worker_thread::is_surplus() const noexcept {
  const unsigned number = core.load(memory_order_relaxed);
  return number >= all.number_wanted();
}

// False: it is wanted again, or may be wanted for another core; or the crew closes, which frees those that
// are parked without a core to be left.
bool worker_thread::leave() noexcept {
  const std::lock_guard hold(all.lock);
  // order(closing): relaxed; whoever was parked has read it behind `resting`.
  if (all.closing.load(memory_order_relaxed)) return false;
  if (is_spare() || index < all.number_wanted() || !is_surplus()) return false;
  has_left = true;
  all.cores.leave(*this);
  return true;
}

// There may be another plan, or a spare worker is on another core.
void worker_thread::look_around_anew() noexcept {
  // order(victims): seq_cst; pairs with the exchanges in put_in_force(), as the next one: a lender that has
  // announced its core looks at workers that are new, unless they see the core.
  if (new_victims.load(memory_order_seq_cst) != nullptr) take_new_place();
  if (is_spare() && (looked_from_ != core.load(memory_order_relaxed) ||
                     looked_in_plan_ != all.plan_number.load(memory_order_seq_cst)))
    look_around_from_core();
}

void worker_thread::take_new_place() noexcept {
  // order(victims): acquire; pairs with the exchange in put_in_force().
  const std::unique_ptr<std::vector<victim>> list(new_victims.exchange(nullptr, memory_order_acquire));
  if (list != nullptr) victims.swap(*list);
  bound_core_ = nowhere;
  if (!is_surplus()) bind_to_core();
}

// A spare worker has been given another core, or there is another plan. Without memory it keeps what it
// knows.
void worker_thread::look_around_from_core() noexcept {
  const unsigned number = core.load(memory_order_relaxed);
  try {
    const std::lock_guard hold(all.lock);
    std::vector<victim> list;
    const unsigned planned = all.topology.workers();
    if (number < planned) {
      list.push_back({all.workers[number].get(), platform::distance::cache});
      for (const platform::victim_group& g : all.topology.victims(number))
        for (const unsigned v : g.workers) list.push_back({all.workers[v].get(), g.how_far});
    }
    for (std::size_t v = number < planned ? planned : 0; v < all.workers.size(); ++v)
      list.push_back({all.workers[v].get(), platform::distance::remote});
    victims.swap(list);
    const unsigned plan = all.plan_number.load(memory_order_relaxed);
    if (plan != looked_in_plan_) bound_core_ = nowhere;
    looked_in_plan_ = plan;
    looked_from_ = number;
  } catch (const std::bad_alloc&) {
  }
  bind_to_core();
}

namespace {

// The way of a stolen frame's line to this core is no part of the strand's time.
void bring_here(const frame& f) noexcept {
  __builtin_prefetch(&f, 1);
  static_cast<void>(f.state.load(memory_order_relaxed));
}

}  // namespace

frame* worker_thread::next() noexcept {
  if (!deque.empty_for_owner() && !one_too_many())
    if (frame* const f = deque.pop()) return f;
  floor = deque.top();
  weigh_strand();
  if (!one_too_many()) {
    if (frame* const f = steal_again()) {
      bring_here(*f);
      begin_strand(f, clock::now());
      return f;
    }
    const next_strand next = take_again();
    if (next.f != nullptr) {
      begin_strand(next.f, next.begins);
      return next.f;
    }
  }
  flush_counts(*this);
  strand_of.store(nullptr, memory_order_relaxed);
  all.idle.begin_search();
  // One that is one too many on its core may have frames yet.
  if (finds_poor_work() && deque.empty_for_owner()) sleep();
  return search_and_sleep();
}

// A searcher until it finds a frame. Null: it leaves.
frame* worker_thread::search_and_sleep() noexcept {
  for (;;) {
    if (is_surplus() && deque.empty_for_owner() && leave()) {
      // Whoever made work visible meanwhile has relied on this searcher.
      if (all.idle.end_search()) all.wake_one(this);
      return nullptr;
    }
    if (one_too_many() || is_surplus()) all.cores.retire(*this);
    look_around_anew();
    // What it left when it gave up a core.
    frame* f = deque.empty_for_owner() ? nullptr : deque.pop();
    if (f != nullptr) {
      if (all.idle.end_search()) pass_on_the_search();
      return f;
    }
    f = search();
    if (f != nullptr) {
      bring_here(*f);
      if (all.idle.end_search()) pass_on_the_search();
      begin_strand(f, clock::now());
      return f;
    }
    // Nothing is to be had now, not even little: who rests on asks nobody, and never reaches what a long leaf
    // hides. But who found little until now rests soon again.
    poor_strands_ = std::min(poor_strands_, poor_strands_before_rest * 7 / 8);
    // order(closing): seq_cst; pairs with the store in join_workers().
    if (all.closing.load(memory_order_seq_cst)) {
      all.idle.end_search();
      return nullptr;
    }
    if (!crowded())
      sleep();
    else
      all.cores.retire(*this);
  }
}

void worker_thread::begin_strand(const void* what, clock::time_point now) noexcept {
  strand_starts = true;
  strand_of.store(what, memory_order_relaxed);
  strand_since = now;
  strand_is_weighed_ = !std::exchange(found_root_, false);
  deque.begin_strand();
}

// The last searcher has found work, and owes the next one a wake. Where all others sleep and nothing more is
// to be seen, there will be nothing to find before this worker's own first fork: then it wakes. A job that
// forks nothing wakes nobody. While others work, the wake cannot wait for them: what the sleepers have asked
// of them may have been answered.
void worker_thread::pass_on_the_search() noexcept {
  const bool all_others_sleep = all.idle.sleepers() + 1 == all.cores.present();
  if (all_others_sleep && !anything_visible())
    // order(attention): relaxed; the own word, read after the own pushes.
    attention.fetch_or(attention_bit::starving, memory_order_relaxed);
  else
    all.wake_one(this);
}

// At the end of a strand that was stolen: was it worth the way?
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
  last_share.store(steady_nanoseconds(), memory_order_relaxed);
  const std::uint32_t given = deque.share();
  if (given != 0) add_as_only_writer(stats.shares, std::uint64_t{1}, memory_order_relaxed);
  owes_more = given == 1;
  if (stands.load(memory_order_relaxed) != 0) all.cores.forks_standing(*this);
  announce_shared();
}

void worker_thread::share_what_is_owed() noexcept {
  owes_more = false;
  if (deque.share() == 0) return;
  add_as_only_writer(stats.shares, std::uint64_t{1}, memory_order_relaxed);
  announce_shared();
}

void worker_thread::share_all_and_wake() noexcept {
  if (deque.share_all() != 0) announce_shared();
}

void worker_thread::announce_shared() noexcept {
  // order(helper): seq_cst; pairs with the store and the exchange in wait_for().
  worker_thread* const waiter = helper.exchange(nullptr, memory_order_seq_cst);
  if (waiter == nullptr) return all.wake_one(this);
  // A waiter that has lent its core takes part itself; nobody else is to be given that core for it. It passes
  // on what it does not take.
  all.wake_sleeper(this);
  waiter->park.unpark();
}

// The attention word, seen non-zero by a fork. The bit is cleared before what it stands for is looked at, so
// that a setter who comes in between is not lost.
bool answer_quietly(worker& w) noexcept {
  // order(attention): seq_cst; pairs with the fetch_or in ask(), wait_for() and set_stopped().
  const std::uint32_t asked = w.attention.take(memory_order_seq_cst);
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
