// Waiting for a stolen frame, a group or a job: helping with nothing but what is awaited.
//
// Everything above the wait's floor in the own deque descends from what is awaited. So does everything in the
// deque of a worker whose strand is a part of what is awaited: a strand begins on an empty deque. Nothing
// else runs here, so no task ever runs in the middle of an unrelated one (no lock is entered twice, no stack
// grows by surprise).
#include <chrono>

#include "platform/membarrier.hpp"
#include "platform/standing.hpp"
#include "platform/waiting.hpp"
#include "worker/crew.hpp"
#include "worker/piece.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

frame* worker_thread::help_with(wait_condition& condition) noexcept {
  const void* strand = nullptr;
  worker_thread* const who = condition.runner(strand);
  if (who == nullptr || who == this) return nullptr;
  // order(strand): relaxed; look() comes first, whose acquire pairs with begin_strand(). A strand_of read
  // after it belongs to that strand or, if the deque has run empty meanwhile, to the next one, and then the
  // exchange on the word fails.
  const std::uint64_t seen = who->deque.look();
  if (who->strand_of.load(memory_order_relaxed) != strand) return nullptr;
  frame* const f = who->deque.steal_seen(seen);
  if (f == nullptr) {
    const auto now = clock::now();
    if (now >= next_ask_ && !ask(*who, now)) next_ask_ = now + look_interval;
  }
  if (f != nullptr) add_as_only_writer(stats.leaps, std::uint64_t{1}, memory_order_relaxed);
  return f;
}

void worker_thread::run_as_strand(frame& f) noexcept {
  const void* const outer = strand_of.load(memory_order_relaxed);
  // With older frames in the deque a thief could not tell what belongs to what: nobody leaps here.
  begin_strand(deque.empty_for_owner() ? &f : nullptr, clock::now());
  f.run(&f, *this);
  strand_starts = false;
  strand_of.store(outer, memory_order_relaxed);
  deque.begin_strand();
}

void worker_thread::wait_for(wait_condition& condition, deque_index wait_floor) noexcept {
  // The clock is read only once there is nothing to do: most waits of a group run its children and never
  // spin.
  bool idle = false;
  clock::time_point since{};
  // Has shared for this waiter, and so has given nobody a core for it: what this one does not take itself, it
  // passes on before it does anything else.
  worker_thread* shared_for_me = nullptr;
  const auto pass_on = [&] {
    worker_thread* const from = std::exchange(shared_for_me, nullptr);
    if (from != nullptr && from->deque.has_shared()) all.wake_one(this);
  };
  const standing_floor here(*this, wait_floor);
  // Beyond the limit of its stack it takes nothing onto it: each fork would be refused there. Worse, one that
  // is stolen while it is refused waits like this, and two workers in that state would take from each other
  // until a stack ends.
  const bool helps = !attention.is_below_limit(stack_address(&here));
  while (!condition.met()) {
    if (frame* const f = pop_above(wait_floor)) {
      pass_on();
      f->run(f, *this);
      idle = false;
      continue;
    }
    if (frame* const f = condition.take_unstarted()) {
      pass_on();
      f->run(f, *this);
      flush_counts(*this);
      idle = false;
      continue;
    }
    if (frame* const f = helps ? help_with(condition) : nullptr) {
      pass_on();
      run_as_strand(*f);
      flush_counts(*this);
      idle = false;
      continue;
    }
    pass_on();
    flush_counts(*this);
    const auto now = clock::now();
    if (!idle) since = now;
    idle = true;
    if (all.spin.load(memory_order_relaxed) && now - since < spin_time) {
      for (unsigned i = 0; i < 8; ++i) relax();
      continue;
    }
    const void* strand = nullptr;
    worker_thread* const who = condition.runner(strand);
    const bool asks =
        helps && who != nullptr && who != this && who->strand_of.load(memory_order_relaxed) == strand;
    if (asks) {
      // order(helper): seq_cst; pairs with the exchange in announce_shared(): either that finds this worker,
      // or what was shared before it is seen below.
      who->helper.store(this, memory_order_seq_cst);
      // order(attention): seq_cst; pairs with the take in answer_quietly(): the helper comes first.
      // order(starving): seq_cst; pairs with the owner's relaxed read after a push, by the barrier below: of
      // a fork that does not see the bit the frame is seen by expose().
      who->attention.fetch_or(attention_bit::starving, memory_order_seq_cst);
      if (all.can_expose) platform::barrier_on_every_thread();
    }
    const bool sees_more = asks && (expose(*who, true) || who->deque.has_shared());
    if (!sees_more) {
      const lent_core meanwhile(this);
      condition.sleep(*this);
      idle = false;
    }
    // What is shared after the wait is for everybody.
    worker_thread* seen = this;
    // order(helper): seq_cst; pairs with the exchange in announce_shared(): of what was shared for this
    // waiter, nothing is missed.
    if (asks &&
        !who->helper.compare_exchange_strong(seen, nullptr, memory_order_seq_cst, memory_order_seq_cst))
      shared_for_me = who;
  }
  pass_on();
}

namespace {

class stolen_frame_ends final : public wait_condition {
 public:
  explicit stolen_frame_ends(frame& f) noexcept : f_(f) {}
  bool met() noexcept override { return f_.ended(); }
  worker_thread* runner(const void*& strand) noexcept override {
    strand = &f_;
    // order(run): acquire; pairs with the release in frame::begin().
    if (worker* const w = frame::runner_of(f_.state.load(memory_order_acquire))) thief_ = w;
    return static_cast<worker_thread*>(thief_);
  }
  void sleep(worker_thread& me) noexcept override {
    if (announce(me))
      me.park.park();
    else
      yield();  // its thief is about to begin, or has just ended
  }

 private:
  bool announce(worker_thread& me) noexcept {
    std::uintptr_t seen = f_.state.load(memory_order_relaxed);
    if (frame::waiter_of(seen) != nullptr) return true;
    if (frame::runner_of(seen) == nullptr) return false;  // not begun, or ended
    // order(end): acq_rel; pairs with the exchange in end_frame(), which sees this word and wakes.
    return f_.state.compare_exchange_strong(seen, frame::tagged(&me, frame_tag::waited), memory_order_acq_rel,
                                            memory_order_relaxed);
  }

  frame& f_;
  worker* thief_ = nullptr;
};

}  // namespace

bool take_back_or_wait(worker& w, frame& f) noexcept {
  // Spawned children of the branch that has just ended lie above f: they run first, the deque stays a stack.
  for (;;) {
    frame* const top = w.deque.pop();
    if (top == &f) return true;
    if (top == nullptr) break;
    top->run(top, w);
  }
  stolen_frame_ends condition(f);
  const measured_wait timed(worker_thread::of(w).running);
  worker_thread::of(w).wait_for(condition, w.deque.top());
  // What comes next may be stopped although what came before was not.
  w.attention.fetch_or(attention_bit::look, memory_order_relaxed);
  return false;
}

void end_frame(frame& f, std::uintptr_t end_word) noexcept {
  // order(end): acq_rel; pairs with ended() and with announce(). After this the frame may be gone.
  const std::uintptr_t before = f.state.exchange(end_word, memory_order_acq_rel);
  if (worker* const waiter = frame::waiter_of(before)) worker_thread::of(*waiter).park.unpark();
}

}  // namespace detail

// What a wait of another pool waits for may be the end of what this worker has run, or need its core.
void platform::lend_core_during(void (*wait)(void*), void* what) {
  using namespace detail;
  if (this_worker == nullptr) return wait(what);
  worker_thread& me = worker_thread::of(*this_worker);
  const measured_wait not_work(me.running);
  flush_counts(me);
  const lent_core meanwhile(&me);
  wait(what);
}

}  // namespace v0
}  // namespace coppice
