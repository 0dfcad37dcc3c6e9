#include "explorer/shadow.hpp"

#include <algorithm>
#include <utility>

namespace model {

namespace {

constexpr std::size_t first_size = std::size_t{1} << 14;

bool writes(access kind) noexcept { return kind != access::read && kind != access::atomic_read; }
bool is_atomic(access kind) noexcept { return kind == access::atomic_read || kind == access::atomic_write; }

bool conflicts(access a, access b) noexcept {
  return (writes(a) || writes(b)) && !(is_atomic(a) && is_atomic(b));
}

std::size_t mixed(std::uintptr_t key) noexcept {
  return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15U) >> 20);
}

}  // namespace

const char* to_text(access kind) noexcept {
  switch (kind) {
    case access::read:
      return "plain read";
    case access::write:
      return "plain write";
    case access::atomic_read:
      return "atomic read";
    case access::atomic_write:
      return "atomic write";
    case access::freed:
      return "end of storage";
  }
  return "?";
}

shadow::shadow() : table_(first_size) {}

void shadow::clear() noexcept {
  ++generation_;
  used_ = 0;
}

void shadow::grow() {
  std::vector<granule> bigger(table_.size() * 2);
  std::swap(bigger, table_);
  used_ = 0;
  for (granule& g : bigger) {
    if (g.generation != generation_) continue;
    granule& to = at(g.key);
    to.entries = std::move(g.entries);
  }
}

shadow::granule& shadow::at(std::uintptr_t key) noexcept {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t i = mixed(key) & mask;; i = (i + 1) & mask) {
    granule& g = table_[i];
    if (g.generation == generation_) {
      if (g.key == key) return g;
      continue;
    }
    g.generation = generation_;
    g.key = key;
    g.entries.clear();
    if (++used_ * 2 > table_.size()) {
      grow();
      return at(key);
    }
    return g;
  }
}

const conflict* shadow::touch_granule(std::uintptr_t key, std::uint8_t mask, access kind, unsigned thread,
                                      const vector_clock& clock, const void* code) noexcept {
  granule& g = at(key);
  const conflict* found = nullptr;
  entry* same = nullptr;
  for (entry& e : g.entries) {
    if ((e.bytes & mask) == 0) continue;
    if (e.kind == access::freed ||
        (e.thread != thread && e.when > clock.at[e.thread] && conflicts(e.kind, kind))) {
      found_ = {e.kind, e.thread, e.code};
      found = &found_;
    }
    if (e.thread == thread && e.kind == kind && e.bytes == mask) same = &e;
  }
  if (found != nullptr) return found;
  if (kind == access::write || kind == access::freed) {
    // Ordered after everything: later accesses that are ordered after this one are ordered after those too.
    std::erase_if(g.entries, [mask](const entry& e) { return (e.bytes & ~mask) == 0; });
    same = nullptr;
  }
  const entry now{kind, static_cast<std::uint8_t>(thread), mask, clock.at[thread], code};
  if (same != nullptr)
    *same = now;
  else
    g.entries.push_back(now);
  return nullptr;
}

const conflict* shadow::touch(const void* address, std::size_t bytes, access kind, unsigned thread,
                              const vector_clock& clock, const void* code) noexcept {
  auto from = reinterpret_cast<std::uintptr_t>(address);
  const std::uintptr_t to = from + bytes;
  while (from < to) {
    const std::uintptr_t key = from >> 3;
    const unsigned first = from & 7;
    const unsigned last = static_cast<unsigned>(std::min(to, (key + 1) << 3) - (key << 3));
    const auto mask = static_cast<std::uint8_t>((0xffU << first) & (0xffU >> (8 - last)));
    if (const conflict* const c = touch_granule(key, mask, kind, thread, clock, code)) return c;
    from = (key + 1) << 3;
  }
  return nullptr;
}

void shadow::forget(const void* address, std::size_t bytes) noexcept {
  const auto from = reinterpret_cast<std::uintptr_t>(address) >> 3;
  const auto to = (reinterpret_cast<std::uintptr_t>(address) + bytes + 7) >> 3;
  for (std::uintptr_t key = from; key < to; ++key) at(key).entries.clear();
}

}  // namespace model
