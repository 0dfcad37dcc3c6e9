// What the tests of streams share: sources, counts, and a fixture that runs a test on both pools.
//
//   template <class Pool> class streams : public support::on_both_pools<Pool> {};
//   TYPED_TEST_SUITE(streams, support::both_pools, support::pool_name);
#pragma once

#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <cstddef>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/workers.hpp"

namespace support {

inline std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

// As support::check, but what a cancelled stream has lost are inputs that it never took.
inline void check_counts(const coppice::job_report& r) {
  EXPECT_EQ(r.spawned, r.succeeded + r.failed + r.cancelled + r.skipped);
  EXPECT_EQ(r.errors_total, r.failed);
}

// An input range whose elements come from a function that may wait or throw; empty: the end.
template <class F>
class generated : public std::ranges::view_interface<generated<F>> {
 public:
  explicit generated(F f) : next_(std::make_unique<F>(std::move(f))) {}
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    generated* from;
    int operator*() const { return *from->value_; }
    iterator& operator++() {
      from->value_ = (*from->next_)();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !from->value_; }
  };
  iterator begin() {
    value_ = (*next_)();
    return {this};
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::unique_ptr<F> next_;  // a closure cannot be assigned, a view must
  std::optional<int> value_;
};

// One test for both pools.
template <class Pool>
class on_both_pools : public without_leaks {
 protected:
  void TearDown() override {
    pool_.reset();
    without_leaks::TearDown();
  }
  Pool& pool(unsigned workers = 3) {
    if (!pool_) {
      if constexpr (std::is_same_v<Pool, coppice::scheduler>)
        pool_ = std::make_unique<Pool>(coppice::scheduler_options{.workers = workers});
      else
        pool_ = std::make_unique<Pool>(coppice::fifo_options{.workers = workers});
    }
    return *pool_;
  }
  void close() { pool_.reset(); }

 private:
  std::unique_ptr<Pool> pool_;
};
using both_pools = testing::Types<coppice::scheduler, coppice::fifo_pool>;
struct pool_name {
  template <class Pool>
  static std::string GetName(int) {
    return std::is_same_v<Pool, coppice::scheduler> ? "scheduler" : "fifo";
  }
};
}  // namespace support
