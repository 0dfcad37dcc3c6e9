// Looking for work: victims by distance, the injection queue, and the private part of a worker that does not
// answer.
#include <chrono>

#include "platform/membarrier.hpp"
#include "platform/thread.hpp"
#include "platform/waiting.hpp"
#include "worker/crew.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// How long an asked worker may take to answer before a thief exposes its private part.
constexpr std::chrono::microseconds patience{20};

// How many more steals follow one that a search has led to, before the next search: others may have something
// older, and the injection queue is looked at by searches only.
constexpr std::uint32_t steals_in_a_row = 64;

// How many roots follow one, before the next search: what other workers have is older.
constexpr std::uint32_t roots_in_a_row = 64;

}  // namespace

std::uint32_t worker_thread::random() noexcept {
  // xorshift64*: cheap, and any start is as good as another.
  seed_ ^= seed_ >> 12;
  seed_ ^= seed_ << 25;
  seed_ ^= seed_ >> 27;
  return static_cast<std::uint32_t>((seed_ * 0x2545f4914f6cdd1dU) >> 32);
}

bool worker_thread::ask(worker_thread& v, clock::time_point now) noexcept {
  if ((v.attention.load(memory_order_relaxed) & attention_bit::hungry) != 0) return false;
  // A hint: relaxed.
  if (now.time_since_epoch() - std::chrono::nanoseconds(v.last_share.load(memory_order_relaxed)) <
      share_interval)
    return false;
  if (!v.deque.has_private()) return false;
  asked_at_ = now;
  next_ask_ = now + ask_interval;
  // order(attention): seq_cst; pairs with the take in answer_quietly().
  v.attention.fetch_or(attention_bit::hungry, memory_order_seq_cst);
  return true;
}

frame* worker_thread::steal_from(const victim& v) noexcept {
  frame* const f = v.who->deque.steal();
  if (f != nullptr)
    add_as_only_writer(stats.steals[static_cast<unsigned>(v.how_far)], std::uint64_t{1},
                       memory_order_relaxed);
  return f;
}

// A victim that shared many tasks has more of them: no search, no look at the tally, no word that all write.
frame* worker_thread::steal_again() noexcept {
  if (steals_left_ == 0) return nullptr;
  frame* const f = steal_from(last_victim_);
  steals_left_ = f != nullptr ? steals_left_ - 1 : 0;
  return f;
}

// Roots come in crowds: after one the next may be there. No search; a submitter that found nobody searching
// has woken a sleeper, so nobody is owed a wake.
//
// The last one's job ends first, most often. Its end and the next one's beginning are one visit to the queue,
// and one look at the clock.
worker_thread::next_strand worker_thread::take_again() noexcept {
  if (roots_left_ == 0) return {};
  next_strand next;
  injection_queue::end over = end_counted_job(*this);
  if (over.job != nullptr) {
    next = {root_of(all.injection.take_after(over)), over.when};
    job_has_left(over);
  } else {
    next = {root_of(all.injection.take()), clock::now()};
  }
  roots_left_ = next.f != nullptr ? roots_left_ - 1 : 0;
  return next;
}

frame* worker_thread::root_of(injected* job) noexcept {
  found_root_ = job != nullptr;
  return found_root_ ? root_frame(*job) : nullptr;
}

platform::distance worker_thread::distance_of(const worker_thread& extra) const noexcept {
  const unsigned there = extra.core.load(memory_order_relaxed);
  if (there == core.load(memory_order_relaxed)) return platform::distance::cache;
  for (const victim& v : victims)
    if (v.who->index == there) return v.how_far;
  return platform::distance::remote;
}

// A spare worker may be anywhere.
frame* worker_thread::steal_from_extra() noexcept {
  frame* got = nullptr;
  all.cores.any_extra(random(), [&](worker_thread& w) {
    if (&w == this || !w.deque.has_shared()) return false;
    const victim v{&w, distance_of(w)};
    got = steal_from(v);
    if (got == nullptr) return false;
    last_victim_ = v;
    steals_left_ = steals_in_a_row;
    return true;
  });
  return got;
}

// Spare workers that run hold private frames as others do.
bool worker_thread::ask_an_extra(clock::time_point now) noexcept {
  return all.cores.any_extra(random(), [&](worker_thread& w) { return &w != this && ask(w, now); });
}

frame* worker_thread::look_around(clock::time_point now) noexcept {
  const std::size_t n = victims.size();
  bool may_ask = now >= next_ask_;
  for (std::size_t begin = 0; begin < n;) {
    std::size_t end = begin + 1;
    while (end < n && victims[end].how_far == victims[begin].how_far) ++end;
    const std::size_t size = end - begin;
    const std::size_t first = random() % size;
    for (std::size_t i = 0; i < size; ++i) {
      const victim& v = victims[begin + (first + i) % size];
      if (frame* const f = steal_from(v)) {
        last_victim_ = v;
        steals_left_ = steals_in_a_row;
        return f;
      }
      may_ask = may_ask && !ask(*v.who, now);
    }
    begin = end;
  }
  if (frame* const f = steal_from_extra()) return f;
  may_ask = may_ask && !ask_an_extra(now);
  if (may_ask) next_ask_ = now + look_interval;
  frame* const f = root_of(all.injection.take());
  if (f != nullptr) roots_left_ = roots_in_a_row;
  return f;
}

frame* worker_thread::search() noexcept {
  const auto started = clock::now();
  bool exposed = false;
  for (auto now = started;;) {
    if (frame* const f = look_around(now)) return f;
    // Whoever has come back to this core has something to do.
    if (all.closing.load(memory_order_relaxed) || crowded()) return nullptr;
    now = clock::now();
    if (!all.spin.load(memory_order_relaxed) || now - started > spin_time) return nullptr;
    if (!exposed && now - started > patience && now - asked_at_ > patience) {
      exposed = true;
      if (expose_someone(false)) continue;
    }
    // The caller was woken a moment ago, and cannot run before this worker lets it. Counted as a searcher
    // all the while: what the caller submits next is for this worker, as soon as the caller waits.
    if (all.callers.came_back_to(platform::current_cpu(), callers_seen_)) {
      yield();
      continue;
    }
    for (unsigned i = 0; i < 8; ++i) relax();
  }
}

bool worker_thread::expose(worker_thread& v, bool before_sleep) noexcept {
  if (!all.can_expose || !v.deque.has_private()) return false;
  const std::uint32_t exposed = v.deque.expose(&platform::barrier_on_every_thread, before_sleep);
  if (exposed == 0) return false;
  add_as_only_writer(stats.exposures, std::uint64_t{1}, memory_order_relaxed);
  add_as_only_writer(stats.exposed, std::uint64_t{exposed}, memory_order_relaxed);
  if (exposed > 1) all.wake_one(this);
  return true;
}

bool worker_thread::expose_someone(bool before_sleep) noexcept {
  const auto try_one = [&](worker_thread& w) {
    // Who has answered forks: it shares when it is asked.
    const bool answers = (w.attention.load(memory_order_relaxed) & attention_bit::hungry) == 0;
    return &w != this && (!answers || before_sleep) && expose(w, before_sleep);
  };
  for (const victim& v : victims)
    if (try_one(*v.who)) return true;
  return all.cores.any_extra(0, try_one);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
