// The idle protocol: who searches, who sleeps, whom to wake. idle.md holds the argument.
//
// One word counts sleepers, searchers and vacant cores (loans.hpp). A sleeper announces itself, then looks
// again at everything; so does a worker that makes its core vacant. Whoever makes work visible does so, then
// reads the word. Both are seq_cst, so at least one sees the other: no lost wake-up. While anybody searches,
// nobody is woken: the last searcher that finds work wakes the next (a cascade, no herd).
//
// Orders
//   word_  seq_cst everywhere: announce and look, see above.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

class idle_counts {
 public:
  void begin_search() noexcept { word_.fetch_add(searcher, memory_order_seq_cst); }
  // A searcher has found work. True: it was the last one, so it owes a wake to the next.
  bool end_search() noexcept { return searchers(word_.fetch_sub(searcher, memory_order_seq_cst)) == 1; }
  // A searcher gives up: from now on it counts as asleep and must look again before it parks.
  void announce_sleep() noexcept { word_.fetch_add(sleeper - searcher, memory_order_seq_cst); }
  // A sleeper is made a searcher, by itself or by the one who wakes it.
  void leave_sleep() noexcept { word_.fetch_sub(sleeper - searcher, memory_order_seq_cst); }
  // A sleeper has lost its core.
  void forget_sleeper() noexcept { word_.fetch_sub(sleeper, memory_order_seq_cst); }
  // A core that nobody holds, and its end.
  void vacate() noexcept { word_.fetch_add(vacancy, memory_order_seq_cst); }
  void occupy() noexcept { word_.fetch_sub(vacancy, memory_order_seq_cst); }

  // A sleeper, or a vacant core, and nobody who searches.
  bool someone_to_wake() const noexcept {
    const std::uint64_t w = word_.load(memory_order_seq_cst);
    return w >= sleeper && searchers(w) == 0;
  }
  std::uint32_t sleepers() const noexcept {
    return static_cast<std::uint32_t>(word_.load(memory_order_seq_cst) / sleeper % field);
  }
  std::uint32_t searchers() const noexcept { return searchers(word_.load(memory_order_seq_cst)); }
  // Who runs nothing.
  std::uint32_t idlers() const noexcept {
    const std::uint64_t w = word_.load(memory_order_seq_cst);
    return static_cast<std::uint32_t>(w / sleeper % field) + searchers(w);
  }

 private:
  static constexpr std::uint64_t field = std::uint64_t{1} << 20;
  static constexpr std::uint64_t searcher = 1;
  static constexpr std::uint64_t sleeper = field;
  static constexpr std::uint64_t vacancy = field * field;
  static std::uint32_t searchers(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w % field); }
  alignas(cache_line) atomic<std::uint64_t> word_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
