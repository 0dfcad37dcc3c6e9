#include "job/measure.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "job/job_state.hpp"
#include "job/task_extra.hpp"
#include "worker/seat.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

std::string text_of(double x) {
  const auto tenths = static_cast<std::uint64_t>(x * 10 + 0.5);
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10);
}

// Below this a task costs about as much as it does (2-core x86-64 virtual machine, 2026-11).
constexpr std::chrono::nanoseconds too_fine{200};
// What does not take several times the wake-up of a worker says nothing about the tree.
constexpr std::chrono::microseconds too_short{500};

}  // namespace

std::string advice_on(const job_stats& s, std::chrono::nanoseconds elapsed) {
  const double parallelism = s.parallelism();
  const auto used = elapsed > s.queued ? static_cast<double>(s.work.count()) /
                                             static_cast<double>((elapsed - s.queued).count())
                                       : 0.0;
  // What mostly stands still is not short of workers.
  if (s.stands > 0 && s.stood > 4 * s.work && elapsed > s.queued)
    return "waiting: on average " +
           text_of(static_cast<double>(s.stood.count()) / static_cast<double>((elapsed - s.queued).count())) +
           " of its tasks stood still in blocking(), so it takes as long as what they wait for (let more "
           "stand "
           "still at a time, if that can take more)";
  if (s.work < too_short) return "too short to say more";
  if (s.tasks >= 1000 && s.work < too_fine * s.tasks)
    return "too fine: a task did " + std::to_string(static_cast<std::uint64_t>(s.work.count()) / s.tasks) +
           " ns of work on average, about what a task costs (do more in each, or fork by join)";
  if (s.queued > elapsed / 2)
    return "starved: it waited for a worker for more than half of its time (more workers, or fewer jobs at a "
           "time)";
  if (s.workers > 1 && parallelism < 1.5)
    return "too serial: its longest chain is " +
           std::to_string(static_cast<std::uint64_t>(100.0 / parallelism)) +
           " % of its work, so other workers found next to nothing to do (split the chain, or fork earlier)";
  if (used * 2 < std::min(parallelism, static_cast<double>(s.workers)))
    return "starved: " + text_of(parallelism) + " workers could have had work, " + text_of(used) +
           " did on average (other jobs had them, or tasks stood still)";
  return "kept " + text_of(used) + " of " + std::to_string(s.workers) + " workers busy, and had work for " +
         text_of(parallelism);
}

namespace {

template <class T>
void raise(atomic<T>& to, T value) noexcept {
  T seen = to.load(memory_order_relaxed);
  while (seen < value && !to.compare_exchange_weak(seen, value, memory_order_relaxed, memory_order_relaxed)) {
  }
}

}  // namespace

void measure::task_spawned() noexcept { raise(largest_live_, live_.fetch_add(1, memory_order_relaxed) + 1); }

void measure::task_ended(std::uint64_t depth, bool elsewhere) noexcept {
  live_.fetch_sub(1, memory_order_relaxed);
  raise(depth_, depth);
  if (elsewhere) moved_.fetch_add(1, memory_order_relaxed);
}

void measure::begin(worker& w, piece& p, piece::ticks position) noexcept {
  piece*& running = worker_thread::of(w).running;
  p.outer = running;
  p.begun = piece::now();
  p.offset.store(p.begun - position, memory_order_relaxed);
  if (p.outer != nullptr) p.outer_stood = p.outer->stand_still(p.begun);
  running = &p;
}

void measure::end(worker& w, piece& p, piece* awaiting) noexcept {
  const piece::ticks now = piece::now();
  const piece::ticks all = now - p.begun;
  work_.fetch_add(all - p.excluded, memory_order_relaxed);
  pieces_.fetch_add(1, memory_order_relaxed);
  const piece::ticks position = p.position(now);
  raise(span_, position);
  if (awaiting != nullptr) raise(awaiting->latest, position);
  worker_thread::of(w).running = p.outer;
  if (p.outer == nullptr) return;
  p.outer->excluded += all;
  p.outer->offset.store(now - p.outer->position(now), memory_order_relaxed);
  p.outer->go_on(p.outer_stood);
}

job_stats measure::sum(const task_counts& n, std::chrono::steady_clock::time_point submitted,
                       unsigned workers, std::chrono::nanoseconds elapsed) const {
  job_stats s;
  s.tasks = n.ended() - n.skipped;
  s.workers = workers;
  if (const piece::ticks began = root_began_.load(memory_order_relaxed))
    s.queued = std::chrono::nanoseconds(began) - submitted.time_since_epoch();
  s.depth = depth_.load(memory_order_relaxed);
  s.largest_live = largest_live_.load(memory_order_relaxed);
  s.steals = stolen_.load(memory_order_relaxed) + moved_.load(memory_order_relaxed);
  s.pieces = pieces_.load(memory_order_relaxed);
  s.stands = stands_.load(memory_order_relaxed);
  s.stood = std::chrono::nanoseconds(stood_.load(memory_order_relaxed));
  s.work = std::chrono::nanoseconds(work_.load(memory_order_relaxed));
  s.span = std::chrono::nanoseconds(span_.load(memory_order_relaxed));
  s.advice = advice_on(s, elapsed);
  return s;
}

void watch_begins(worker& w, spot here) noexcept {
  seat* const s = worker_thread::of(w).watched.get();
  if (s == nullptr) return;
  std::string path, name, job;
  try {
    const task_frame& t = *task_of(here);
    path = to_text(path_of(here));
    if (const task_extra* const x = t.get_extra()) name = x->name;
    job = job_state::of(*t.job).options.name;
  } catch (const std::bad_alloc&) {
    // Named in part.
  }
  s->begin(std::move(path), std::move(name), std::move(job));
}

void watch_ends(worker& w) noexcept {
  if (seat* const s = worker_thread::of(w).watched.get()) s->end();
}

piece* piece_of(spot s) noexcept {
  const place* const at = s.outside_joins();
  if (at->kind() == place_kind::stolen) return static_cast<const stolen_place*>(at)->timed;
  const task_extra* const extra = static_cast<const task_frame*>(at)->get_extra();
  return extra != nullptr ? extra->timed : nullptr;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
