#include "explorer/memory.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace model {

namespace {

constexpr std::size_t block_words = std::size_t{1} << 15;

}  // namespace

void memory::clear() noexcept {
  made_ = 0;
  ++execution_;
  total_order_.clear();
  heavy_.clear();
  block_ = used_ = 0;
}

std::uint16_t* memory::room_for(unsigned n) {
  if (block_ < blocks_.size() && used_ + n > block_words) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) blocks_.push_back(std::make_unique<std::uint16_t[]>(block_words));
  std::uint16_t* const room = blocks_[block_].get() + used_;
  used_ += n;
  return room;
}

memory::entry& memory::entry_of(const void* address) noexcept {
  const std::size_t mask = by_address_.size() - 1;
  static_assert((max_locations & (max_locations - 1)) == 0);
  auto i = static_cast<std::size_t>((reinterpret_cast<std::uintptr_t>(address) * 0x9e3779b97f4a7c15U) >> 40);
  for (;; ++i) {
    entry& e = by_address_[i & mask];
    if (e.execution != execution_) {
      e = {address, nullptr, execution_};
      return e;
    }
    if (e.address == address) return e;
  }
}

location* memory::find(const void* address) noexcept { return entry_of(address).is; }

location& memory::make(const void* address, unsigned bytes, std::uint64_t value, std::uint64_t key,
                       knowledge& by) {
  if (made_ == max_locations) {
    std::fprintf(stderr,
                 "model: an execution makes more than %u atomics; make the program smaller, or raise "
                 "max_locations in clocks.hpp\n",
                 max_locations);
    std::abort();
  }
  if (made_ == all_.size()) all_.push_back(std::make_unique<location>());
  location& l = *all_[made_];
  l.id = static_cast<unsigned>(made_++);
  l.key = key;
  l.address = address;
  l.bytes = bytes;
  l.stores.clear();
  l.stores.push_back({value, nullptr, 0, {}});
  entry_of(address).is = &l;
  by.seen.raise(l.id, 0);
  return l;
}

void memory::forget(location& l) noexcept { entry_of(l.address).is = nullptr; }

std::uint16_t memory::oldest_readable(const location& l, const knowledge& by, bool seq_cst) const noexcept {
  const std::uint16_t known = by.seen[l.id];
  return seq_cst ? std::max(known, total_order_[l.id]) : known;
}

void memory::read(location& l, std::uint16_t which, knowledge& by, std::memory_order order) noexcept {
  by.seen.raise(l.id, which);
  if (order == std::memory_order_seq_cst) total_order_.raise(l.id, which);
  if (!acquires(order)) return;
  const message& m = l.stores[which];
  if (m.carried == nullptr) return;
  by.seen.join(m.carried, m.carried_size);
  by.clock.join(m.carried_clock);
}

void memory::append(location& l, std::uint64_t value, const knowledge& by, bool release, bool hand_on) {
  message m{value, nullptr, 0, {}};
  const message& before = l.stores.back();
  const unsigned old_size = hand_on ? before.carried_size : 0;
  const unsigned own_size = release ? by.seen.size() : 0;
  const unsigned size = std::max(old_size, own_size);
  if (size != 0) {
    std::uint16_t* const carried = room_for(size);
    for (unsigned i = 0; i < size; ++i)
      carried[i] = std::max(i < own_size ? by.seen.data()[i] : std::uint16_t{0},
                            i < old_size ? before.carried[i] : std::uint16_t{0});
    m.carried = carried;
    m.carried_size = size;
    if (release) m.carried_clock = by.clock;
    if (hand_on) m.carried_clock.join(before.carried_clock);
  }
  l.stores.push_back(m);
}

void memory::write(location& l, std::uint64_t value, knowledge& by, std::memory_order order) noexcept {
  by.seen.raise(l.id, static_cast<std::uint16_t>(l.stores.size()));
  append(l, value, by, releases(order), false);
  if (order == std::memory_order_seq_cst) total_order_.raise(l.id, l.newest());
}

void memory::exchange(location& l, std::uint64_t value, knowledge& by, std::memory_order order) noexcept {
  read(l, l.newest(), by, order);
  by.seen.raise(l.id, static_cast<std::uint16_t>(l.stores.size()));
  append(l, value, by, releases(order), true);
  if (order == std::memory_order_seq_cst) total_order_.raise(l.id, l.newest());
}

void memory::fence(knowledge& by, std::memory_order order) noexcept {
  if (order != std::memory_order_seq_cst) {
    std::fprintf(stderr, "model: only seq_cst fences are modelled\n");
    std::abort();
  }
  by.seen.join(total_order_);
  total_order_.join(by.seen);
  light_fence(by);
}

void memory::light_fence(knowledge& by) noexcept {
  by.seen.join(heavy_);
  by.at_light_fence = by.seen;
}

void memory::heavy_fence(knowledge& by, const std::vector<knowledge*>& all) noexcept {
  fence(by, std::memory_order_seq_cst);
  for (const knowledge* k : all) heavy_.join(k->at_light_fence);
  light_fence(by);
}

void memory::catch_up(knowledge& k) noexcept {
  for (std::size_t i = 0; i < made_; ++i) k.seen.raise(static_cast<unsigned>(i), all_[i]->newest());
}

}  // namespace model
