// Waiting and being woken: queues, futex, locks.
#include "explorer/inside.hpp"

namespace model {

bool execution::spuriously() {
  if (spurious_ == limits_.spurious) return false;
  if (choose(2) == 0) return false;
  ++spurious_;
  return true;
}

bool execution::wait(const void* queue, bool has_deadline, const char* what, const where& at) {
  const inside_explorer guard;
  thread& t = me();
  t.is = state::waiting;
  t.waits_on = queue;
  t.has_deadline = has_deadline;
  t.timed_out = false;
  t.what = what;
  let_another_run(at);
  memory_.light_fence(t.knows);
  return !t.timed_out;
}

void execution::wake(thread& t) noexcept {
  t.is = state::ready;
  t.waits_on = nullptr;
  progress();
}

void execution::wake_one(const void* queue, const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  memory_.light_fence(me().knows);
  unsigned waiting[max_threads];
  unsigned n = 0;
  for (unsigned i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_on == queue) waiting[n++] = i;
  note(n != 0 ? "wakes one" : "wakes nobody", at);
  if (n != 0) wake(*threads_[waiting[choose(n)]]);
}

void execution::wake_all(const void* queue, const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  memory_.light_fence(me().knows);
  note("wakes all", at);
  for (unsigned i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_on == queue) wake(*threads_[i]);
}

bool execution::futex_wait(const void* word, std::uint32_t expected, bool has_deadline, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(word, sizeof(std::uint32_t));
  static_cast<void>(sharing_.matters(l.key, self_, false));
  switch_point();
  memory_.light_fence(me().knows);
  // The system compares under a lock of its own: with the newest value.
  if (l.stores.back().value != expected) {
    note("does not wait", at);
    return true;
  }
  if (spuriously()) {
    note("returns from the wait without a reason", at);
    return true;
  }
  note("waits", at);
  const bool woken = wait(word, has_deadline, "a wake", at);
  note(woken ? "is woken" : "has waited long enough", at);
  return woken;
}

// ---- locks ----

void execution::lock(void* object, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, sizeof(std::uint32_t));
  point(l, true);
  while (l.stores.back().value != 0) {
    thread& t = me();
    t.is = state::waiting;
    t.waits_on = object;
    t.has_deadline = t.timed_out = false;
    t.what = "a lock";
    let_another_run(at);
  }
  memory_.exchange(l, 1, me().knows, std::memory_order_acquire);
  memory_.light_fence(me().knows);
  touch_atomic(l, true, at);
  note("locks", at);
}

bool execution::try_lock(void* object, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, sizeof(std::uint32_t));
  point(l, true);
  touch_atomic(l, true, at);
  if (l.stores.back().value != 0) {
    note("finds the lock taken", at);
    return false;
  }
  memory_.exchange(l, 1, me().knows, std::memory_order_acquire);
  memory_.light_fence(me().knows);
  note("locks", at);
  return true;
}

void execution::unlock(void* object, const where& at) {
  const inside_explorer guard;
  location& l = location_of(object, sizeof(std::uint32_t));
  if (l.stores.back().value != 1) fail("unlocks what is not locked", at);
  touch_atomic(l, true, at);
  memory_.light_fence(me().knows);
  memory_.write(l, 0, me().knows, std::memory_order_release);
  ++me().knows.clock.at[self_];
  note("unlocks", at);
  for (unsigned i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_on == object) wake(*threads_[i]);
}

}  // namespace model
