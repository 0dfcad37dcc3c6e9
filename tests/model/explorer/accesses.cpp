// What a thread reads of an atomic object, and whether its accesses to plain memory are ordered.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "explorer/inside.hpp"
#include "explorer/source_text.hpp"

namespace model {

namespace {

std::uint64_t raw(const void* object, unsigned bytes) noexcept {
  std::uint64_t v = 0;
  std::memcpy(&v, object, bytes);
  return v;
}

}  // namespace

location& execution::location_of(const void* object, unsigned bytes) {
  if (location* const l = memory_.find(object)) return *l;
  // Made before the execution began: as if by the first thread.
  return memory_.make(object, bytes, raw(object, bytes), 0x100000000U | memory_.locations(),
                      threads_[0]->knows);
}

void execution::begin_life(const void* object, unsigned bytes, std::uint64_t value) {
  const inside_explorer guard;
  if (location* const old = memory_.find(object)) memory_.forget(*old);
  thread& t = me();
  const std::uint64_t key = (std::uint64_t{self_} << 40) | t.made++;
  memory_.make(object, bytes, value, key, t.knows);
}

void execution::end_life(const void* object) {
  const inside_explorer guard;
  if (location* const l = memory_.find(object)) {
    if (!failed_) touch(object, l->bytes, access::write, nullptr);
    memory_.forget(*l);
  }
}

void execution::touch(const void* address, std::size_t bytes, access kind, const void* code) {
  const inside_explorer guard;
  if (std::find(thread_locals.begin(), thread_locals.end(), address) != thread_locals.end()) return;
  thread& t = me();
  const conflict* const c = shadow_.touch(address, bytes, kind, self_, t.knows.clock, code);
  if (c == nullptr) return;
  fail("data race: a " + std::string(to_text(kind)) + " of thread " + std::to_string(self_) +
           (code != nullptr ? " in " + code_line(code) : "") + "\n  is not ordered with the " +
           to_text(c->kind) + " of thread " + std::to_string(c->thread) +
           (c->code != nullptr ? " in " + code_line(c->code) : ""),
       t.at);
}

void execution::touch_atomic(const location& l, bool writes, const where&) {
  touch(l.address, l.bytes, writes ? access::atomic_write : access::atomic_read, nullptr);
}

std::uint16_t execution::oldest_readable(const location& l, bool seq_cst) {
  const std::uint16_t oldest = memory_.oldest_readable(l, me().knows, seq_cst);
  std::vector<thread::stale_read>& stale = me().stale;
  if (stale.size() <= l.id) stale.resize(l.id + 1);
  // A store reaches everybody in the end.
  const bool had_enough = stale[l.id].store == oldest && stale[l.id].times == limits_.stale_reads;
  return had_enough && oldest != l.newest() ? static_cast<std::uint16_t>(oldest + 1) : oldest;
}

std::uint16_t execution::choose_store(const location& l, std::memory_order order,
                                      const std::uint64_t* except) {
  const std::uint16_t newest = l.newest();
  const std::uint16_t oldest = oldest_readable(l, order == std::memory_order_seq_cst);
  const bool relaxed = !acquires(order);
  std::uint16_t candidates[64];
  unsigned n = 0;
  for (std::uint16_t i = newest + 1U; i > oldest && n < 64; --i) {
    const auto which = static_cast<std::uint16_t>(i - 1);
    const std::uint64_t value = l.stores[which].value;
    if (except != nullptr && value == *except) continue;
    // Of several stores of one value a relaxed load learns least from the oldest: whatever can happen after
    // reading a newer one can happen after reading that.
    if (relaxed && which > oldest && l.stores[which - 1U].value == value) continue;
    if (stale_ == limits_.stale_total && n != 0) break;
    candidates[n++] = which;
  }
  const std::uint16_t chosen = candidates[choose(n)];
  if (l.stores[chosen].value != l.stores[newest].value) ++stale_;
  return chosen;
}

void execution::read(location& l, std::uint16_t which, std::memory_order order) {
  thread::stale_read& stale = me().stale[l.id];
  if (which != l.newest()) stale = {which, stale.store == which ? stale.times + 1 : 1};
  memory_.read(l, which, me().knows, order);
}

std::uint64_t execution::load(const void* object, unsigned bytes, std::memory_order order, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, false);
  touch_atomic(l, false, at);
  const std::uint16_t which = choose_store(l, order, nullptr);
  read(l, which, order);
  const std::uint64_t value = l.stores[which].value;
  note(which == l.newest() ? "reads" : "reads old", at, value, value);
  return value;
}

void execution::store(void* object, unsigned bytes, std::uint64_t value, std::memory_order order,
                      const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, true);
  touch_atomic(l, true, at);
  note("writes", at, l.stores.back().value, value);
  memory_.write(l, value, me().knows, order);
  ++me().knows.clock.at[self_];
  std::memcpy(object, &value, bytes);
  progress();
}

std::uint64_t execution::modify(void* object, unsigned bytes, change f, std::uint64_t operand,
                                std::memory_order order, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, true);
  touch_atomic(l, true, at);
  const std::uint64_t old = l.stores.back().value;
  std::uint64_t value = f(old, operand);
  if (bytes < sizeof value) value &= (std::uint64_t{1} << (8 * bytes)) - 1;
  note("changes", at, old, value);
  memory_.exchange(l, value, me().knows, order);
  ++me().knows.clock.at[self_];
  std::memcpy(object, &value, bytes);
  progress();
  return old;
}

bool execution::compare_exchange(void* object, unsigned bytes, std::uint64_t& expected, std::uint64_t desired,
                                 bool weak, std::memory_order success, std::memory_order failure,
                                 const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, true);
  touch_atomic(l, true, at);
  const auto fail_reading = [&](const char* what) {
    const std::uint16_t which = choose_store(l, failure, &expected);
    read(l, which, failure);
    expected = l.stores[which].value;
    note(what, at, expected, expected);
    return false;
  };
  const std::uint16_t newest = l.newest();
  const bool fits = l.stores[newest].value == expected;
  if (fits && !(weak && spuriously())) {
    // It may still fail, by reading an older store that does not fit.
    const std::uint16_t oldest = oldest_readable(l, failure == std::memory_order_seq_cst);
    bool unfit = false;
    for (std::uint16_t i = newest; i > oldest; --i) unfit = unfit || l.stores[i - 1U].value != expected;
    if (!unfit || stale_ == limits_.stale_total || choose(2) == 0) {
      note("exchanges", at, expected, desired);
      memory_.exchange(l, desired, me().knows, success);
      ++me().knows.clock.at[self_];
      std::memcpy(object, &desired, bytes);
      progress();
      return true;
    }
    return fail_reading("fails to exchange, reads old");
  }
  if (fits) {
    memory_.read(l, newest, me().knows, failure);
    note("fails to exchange without a reason", at, expected, expected);
    return false;
  }
  return fail_reading("fails to exchange, reads");
}

void execution::fence(std::memory_order order, const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  note("fence", at);
  memory_.fence(me().knows, order);
}

void execution::light_fence() {
  const inside_explorer guard;
  memory_.light_fence(me().knows);
}

void execution::heavy_fence(const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  note("barrier on every thread", at);
  std::vector<knowledge*> all;
  for (unsigned i = 0; i < count_; ++i) all.push_back(&threads_[i]->knows);
  memory_.heavy_fence(me().knows, all);
}

}  // namespace model
