#include <coppice/detail/tally.hpp>
#include <memory>
#include <new>
#include <utility>

#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// A task that runs must be counted somewhere, so this allocation cannot fail; it can only take longer.
shard* new_shard() noexcept {
  for (;;) {
    if (auto* const s = new (std::nothrow) shard) return s;
    yield();
  }
}

std::uint64_t ended_in(const shard& s) noexcept {
  // order(ends): acquire; pairs with the release in count_end().
  return s.succeeded.load(memory_order_acquire) + s.failed.load(memory_order_acquire) +
         s.cancelled.load(memory_order_acquire) + s.skipped.load(memory_order_acquire);
}

}  // namespace

// The last one of the chain lies in the room. Where it is the only one, its line stays on its worker's core.
tally::~tally() {
  if (!several_.load(memory_order_relaxed)) return;
  shard* s = newest(head_.load(memory_order_relaxed));
  while (s->next != nullptr) delete std::exchange(s, s->next);
}

shard& tally::first_shard(const worker& who) noexcept {
  auto* const room = reinterpret_cast<shard_room*>(head_.load(memory_order_relaxed) & ~is_room);  // NOLINT
  shard* const mine = std::construct_at(&room->made);
  mine->owner = &who;
  // order(shards): release; pairs with the acquires of this file.
  head_.store(reinterpret_cast<std::uintptr_t>(mine), memory_order_release);
  return *mine;
}

shard& tally::shard_of(const worker& who) noexcept {
  // order(shards): acquire; pairs with the release of the insertion below.
  for (shard* s = newest(head_.load(memory_order_acquire)); s != nullptr; s = s->next)
    if (s->owner == &who) return *s;
  several_.store(true, memory_order_relaxed);
  shard* const mine = new_shard();
  mine->owner = &who;
  const auto added = reinterpret_cast<std::uintptr_t>(mine);
  std::uintptr_t before = head_.load(memory_order_relaxed);
  do {
    mine->next = newest(before);
    // order(shards): release; pairs with the acquires of this file.
  } while (!head_.compare_exchange_weak(before, added, memory_order_release, memory_order_relaxed));
  return *mine;
}

// Whoever sees no shard but its own has seen no task that another spawned. If all that it spawned itself has
// also ended here, nobody else has ended a task of this job, and nobody else will look.
bool tally::claim_if_quiet() noexcept {
  // order(shards): acquire; pairs with the release in shard_of().
  const shard* const s = newest(head_.load(memory_order_acquire));
  // order(spawned): relaxed; the caller's own count.
  if (s->next != nullptr || ended_in(*s) != s->spawned.load(memory_order_relaxed))
    return quiet() && claim_end();
  if (claimed_.load(memory_order_relaxed)) return false;
  claimed_.store(true, memory_order_relaxed);
  return true;
}

bool tally::quiet() noexcept {
  // order(turn): acq_rel; pairs with itself on other workers.
  turn_.fetch_add(1, memory_order_acq_rel);
  std::uint64_t ended = 0;
  // order(shards): acquire; pairs with the release in shard_of().
  for (const shard* s = newest(head_.load(memory_order_acquire)); s != nullptr; s = s->next)
    ended += ended_in(*s);
  std::uint64_t spawned = 0;
  // From the head again: a shard that came meanwhile may hold spawns.
  // order(shards): acquire; pairs with the release in shard_of().
  for (const shard* s = newest(head_.load(memory_order_acquire)); s != nullptr; s = s->next)
    // order(spawned): acquire; pairs with the releases in count_child(), run_root() and refuses_child().
    spawned += s->spawned.load(memory_order_acquire);
  return ended == spawned;
}

task_counts tally::counts() const noexcept {
  task_counts sum;
  // order(shards): acquire; pairs with the release in shard_of().
  for (const shard* s = newest(head_.load(memory_order_acquire)); s != nullptr; s = s->next) {
    // order(ends): acquire; pairs with the release in count_end(): whose end is seen, its start, counted
    // relaxed in the same shard, is seen too. A spawn may be missed while the job is not quiet.
    sum.succeeded += s->succeeded.load(memory_order_acquire);
    sum.failed += s->failed.load(memory_order_acquire);
    sum.cancelled += s->cancelled.load(memory_order_acquire);
    sum.skipped += s->skipped.load(memory_order_acquire);
    sum.started += s->started.load(memory_order_acquire);
    sum.spawned += s->spawned.load(memory_order_acquire);
  }
  return sum;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
