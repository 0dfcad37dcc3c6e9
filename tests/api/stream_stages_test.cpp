// Streams that feed streams, on both pools (D3).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <functional>
#include <latch>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "support/ledger.hpp"
#include "support/streams.hpp"
#include "support/tracked.hpp"

namespace {

using coppice::outcome;
using coppice::result;
using coppice::results;
using support::check_counts;
using support::generated;
using support::numbers;

template <class Pool>
class stream_stages : public support::on_both_pools<Pool> {};
TYPED_TEST_SUITE(stream_stages, support::both_pools, support::pool_name);

TYPED_TEST(stream_stages, D3StagesComposeAndErrorsArriveAtTheEndWithStageAndIndex) {
  auto& pool = this->pool();
  auto parsed = pool.map(numbers(1000),
                         [](int i) {
                           if (i % 100 == 1) throw std::runtime_error("bad line");
                           return std::to_string(i);
                         },
                         {.capacity = 16, .name = "parse"});
  auto stored = pool.map(std::move(parsed),
                         [](const std::string& text) {
                           if (text.ends_with("50")) throw std::runtime_error("bad row");
                           return std::stoi(text);
                         },
                         {.capacity = 8, .concurrency = 2, .name = "store"});
  support::ledger seen(1000);
  int bad_lines = 0, bad_rows = 0;
  for (auto& r : stored) {
    seen.enter(r.index);
    if (r.ok()) {
      EXPECT_EQ(static_cast<std::size_t>(r.value()), r.index) << "the index is the first source's";
    } else if (r.error().name == "parse") {
      ++bad_lines;
      EXPECT_EQ(r.index % 100, 1u);
      EXPECT_EQ(r.error().path, "root/" + std::to_string(r.index));
    } else {
      ++bad_rows;
      EXPECT_EQ(r.error().name, "store");
      EXPECT_EQ(r.index % 100, 50u);
    }
  }
  EXPECT_TRUE(seen.exactly_once());
  EXPECT_EQ(bad_lines, 10);
  EXPECT_EQ(bad_rows, 10);
  check_counts(stored.report());  // the errors stand in the order in which they came to this stage
  EXPECT_EQ(stored.report().errors_total, 20u);
}

TYPED_TEST(stream_stages, D3AStageMayTakeResultsToHandleErrors) {
  auto& pool = this->pool();
  auto halves = pool.map(numbers(10), [](int i) {
    if (i % 2) throw i;
    return i / 2;
  });
  int handled = 0;
  for (auto& r :
       pool.map(std::move(halves), [](result<int> half) { return half.ok() ? half.value() : -1; })) {
    ASSERT_TRUE(r.ok());
    if (r.value() == -1) ++handled;
  }
  EXPECT_EQ(handled, 5);
}

TYPED_TEST(stream_stages, D3BackPressureReachesTheSource) {
  auto& pool = this->pool();
  std::atomic<int> taken = 0;
  auto end = pool.map(pool.map(pool.map(generated([&taken]() -> std::optional<int> { return taken++; }) |
                                            std::views::take(500),
                                        [](int i) { return i; }, {.capacity = 3}),
                               [](int i) { return i; }, {.capacity = 4}),
                      [](int i) { return i; }, {.capacity = 5});
  int read = 0;
  while (end.next()) {
    ++read;
    EXPECT_LE(taken, read + 3 + 4 + 5);
  }
  EXPECT_EQ(read, 500);
}

TYPED_TEST(stream_stages, D3DestroyingOrCancellingTheEndStopsTheSource) {
  auto& pool = this->pool();
  for (const bool cancel : {false, true}) {
    std::atomic<int> taken = 0;
    {
      auto end = pool.map(pool.map(generated([&taken]() -> std::optional<int> { return taken++; }),
                                   [](int i) { return i; }, {.capacity = 4}),
                          [](int i) { return support::tracked(i); }, {.capacity = 4});
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(end.next());
      if (cancel) {
        EXPECT_TRUE(end.cancel("enough"));
        while (end.next()) {
        }
        EXPECT_EQ(end.report().result, outcome::cancelled);
      }
    }
    EXPECT_LE(taken, 10 + 4 + 4 + 2);
  }
}

TYPED_TEST(stream_stages, D3AStageThatIsStoppedEndsTheStagesBelow) {
  auto& pool = this->pool();
  auto end = pool.map(pool.map(std::views::iota(0), [](int i) { return i; },
                               {.capacity = 4,
                                .name = "late",
                                .deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5)}),
                      [](int i) { return i; }, {.capacity = 4});
  while (end.next()) {
  }
  EXPECT_EQ(end.report().result, outcome::deadline_exceeded);
  EXPECT_NE(end.report().cancel->reason.find("stage \"late\""), std::string::npos);
}

// Nobody asks the first stage for anything: its pool is busy, and so is nobody else.
TYPED_TEST(stream_stages, C21AStageWhoseStepIsQueuedMeetsItsDeadlineThoughTheReaderSleeps) {
  auto& pool = this->pool(2);
  std::latch busy(1), open(1);
  coppice::fifo_pool slow({.workers = 1});
  auto held = slow.submit([&] {
    busy.count_down();
    open.wait();
  });
  busy.wait();
  const auto read_all = [&](auto& middle) {
    const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    const auto later = soon + std::chrono::hours(1);
    const auto same = [](int i) { return i; };
    auto first = slow.map(numbers(3), same, {.name = "late", .deadline = soon});
    auto end = pool.map(middle.map(std::move(first), same), same, {.deadline = later});
    EXPECT_FALSE(end.next());
    EXPECT_EQ(end.report().result, outcome::deadline_exceeded);
    EXPECT_NE(end.report().cancel->reason.find("stage \"late\""), std::string::npos);
  };
  read_all(pool);
  pool.submit([&] { read_all(pool); }).get();
  coppice::fifo_pool other({.workers = 2});
  other.submit([&] { read_all(other); }).get();
  coppice::scheduler trees({.workers = 1});
  trees.submit([&] { read_all(trees); }).get();
  open.count_down();
}

// Calls, once, from within its move: there a stage has taken an input and not yet given it a place.
struct told_when_moved {
  static inline std::atomic<const std::function<void()>*> next{nullptr};
  told_when_moved() = default;
  told_when_moved(told_when_moved&&) noexcept {
    if (const auto* const call = next.exchange(nullptr)) (*call)();
  }
  told_when_moved& operator=(told_when_moved&&) = default;
};

TYPED_TEST(stream_stages, C33AnInputThatAStopOvertakesInAStageKeepsItsIndex) {
  auto& pool = this->pool();
  std::latch all_there{1}, all_made{1};
  int given = 0;
  auto source = generated([&]() -> std::optional<int> {
    if (given < 4) return given++;
    all_there.count_down();  // one at a time: what was given has been put out
    return std::nullopt;
  });
  auto first =
      pool.map(std::move(source), [](int) { return told_when_moved(); }, {.concurrency = 1, .name = "first"});
  ASSERT_EQ(first.next()->index, 0u);
  coppice::results<int> second;
  const std::function<void()> cancel = [&] { second.cancel("in the middle"); };
  second = pool.map(std::move(first),
                    [&](const told_when_moved&) {
                      all_made.wait();
                      all_there.wait();
                      told_when_moved::next = &cancel;
                      return 1;
                    },
                    {.concurrency = 1, .name = "second"});
  all_made.count_down();
  EXPECT_EQ(second.next()->index, 1u);
  const auto overtaken = second.next();
  ASSERT_TRUE(overtaken);
  EXPECT_EQ(overtaken->index, 2u) << "the index is the first source's";
  EXPECT_EQ(overtaken->error().path, "root/1");
  EXPECT_EQ(overtaken->error().message, "not run: in the middle");
  EXPECT_FALSE(second.next());
  EXPECT_EQ(second.report().skipped, 1u);
}

// Its moves throw while they are told to. It cannot be assigned, which nobody needs.
struct throws_when_moved {
  static inline std::atomic<bool> now{false};
  int value;
  explicit throws_when_moved(int v) : value(v) {}
  throws_when_moved(throws_when_moved&& other) : value(other.value) {
    if (value == 2 && now) throw std::runtime_error("move");
  }
  throws_when_moved& operator=(throws_when_moved&&) = delete;
};

TYPED_TEST(stream_stages, C03AnInputThatCannotBeMovedIntoAStageIsAnError) {
  auto& pool = this->pool();
  std::latch all_there{1};
  int given = 0;
  auto source = generated([&]() -> std::optional<int> {
    if (given < 4) return given++;
    all_there.count_down();
    return std::nullopt;
  });
  auto first = pool.map(std::move(source), [](int i) { return throws_when_moved(i); },
                        {.concurrency = 1, .name = "first"});
  EXPECT_EQ(first.next()->value().value, 0);
  all_there.wait();
  throws_when_moved::now = true;
  auto second = pool.map(std::move(first), [](const throws_when_moved& x) { return x.value; },
                         {.ordered = true, .name = "second"});
  EXPECT_EQ(second.next()->value(), 1);
  const auto lost = second.next();
  EXPECT_EQ(lost->index, 2u);
  EXPECT_EQ(lost->error().message, "move");
  EXPECT_EQ(lost->error().path, "root/1");
  EXPECT_EQ(second.next()->value(), 3);
  EXPECT_FALSE(second.next());
  EXPECT_EQ(second.report().failed, 1u);
  throws_when_moved::now = false;
}

TYPED_TEST(stream_stages, C18AnErrorOfTheStageBeforeIsKeptWhenThisOneIsStopped) {
  auto& pool = this->pool();
  coppice::set_unobserved_error_handler(
      [](const coppice::job_report&) {});  // of what the first stage has left
  for (int i = 0; i < 100; ++i) {
    auto first =
        pool.map(std::views::iota(0), [](int) -> int { throw 1; }, {.capacity = 64, .name = "first"});
    auto second = pool.map(std::move(first), [](int n) { return n; }, {.capacity = 64, .name = "second"});
    for (int read = 0; read < 100; ++read) ASSERT_EQ(second.next()->error().name, "first");
    second.cancel();
    while (const auto r = second.next()) ASSERT_EQ(r->error().name, "first");
    EXPECT_EQ(second.report().skipped, 0u);
  }
  coppice::set_unobserved_error_handler(nullptr);
}

TYPED_TEST(stream_stages, D3AnEmptyStageHoldsNoWorker) {
  auto& pool = this->pool(2);
  std::latch open{1};
  auto end = pool.map(pool.map(numbers(3),
                               [&open](int i) {
                                 if (i == 0) open.wait();
                                 return i;
                               },
                               {.ordered = true, .concurrency = 1}),
                      [](int i) { return i; });
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1)
      << "one worker stands in the first stage, the other is free";
  open.count_down();
  int read = 0;
  while (end.next()) ++read;
  EXPECT_EQ(read, 3);
}

TYPED_TEST(stream_stages, D3StagesOfDifferentPoolsCompose) {
  auto& pool = this->pool();
  coppice::scheduler other({.workers = 1});
  coppice::fifo_pool third({.workers = 1});
  int sum = 0;
  for (auto& r : pool.map(third.map(other.map(numbers(300), [](int i) { return i; }, {.capacity = 4}),
                                    [](int i) { return i; }, {.capacity = 4}),
                          [](int i) { return i; }, {.capacity = 4}))
    sum += r.value();
  EXPECT_EQ(sum, 44850);
}

// Nothing else would end what runs there: the window has room, and the stage is not destroyed.
TEST(streams_of_stages, C20ACancelOfTheEndReachesTheCodeThatRunsInTheFirstStage) {
  coppice::scheduler pool({.workers = 2});
  std::latch running(1);
  std::atomic<bool> stopped{false};
  auto first = pool.map(std::views::iota(0),
                        [&](int i) {
                          if (i == 0) {
                            running.count_down();
                            while (!coppice::this_task::stop_requested()) std::this_thread::yield();
                            stopped = true;
                          }
                          return i;
                        },
                        {.capacity = 4});
  auto end = pool.map(std::move(first), [](int i) { return i; });
  running.wait();
  EXPECT_TRUE(end.cancel("enough"));
  while (!stopped) std::this_thread::yield();
  while (end.next()) {
  }
  EXPECT_EQ(end.report().result, outcome::cancelled);
}

// The first stage has taken something, and its source waits; the second one waits for it, without a step.
TYPED_TEST(stream_stages, C33AStageThatHasNothingToDoEndsWithItsPool) {
  for (const auto how : {coppice::stop_mode::drain, coppice::stop_mode::cancel}) {
    TypeParam own({.workers = 1});
    std::latch never{1};
    auto first = this->pool().map(generated([&]() -> std::optional<int> {
                                    never.wait();
                                    return std::nullopt;
                                  }),
                                  [](int i) { return i; });
    auto stream = own.map(std::move(first), [](int i) { return i; }, {.name = "second"});
    own.submit([] {}).wait();  // behind the step that asked in vain
    own.stop(how);
    EXPECT_FALSE(stream.next());
    EXPECT_EQ(stream.report().result, outcome::cancelled);
    EXPECT_EQ(stream.report().cancel->by, "outside");
    never.count_down();
  }
}

// The first stage's last input runs while an input of the second one destroys the reader. Nobody else keeps
// the second one then but the first, which was to tell it.
TEST(streams_of_stages, C33AnInputOfAStageMayDestroyTheReaderWhileTheStageBeforeWorks) {
  coppice::fifo_pool pool({.workers = 3});
  std::optional<results<int>> last;
  std::latch made{1}, gone{1}, late{1};
  last = pool.map(pool.map(numbers(2),
                           [&](int i) {
                             if (i == 1) late.wait();
                             return i;
                           }),
                  [&](int i) {
                    made.wait();
                    // The step that was posted for the next input has asked in vain, and ended.
                    while (pool.stats().queued != 0 || pool.stats().running != 2) std::this_thread::yield();
                    last.reset();
                    gone.count_down();
                    return i;
                  });
  made.count_down();
  gone.wait();
  while (pool.stats().running != 1) std::this_thread::yield();
  late.count_down();
  pool.stop();
  EXPECT_FALSE(last);
}

}  // namespace
