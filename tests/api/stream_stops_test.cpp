// How streams end before their source does: cancels, deadlines, stops, readers that leave.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/scale.hpp"
#include "support/streams.hpp"
#include "support/tracked.hpp"

namespace {

using coppice::outcome;
using coppice::results;
using support::check_counts;
using support::generated;
using support::numbers;

template <class Pool>
class stream_stops : public support::on_both_pools<Pool> {};
TYPED_TEST_SUITE(stream_stops, support::both_pools, support::pool_name);

TYPED_TEST(stream_stops, A5C33CancelEndsTheStreamAndWhatIsFinishedCanBeRead) {
  auto& pool = this->pool();
  auto stream = pool.map(std::views::iota(0), [](int i) { return i; }, {.capacity = 8});
  EXPECT_TRUE(stream.next());
  EXPECT_TRUE(stream.cancel("enough"));
  EXPECT_FALSE(stream.cancel("again"));
  std::uint64_t read = 1;
  while (stream.next()) ++read;
  const auto& report = stream.report();
  check_counts(report);
  EXPECT_EQ(report.spawned, read);
  EXPECT_LE(read, 1u + 8u + 1u);
  EXPECT_EQ(report.result, outcome::cancelled);
  EXPECT_EQ(report.cancel->reason, "enough");
  EXPECT_EQ(report.cancel->by, "outside");
}

// Eight workers are in the middle of short inputs when the stream is cancelled, again and again.
TYPED_TEST(stream_stops, A5C33ACancelLosesAndRepeatsNoInputThatWasTaken) {
  auto& pool = this->pool(8);
  for (int round = 0; round < support::scaled(300); ++round) {
    std::atomic<int> taken = 0, ran = 0;
    auto stream = pool.map(generated([&taken]() -> std::optional<int> { return taken++; }),
                           [&ran](int i) {
                             ++ran;
                             return i;
                           },
                           {.capacity = 64, .ordered = round % 2 == 0});
    std::vector<unsigned> seen;
    const auto enter = [&seen](std::size_t i) {
      if (seen.size() <= i) seen.resize(i + 1);
      ++seen[i];
    };
    for (int i = 0; i < round; ++i) enter(stream.next()->index);
    EXPECT_TRUE(stream.cancel("in the middle"));
    while (auto r = stream.next()) enter(r->index);
    const auto& report = stream.report();
    check_counts(report);
    EXPECT_EQ(report.spawned, seen.size());
    EXPECT_EQ(report.succeeded, static_cast<std::uint64_t>(ran));
    for (const unsigned times : seen) ASSERT_EQ(times, 1u);
  }
}

// The input waits for the stop.
TEST(streams_that_stop, C17WhatTheSourceThrowsStopsInputsThatRunIfThePolicySaysSo) {
  for (const auto& policy : {coppice::error_policy::fail_fast(), coppice::error_policy::after(1)}) {
    std::latch running(1);
    coppice::scheduler pool({.workers = 2});
    bool given = false;
    auto source = generated([&]() -> std::optional<int> {
      if (!std::exchange(given, true)) return 0;
      running.wait();
      throw std::runtime_error("no more lines");
    });
    auto stream = pool.map(std::move(source),
                           [&running](int i) {
                             running.count_down();
                             while (!coppice::this_task::stop_requested()) std::this_thread::yield();
                             coppice::this_task::throw_if_stopped();
                             return i;
                           },
                           {.errors = policy});
    while (stream.next()) {
    }
    const auto& report = stream.report();
    check_counts(report);
    EXPECT_EQ(report.cancelled, 1U);
    EXPECT_EQ(report.failed, 1U);
    EXPECT_EQ(report.result, outcome::failed);
    ASSERT_TRUE(report.cancel);
    EXPECT_EQ(report.cancel->by, "root/1");
    EXPECT_NE(report.cancel->reason.find("policy"), std::string::npos) << report.cancel->reason;
  }
}

TYPED_TEST(stream_stops, WhatTheSourceThrowsStopsNoInputUnderCollectAll) {
  std::latch running(1), open(1);
  auto& pool = this->pool(2);
  bool given = false;
  auto source = generated([&]() -> std::optional<int> {
    if (!std::exchange(given, true)) return 0;
    running.wait();
    throw std::runtime_error("no more lines");
  });
  auto stream = pool.map(std::move(source), [&](int i) {
    running.count_down();
    open.wait();
    return i;
  });
  EXPECT_EQ(stream.next()->error().message, "no more lines");
  open.count_down();
  EXPECT_EQ(stream.next()->value(), 0);
  EXPECT_FALSE(stream.next());
  EXPECT_FALSE(stream.report().cancel);
}

TYPED_TEST(stream_stops, C22ACancelThatComesTooLateLosesNothing) {
  auto& pool = this->pool();
  auto stream = pool.map(numbers(5), [](int i) { return i; });
  while (stream.next()) {
  }
  EXPECT_FALSE(stream.cancel());
  EXPECT_EQ(stream.report().result, outcome::completed);
}

TYPED_TEST(stream_stops, C21ADeadlineThatHasPassedTakesNothing) {
  auto& pool = this->pool();
  auto stream = pool.map(std::views::iota(0), [](int i) { return i; },
                         {.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)});
  EXPECT_FALSE(stream.next());
  EXPECT_EQ(stream.report().result, outcome::deadline_exceeded);
  EXPECT_EQ(stream.report().spawned, 0u);
}

TYPED_TEST(stream_stops, C21ADeadlineEndsAStreamWithoutEnd) {
  auto& pool = this->pool();
  auto stream =
      pool.map(std::views::iota(0), [](int i) { return i; },
               {.capacity = 4, .deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20)});
  std::uint64_t read = 0;
  while (stream.next()) ++read;
  EXPECT_EQ(stream.report().result, outcome::deadline_exceeded);
  EXPECT_EQ(stream.report().spawned, read);
}

TYPED_TEST(stream_stops, A4AReaderThatNeverReadsHoldsNobodyUp) {
  auto& pool = this->pool(2);
  auto stream = pool.map(std::views::iota(0), [](int i) { return support::tracked(i); }, {.capacity = 10});
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

TYPED_TEST(stream_stops, A4AReaderThatLeavesEarlyStopsTheSource) {
  auto& pool = this->pool();
  std::atomic<int> taken = 0;
  {
    auto stream = pool.map(generated([&taken]() -> std::optional<int> { return taken++; }),
                           [](int i) { return support::tracked(i); }, {.capacity = 4, .ordered = true});
    for (auto& r : stream) {
      if (r.index == 20) break;
    }
  }
  const int then = taken;
  EXPECT_LE(then, 20 + 4 + 4 + 1);
  pool.submit([] {}).get();
  EXPECT_EQ(taken, then) << "source and function are gone with the reader";
}

TYPED_TEST(stream_stops, C35AStopEndsTheStreamAndWhatWasTakenCanBeRead) {
  for (const auto mode : {coppice::stop_mode::drain, coppice::stop_mode::cancel}) {
    typename std::conditional_t<std::is_same_v<TypeParam, coppice::scheduler>, coppice::scheduler_options,
                                coppice::fifo_options>
        options;
    options.workers = 2;
    TypeParam pool(options);
    auto stream = pool.map(std::views::iota(0), [](int i) { return i; }, {.capacity = 8});
    EXPECT_TRUE(stream.next());
    pool.stop(mode);
    std::uint64_t read = 1;
    while (stream.next()) ++read;
    EXPECT_EQ(stream.report().spawned, read);
    EXPECT_EQ(stream.report().result, outcome::cancelled);
    EXPECT_THROW((void)pool.map(numbers(1), [](int i) { return i; }), coppice::scheduler_stopped);  // C-34
  }
}

TYPED_TEST(stream_stops, C33AStreamMayBeReadWhenItsPoolIsGone) {
  auto stream =
      this->pool().map(std::views::iota(0), [](int i) { return support::tracked(i); }, {.capacity = 8});
  auto stages = this->pool().map(this->pool().map(numbers(50), [](int i) { return i; }, {.capacity = 4}),
                                 [](int i) { return i; }, {.capacity = 2});
  this->close();
  std::uint64_t read = 0;
  while (stream.next()) ++read;
  EXPECT_LE(read, 8u);
  EXPECT_EQ(stream.report().result, outcome::cancelled);
  read = 0;
  while (stages.next()) ++read;
  EXPECT_EQ(stages.report().spawned, read);
  EXPECT_LE(read, 6u);
}

TYPED_TEST(stream_stops, C27ErrorsThatNobodyReadGoToTheHandler) {
  static std::atomic<int> heard;
  heard = 0;
  coppice::set_unobserved_error_handler(
      [](const coppice::job_report& report) { heard += static_cast<int>(report.errors_total); });
  {
    std::latch failed{1};
    auto stream = this->pool(1).map(numbers(2), [&failed](int i) {
      if (i == 1) failed.count_down();
      if (i == 0) throw std::runtime_error("unread");
    });
    failed.wait();
  }
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(heard, 1);
}

// Reads three of four results and destroys the reader, while a step is posted that nobody begins: it keeps
// the stream, and nothing of what f has made.
template <class Pool, class F>
void leave_with_a_step_posted(Pool& pool, F f) {
  std::latch full{4}, busy{1}, over{1};
  auto stream = pool.map(std::views::iota(0),
                         [&](int i) {
                           if (i < 4) full.count_down();
                           return f();
                         },
                         {.capacity = 4});
  full.wait();
  auto blocker = pool.submit([&] {
    busy.count_down();
    over.wait();
  });
  busy.wait();
  // The places that come back let a step be posted.
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(stream.next());
  ASSERT_NE(stream.begin(), stream.end());
  stream = {};
  EXPECT_EQ(support::tracked::live(), 0);
  over.count_down();
  blocker.wait();
}

TYPED_TEST(stream_stops, C33ResultsThatNobodyReadDieWithTheReader) {
  leave_with_a_step_posted(this->pool(1), [] { return support::tracked(); });
}

TYPED_TEST(stream_stops, C03ErrorsThatItsReportHasKeptDieWithTheReader) {
  coppice::set_unobserved_error_handler([](const coppice::job_report&) {});
  leave_with_a_step_posted(this->pool(1), []() -> int { throw support::tracked(); });
  coppice::set_unobserved_error_handler(nullptr);
}

TYPED_TEST(stream_stops, C16C22ASourceThatLeavesByTheCancelIsNoFailure) {
  std::latch asked{1}, cancelled{1};
  int given = 0;
  auto source = generated([&]() -> std::optional<int> {
    if (given < 2) return given++;
    asked.count_down();
    cancelled.wait();
    throw coppice::cancelled{};
  });
  auto stream = this->pool().map(std::move(source), [](int i) { return i; }, {.ordered = true});
  asked.wait();
  EXPECT_TRUE(stream.cancel("enough"));
  cancelled.count_down();
  int read = 0;
  while (const auto r = stream.next()) {
    EXPECT_TRUE(r->ok());
    ++read;
  }
  EXPECT_EQ(read, 2);
  check_counts(stream.report());
  EXPECT_EQ(stream.report().spawned, 2u);
  EXPECT_EQ(stream.report().result, outcome::cancelled) << "there may have been more";
}

// A function whose destructor throws, once.
struct throws_at_its_end {
  bool armed = true;
  throws_at_its_end() = default;
  throws_at_its_end(throws_at_its_end&& other) noexcept : armed(std::exchange(other.armed, false)) {}
  ~throws_at_its_end() noexcept(false) {
    if (armed) throw std::runtime_error("at its end");
  }
  int operator()(int i) { return i; }
};

TYPED_TEST(stream_stops, C08AFunctionWhoseDestructorThrowsIsToldOf) {
  static std::vector<std::string> told;
  told.clear();
  coppice::set_unobserved_error_handler(
      [](const coppice::job_report& r) { told.push_back(r.name + ": " + r.errors.at(0).message); });
  {
    auto alone = this->pool().map(numbers(3), throws_at_its_end(), {.name = "alone"});
    while (alone.next()) continue;
    EXPECT_EQ(alone.report().succeeded, 3u);
    auto stage = this->pool().map(this->pool().map(numbers(3), throws_at_its_end(), {.name = "first"}),
                                  throws_at_its_end(), {.name = "second"});
  }
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(told, (std::vector<std::string>{"first: destructor: at its end", "second: destructor: at its end",
                                            "alone: destructor: at its end"}));
}

TYPED_TEST(stream_stops, C30ReadingAStreamInItsOwnFunctionIsTold) {
  auto& pool = this->pool(2);
  results<int> own;
  std::latch given{1};
  own = pool.map(numbers(1),
                 [&](int i) {
                   given.wait();
                   (void)own.next();
                   return i;
                 },
                 {.name = "self"});
  given.count_down();
  auto r = own.next();
  ASSERT_TRUE(r && !r->ok());
  EXPECT_NE(r->error().message.find("stream \"self\""), std::string::npos) << r->error().message;
}

}  // namespace
