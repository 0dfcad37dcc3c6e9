// Many short lives of a stream (A4, A5): ten inputs, thousands of runs, in each of the ways in which one can
// end. What is read is what the source gave; the end comes once; nothing hangs, no thread and no result is
// left.
#include <coppice/coppice.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <ranges>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

namespace {

using coppice::outcome;
using support::tracked;

constexpr int inputs = 10;
const int runs = support::scaled(10000);

template <class Pool>
class stream_runs : public support::without_leaks {
 protected:
  void SetUp() override {
    support::without_leaks::SetUp();
    if constexpr (std::is_same_v<Pool, coppice::scheduler>)
      pool_ = std::make_unique<Pool>(coppice::scheduler_options{.workers = 2});
    else
      pool_ = std::make_unique<Pool>(coppice::fifo_options{.workers = 2});
    dog_ = std::make_unique<support::watchdog>(std::chrono::seconds(60));
  }
  void TearDown() override {
    dog_.reset();
    pool_.reset();
    EXPECT_EQ(tracked::live(), 0);
    support::without_leaks::TearDown();
  }
  auto stream(coppice::stream_options options) {
    dog_->progress();
    return pool_->map(
        std::views::iota(0, inputs), [](int i) { return tracked(2 * i); }, std::move(options));
  }
  // Reads to the end. Each result is the one of its input, none comes twice, and the report agrees.
  template <class Stream>
  void read_all(Stream& s, std::uint64_t already = 0) {
    std::uint64_t values = already, others = 0;
    std::uint32_t seen = 0;
    while (auto r = s.next()) {
      ASSERT_EQ(seen & (1U << r->index), 0U) << r->index;
      seen |= 1U << r->index;
      if (r->ok()) {
        ++values;
        ASSERT_EQ(r->value().value(), 2 * static_cast<int>(r->index));
      } else {
        ++others;
      }
    }
    ASSERT_FALSE(s.next());
    ASSERT_EQ(s.report().succeeded, values);
    ASSERT_EQ(s.report().cancelled + s.report().skipped, others);
    ASSERT_EQ(s.report().spawned, values + others);
  }

  std::unique_ptr<Pool> pool_;

 private:
  std::unique_ptr<support::watchdog> dog_;
};
using pools = testing::Types<coppice::scheduler, coppice::fifo_pool>;
struct pool_name {
  template <class Pool>
  static std::string GetName(int) {
    return std::is_same_v<Pool, coppice::scheduler> ? "scheduler" : "fifo";
  }
};
TYPED_TEST_SUITE(stream_runs, pools, pool_name);

TYPED_TEST(stream_runs, A4ToTheEnd) {
  for (int run = 0; run < runs; ++run) {
    auto s = this->stream({.capacity = 1 + static_cast<std::size_t>(run) % 12, .ordered = run % 3 == 0});
    this->read_all(s);
    ASSERT_EQ(s.report().result, outcome::completed);
    ASSERT_EQ(s.report().succeeded, static_cast<std::uint64_t>(inputs));
  }
}

TYPED_TEST(stream_runs, A5Cancelled) {
  for (int run = 0; run < runs; ++run) {
    auto s = this->stream({.capacity = 4});
    std::uint64_t before = 0;
    for (; before < static_cast<std::uint64_t>(run % 5); ++before) s.next();
    s.cancel();
    std::uint64_t after = 0;
    while (s.next()) ++after;
    ASSERT_EQ(s.report().spawned, before + after);
  }
}

TYPED_TEST(stream_runs, A5CancelledByAnotherThread) {
  std::atomic<int> round = -1, done = -1;
  decltype(this->stream({}))* target = nullptr;
  std::thread canceller([&] {
    for (int run = 0; run < runs / 10; ++run) {
      while (round < run) std::this_thread::yield();
      target->cancel("from elsewhere");
      done = run;
    }
  });
  for (int run = 0; run < runs / 10; ++run) {
    auto s = this->stream({.capacity = 4});
    target = &s;
    round = run;
    this->read_all(s);
    while (done < run) std::this_thread::yield();
  }
  canceller.join();
}

TYPED_TEST(stream_runs, A5AtADeadline) {
  for (int run = 0; run < runs; ++run) {
    auto s = this->stream(
        {.capacity = 4, .deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(run % 60)});
    this->read_all(s);
  }
}

TYPED_TEST(stream_runs, A4NeverRead) {
  for (int run = 0; run < runs; ++run) this->stream({.capacity = 4});
}

TYPED_TEST(stream_runs, A4DestroyedEarly) {
  for (int run = 0; run < runs; ++run) {
    auto s = this->stream({.capacity = 4, .ordered = run % 2 == 0});
    for (int i = 0; i < run % 10; ++i) s.next();
  }
}

TYPED_TEST(stream_runs, D3StagesDestroyedOrReadToTheEnd) {
  for (int run = 0; run < runs; ++run) {
    auto s = this->stream({.capacity = 3});
    auto end =
        this->pool_->map(std::move(s), [](const tracked& t) { return tracked(t.value()); }, {.capacity = 2});
    if (run % 2 == 0) {
      this->read_all(end);
      ASSERT_EQ(end.report().succeeded, static_cast<std::uint64_t>(inputs));
    } else {
      for (int i = 0; i < run % 10; ++i) end.next();
    }
  }
}

// 64 workers on a machine with fewer cores, a window of 16: readers and steps meet at its edges all the time.
TYPED_TEST(stream_runs, A2AMillionItemsThroughAWindowOfSixteen) {
  const int n = support::scaled(1000000);
  auto pool = [] {
    if constexpr (std::is_same_v<TypeParam, coppice::scheduler>)
      return std::make_unique<TypeParam>(coppice::scheduler_options{.workers = 64});
    else
      return std::make_unique<TypeParam>(coppice::fifo_options{.workers = 64});
  }();
  std::uint64_t sum = 0, read = 0;
  for (auto& r :
       pool->map(std::views::iota(0, n), [](int i) { return std::uint64_t(i); }, {.capacity = 16})) {
    sum += r.value();
    ++read;
  }
  EXPECT_EQ(read, static_cast<std::uint64_t>(n));
  EXPECT_EQ(sum, static_cast<std::uint64_t>(n) * (static_cast<std::uint64_t>(n) - 1) / 2);
}

}  // namespace
