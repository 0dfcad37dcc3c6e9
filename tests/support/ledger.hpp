// A ledger: who has been here, and how often. Sum and set, so that a lost entry and a double one cannot
// cancel out.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace support {

/// Threads: any may enter. Relaxed on purpose: it must not order what the library has to order.
class ledger {
 public:
  explicit ledger(std::size_t size) : times_(size) {}

  void enter(std::size_t i) {
    times_.at(i).fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(i, std::memory_order_relaxed);
  }
  std::size_t entries() const {
    std::size_t n = 0;
    for (const auto& t : times_) n += t.load(std::memory_order_relaxed);
    return n;
  }
  unsigned times(std::size_t i) const { return times_.at(i).load(std::memory_order_relaxed); }

  /// Each index was entered once.
  testing::AssertionResult exactly_once() const {
    const std::uint64_t n = times_.size();
    for (std::size_t i = 0; i < times_.size(); ++i)
      if (times(i) != 1) return testing::AssertionFailure() << i << " was entered " << times(i) << " times";
    if (n != 0 && sum_.load(std::memory_order_relaxed) != n * (n - 1) / 2)
      return testing::AssertionFailure() << "the sum is " << sum_.load(std::memory_order_relaxed);
    return testing::AssertionSuccess();
  }
  testing::AssertionResult at_most_once() const {
    for (std::size_t i = 0; i < times_.size(); ++i)
      if (times(i) > 1) return testing::AssertionFailure() << i << " was entered " << times(i) << " times";
    return testing::AssertionSuccess();
  }

 private:
  std::vector<std::atomic<unsigned>> times_;
  std::atomic<std::uint64_t> sum_{0};
};

}  // namespace support
