// Streams of results as their users see them, on both pools. No test sleeps: latches and generators that wait
// for them hold a stream where a test wants it.
#include <coppice/coppice.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>
#include <latch>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/ledger.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::outcome;
using coppice::result;
using coppice::results;
using coppice::stream_options;

static_assert(std::ranges::input_range<results<int>>);
static_assert(std::ranges::view<results<std::unique_ptr<int>>>);
static_assert(!std::copyable<results<int>>);

std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

// As support::check, but what a cancelled stream has lost are inputs that it never took.
void check_counts(const coppice::job_report& r) {
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
class streams : public support::without_leaks {
 protected:
  void TearDown() override {
    pool_.reset();
    support::without_leaks::TearDown();
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
using pools = testing::Types<coppice::scheduler, coppice::fifo_pool>;
struct pool_name {
  template <class Pool>
  static std::string GetName(int) {
    return std::is_same_v<Pool, coppice::scheduler> ? "scheduler" : "fifo";
  }
};
TYPED_TEST_SUITE(streams, pools, pool_name);

// ---- results -----------------------------------------------------------------------------------

TYPED_TEST(streams, A1A6TenInputsTwoWorkersTwiceTheInputAndAWrongOneIsAnError) {
  auto& pool = this->pool(2);
  std::vector<int> values(10);
  int errors = 0;
  for (auto& r : pool.map(numbers(10),
                          [](int i) {
                            if (i == 7) throw std::invalid_argument("7 is wrong");
                            return 2 * i;
                          },
                          {.name = "double"})) {
    if (r.ok()) {
      values[r.index] = r.value();
      continue;
    }
    ++errors;
    EXPECT_EQ(r.index, 7u);
    EXPECT_EQ(r.error().message, "7 is wrong");
    EXPECT_EQ(r.error().type, "std::invalid_argument");
    EXPECT_EQ(r.error().path, "root/7");
    EXPECT_EQ(r.error().name, "double");
    EXPECT_THROW(r.value(), std::invalid_argument);
  }
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(values, (std::vector<int>{0, 2, 4, 6, 8, 10, 12, 0, 16, 18}));
}

TYPED_TEST(streams, C33EachInputAppearsExactlyOnceAndTheEndIsForEver) {
  auto& pool = this->pool();
  const int n = support::scaled(20000);
  support::ledger seen(static_cast<std::size_t>(n));
  auto stream = pool.map(std::views::iota(0, n), [](int i) { return i; }, {.capacity = 64});
  while (auto r = stream.next()) {
    ASSERT_EQ(r->index, static_cast<std::size_t>(r->value()));
    seen.enter(r->index);
  }
  EXPECT_TRUE(seen.exactly_once());
  EXPECT_FALSE(stream.next());
  EXPECT_TRUE(stream.done());
  EXPECT_EQ(stream.begin(), stream.end());
  const auto& report = stream.report();
  support::check(report);
  EXPECT_EQ(report.result, outcome::completed);
  EXPECT_EQ(report.succeeded, static_cast<std::uint64_t>(n));
}

TYPED_TEST(streams, C33OrderedResultsComeInTheOrderOfTheInputs) {
  auto& pool = this->pool(8);
  std::size_t next = 0;
  for (auto& r : pool.map(numbers(3000),
                          [](int i) {
                            if (i % 7 == 0) std::this_thread::yield();
                            if (i % 11 == 0) throw support::failure(static_cast<std::uint64_t>(i));
                            return i;
                          },
                          {.capacity = 5, .ordered = true})) {
    ASSERT_EQ(r.index, next);
    ASSERT_EQ(r.ok(), next % 11 != 0);
    ++next;
  }
  EXPECT_EQ(next, 3000u);
}

TYPED_TEST(streams, VoidReferencesAndMoveOnlyTypesPass) {
  auto& pool = this->pool();
  std::vector<int> cells(100, 1);
  int count = 0;
  for (auto& r : pool.map(cells, [](int& cell) { cell *= 2; })) {
    r.value();
    ++count;
  }
  EXPECT_EQ(count, 100);
  EXPECT_EQ(std::accumulate(cells.begin(), cells.end(), 0), 200)
      << "elements of an lvalue are handed on by reference";
  for (auto& r : pool.map(cells, [](int& cell) -> int& { return cell; }))
    EXPECT_EQ(&r.value(), &cells[r.index]);
  auto owned =
      pool.map(cells, [own = std::make_unique<int>(5)](int i) { return std::make_unique<int>(i + *own); });
  for (auto& r : owned) EXPECT_EQ(*std::move(r).value(), 7);
  std::vector<std::string> texts{"a", "bc"};
  std::size_t letters = 0;
  for (auto& r : pool.map(texts, &std::string::size)) letters += r.value();
  EXPECT_EQ(letters, 3u);
}

TYPED_TEST(streams, AnEmptySourceGivesTheEndAtOnce) {
  auto& pool = this->pool();
  auto stream = pool.map(std::vector<int>{}, [](int i) { return i; });
  EXPECT_FALSE(stream.next());
  EXPECT_EQ(stream.report().spawned, 0u);
  EXPECT_EQ(stream.report().result, outcome::completed);
  results<int> none;
  EXPECT_FALSE(none.next());
  EXPECT_TRUE(none.done());
  EXPECT_THROW(none.report(), std::logic_error);
}

TYPED_TEST(streams, RangesAndViewsTakeThem) {
  auto& pool = this->pool();
  auto even = pool.map(numbers(100), [](int i) { return i; }) |
              std::views::filter([](const result<int>& r) { return r.index % 2 == 0; }) |
              std::views::transform([](result<int>& r) { return r.value(); });
  int sum = 0;
  for (const int i : even) sum += i;
  EXPECT_EQ(sum, 2450);
}

TYPED_TEST(streams, ACapacityOfZeroIsRefused) {
  EXPECT_THROW((void)this->pool().map(numbers(1), [](int i) { return i; }, {.capacity = 0}),
               std::invalid_argument);
}

// ---- the bound -----------------------------------------------------------------------------------

TYPED_TEST(streams, A2C33AtMostCapacityInputsAreTakenAndNotRead) {
  auto& pool = this->pool();
  std::atomic<int> taken = 0;
  auto stream =
      pool.map(generated([&taken]() -> std::optional<int> { return taken++; }) | std::views::take(1000),
               [](int i) { return i; }, {.capacity = 16});
  for (int read = 0;; ++read) {
    EXPECT_LE(taken, read + 16);
    if (!stream.next()) break;
  }
  EXPECT_GE(taken, 1000);
}

TYPED_TEST(streams, C33AnIdleStreamHoldsNoWorker) {
  auto& pool = this->pool(1);
  auto unread = pool.map(std::views::iota(0), [](int i) { return i; }, {.capacity = 4});
  std::vector<results<int>> more;
  for (int i = 0; i < 10; ++i)
    more.push_back(pool.map(std::views::iota(0), [](int k) { return k; }, {.capacity = 2}));
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1) << "the one worker is free";
  EXPECT_EQ(unread.next()->value(), 0);
}

TYPED_TEST(streams, E6ConcurrencyIsALimit) {
  auto& pool = this->pool(8);
  std::atomic<int> at_once = 0, most = 0;
  for (auto& r : pool.map(numbers(support::scaled(2000)),
                          [&](int i) {
                            const int now = ++at_once;
                            int seen = most;
                            while (now > seen && !most.compare_exchange_weak(seen, now)) {
                            }
                            std::this_thread::yield();
                            --at_once;
                            return i;
                          },
                          {.concurrency = 3}))
    r.value();
  EXPECT_LE(most, 3);
}

TYPED_TEST(streams, B2AllWorkersWorkOnOneStream) {
  auto& pool = this->pool(8);
  std::latch all{8};
  int n = 0;
  for (auto& r : pool.map(numbers(8), [&all](int) { all.arrive_and_wait(); })) {
    EXPECT_TRUE(r.ok());
    ++n;
  }
  EXPECT_EQ(n, 8);
}

TYPED_TEST(streams, C33ASourceThatBlocksHoldsNoInputUp) {
  auto& pool = this->pool(2);
  std::latch open{1};
  int given = 0;
  auto stream = pool.map(generated([&]() -> std::optional<int> {
                           if (given == 3) open.wait();
                           return given < 6 ? std::optional(given++) : std::nullopt;
                         }),
                         [](int i) { return i; });
  std::set<int> read;
  for (int i = 0; i < 3; ++i) read.insert(stream.next()->value());
  EXPECT_EQ(read, (std::set<int>{0, 1, 2}));
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1) << "the other worker is free";
  open.count_down();
  int rest = 0;
  while (stream.next()) ++rest;
  EXPECT_EQ(rest, 3);
}

// ---- errors ----------------------------------------------------------------------------------------

TYPED_TEST(streams, C5ExactlyThirtyFiveOfAThousandAndAnOrderedListOfThem) {
  auto& pool = this->pool();
  auto stream = pool.map(numbers(1000), [](int i) {
    if (i % 29 == 0) throw std::runtime_error("id " + std::to_string(i));
    return i;
  });
  while (stream.next()) {
  }
  const auto& report = stream.report();
  support::check(report);
  EXPECT_EQ(report.result, outcome::failed);
  EXPECT_EQ(report.errors_total, 35u);
  ASSERT_EQ(report.errors.size(), 35u);
  for (std::size_t i = 0; i < 35; ++i) EXPECT_EQ(report.errors[i].message, "id " + std::to_string(29 * i));
}

TYPED_TEST(streams, C24ManyErrorsAreCountedAndTheFirstOnesKept) {
  auto& pool = this->pool();
  auto stream = pool.map(numbers(500),
                         [](int i) {
                           if (i >= 0) throw i;
                         },
                         {.keep_errors = 3});
  while (stream.next()) {
  }
  EXPECT_EQ(stream.report().errors_total, 500u);
  ASSERT_EQ(stream.report().errors.size(), 3u);
  EXPECT_EQ(stream.report().errors[2].path, "root/2");
}

TYPED_TEST(streams, ASourceThatThrowsIsTheLastResultAndItsError) {
  auto& pool = this->pool();
  for (const int good : {0, 1, 5}) {
    int given = 0;
    auto stream = pool.map(generated([&]() -> std::optional<int> {
                             if (given == good) throw std::runtime_error("disk gone");
                             return given++;
                           }),
                           [](int i) { return i; }, {.name = "read"});
    int values = 0, errors = 0;
    while (auto r = stream.next()) {
      if (r->ok()) {
        ++values;
        continue;
      }
      ++errors;
      EXPECT_EQ(r->index, static_cast<std::size_t>(good));
      EXPECT_EQ(r->error().name, "source of read");
      EXPECT_EQ(r->error().message, "disk gone");
    }
    EXPECT_EQ(values, good);
    EXPECT_EQ(errors, 1);
    EXPECT_EQ(stream.report().result, outcome::failed);
  }
}

TYPED_TEST(streams, FailFastStopsTheStreamAtTheFirstError) {
  auto& pool = this->pool();
  auto stream = pool.map(std::views::iota(0),
                         [](int i) {
                           if (i == 50) throw std::runtime_error("fifty");
                           return i;
                         },
                         {.capacity = 8, .ordered = true, .errors = coppice::error_policy::fail_fast()});
  std::uint64_t read = 0;
  while (stream.next()) ++read;
  const auto& report = stream.report();
  support::check(report);
  EXPECT_EQ(report.result, outcome::failed);
  EXPECT_EQ(report.spawned, read);
  ASSERT_TRUE(report.cancel);
  EXPECT_GE(read, 51u);
  EXPECT_LE(read, 51u + 8u);
}

// ---- stopping ----------------------------------------------------------------------------------------

TYPED_TEST(streams, A5C33CancelEndsTheStreamAndWhatIsFinishedCanBeRead) {
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

TYPED_TEST(streams, C22ACancelThatComesTooLateLosesNothing) {
  auto& pool = this->pool();
  auto stream = pool.map(numbers(5), [](int i) { return i; });
  while (stream.next()) {
  }
  EXPECT_FALSE(stream.cancel());
  EXPECT_EQ(stream.report().result, outcome::completed);
}

TYPED_TEST(streams, C21ADeadlineThatHasPassedTakesNothing) {
  auto& pool = this->pool();
  auto stream = pool.map(std::views::iota(0), [](int i) { return i; },
                         {.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)});
  EXPECT_FALSE(stream.next());
  EXPECT_EQ(stream.report().result, outcome::deadline_exceeded);
  EXPECT_EQ(stream.report().spawned, 0u);
}

TYPED_TEST(streams, C21ADeadlineEndsAStreamWithoutEnd) {
  auto& pool = this->pool();
  auto stream =
      pool.map(std::views::iota(0), [](int i) { return i; },
               {.capacity = 4, .deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20)});
  std::uint64_t read = 0;
  while (stream.next()) ++read;
  EXPECT_EQ(stream.report().result, outcome::deadline_exceeded);
  EXPECT_EQ(stream.report().spawned, read);
}

TYPED_TEST(streams, A4AReaderThatNeverReadsHoldsNobodyUp) {
  auto& pool = this->pool(2);
  auto stream = pool.map(std::views::iota(0), [](int i) { return support::tracked(i); }, {.capacity = 10});
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

TYPED_TEST(streams, A4AReaderThatLeavesEarlyStopsTheSource) {
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

TYPED_TEST(streams, C35AStopEndsTheStreamAndWhatWasTakenCanBeRead) {
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

TYPED_TEST(streams, C33AStreamMayBeReadWhenItsPoolIsGone) {
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

TYPED_TEST(streams, C27ErrorsThatNobodyReadGoToTheHandler) {
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

TYPED_TEST(streams, C30ReadingAStreamInItsOwnFunctionIsTold) {
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

// ---- pipelines -----------------------------------------------------------------------------------------

TYPED_TEST(streams, D3StagesComposeAndErrorsArriveAtTheEndWithStageAndIndex) {
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

TYPED_TEST(streams, D3AStageMayTakeResultsToHandleErrors) {
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

TYPED_TEST(streams, D3BackPressureReachesTheSource) {
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

TYPED_TEST(streams, D3DestroyingOrCancellingTheEndStopsTheSource) {
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

TYPED_TEST(streams, D3AStageThatIsStoppedEndsTheStagesBelow) {
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

TYPED_TEST(streams, D3AnEmptyStageHoldsNoWorker) {
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

TYPED_TEST(streams, D3StagesOfDifferentPoolsCompose) {
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

// ---- inside of jobs ------------------------------------------------------------------------------------

class streams_in_jobs : public support::on_workers {};
SUPPORT_ON_EACH_NUMBER_OF_WORKERS(streams_in_jobs);

TEST_P(streams_in_jobs, ATaskReadsAStreamOfItsOwnScheduler) {
  auto& s = scheduler();
  const long sum = s.run([&s] {
    long total = 0;
    for (auto& r : s.map(numbers(500), [](int i) { return long{i}; }, {.capacity = 8})) total += r.value();
    return total;
  });
  EXPECT_EQ(sum, 124750);
}

TEST_P(streams_in_jobs, ATaskReadsAStageThatAnotherPoolFeeds) {
  // The only worker stands still until something comes; then it is the one who has to work on it.
  auto& s = scheduler();
  coppice::fifo_pool other({.workers = 1});
  const long sum = s.run([&] {
    long total = 0;
    auto fed = other.map(numbers(2000),
                         [](int i) {
                           std::this_thread::yield();
                           return i;
                         },
                         {.capacity = 1});
    auto stage = s.map(std::move(fed), [](int i) { return i; }, {.capacity = 2});
    for (auto& r : s.map(std::move(stage), [](int i) { return long{i}; }, {.capacity = 2}))
      total += r.value();
    return total;
  });
  EXPECT_EQ(sum, 1999000);
}

TEST_P(streams_in_jobs, StreamsAndStagesNest) {
  auto& s = scheduler();
  const long sum = s.run([&s] {
    long total = 0;
    auto rows = s.map(numbers(20), [&s](int i) {
      long row = 0;
      for (auto& r : s.map(s.map(numbers(20), [](int k) { return k; }, {.capacity = 2}),
                           [i](int k) { return long{i} * k; }, {.capacity = 2}))
        row += r.value();
      return row;
    });
    for (auto& r : rows) total += r.value();
    return total;
  });
  EXPECT_EQ(sum, 190 * 190);
}

TEST_P(streams_in_jobs, AFunctionMayForkAndItsErrorsKeepTheirPlace) {
  auto& s = scheduler();
  auto stream = s.map(numbers(40), [](int i) {
    auto [a, b] = coppice::join([i] { return i; },
                                [i] {
                                  if (i == 17) throw std::runtime_error("right branch");
                                  return i;
                                });
    return a + b;
  });
  std::vector<int> values(40);
  for (auto& r : stream) {
    if (r.index == 17) {
      EXPECT_EQ(r.error().path, "root/17/1");
      EXPECT_EQ(r.error().message, "right branch");
    } else {
      EXPECT_EQ(r.value(), 2 * static_cast<int>(r.index));
    }
  }
}

TEST_P(streams_in_jobs, ThePathOfAnInputIsItsPlace) {
  auto& s = scheduler();
  for (auto& r : s.map(numbers(20), [](int) { return coppice::this_task::path(); }))
    EXPECT_EQ(r.value(), "root/" + std::to_string(r.index));
}

TEST_P(streams_in_jobs, C20CancellingTheJobCancelsTheStreamsMadeInIt) {
  auto& s = scheduler();
  std::latch made{1};
  auto job = s.submit([&] {
    auto stream = s.map(std::views::iota(0),
                        [](int i) {
                          coppice::this_task::throw_if_stopped();
                          return i;
                        },
                        {.capacity = 4});
    made.count_down();
    std::uint64_t read = 0;
    while (stream.next()) ++read;
    EXPECT_EQ(stream.report().spawned, read);
    EXPECT_EQ(stream.report().result, outcome::cancelled);
  });
  made.wait();
  job.cancel("enough");
  job.wait();
}

TEST_P(streams_in_jobs, C14ACancelReachesTheCodeThatRuns) {
  auto& s = scheduler();
  std::latch running{1};
  auto stream = s.map(numbers(1), [&running](int i) {
    running.count_down();
    while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    coppice::this_task::throw_if_stopped();
    return i;
  });
  running.wait();
  stream.cancel("stop it");
  auto r = stream.next();
  ASSERT_TRUE(r && !r->ok());
  EXPECT_NE(r->error().message.find("stop it"), std::string::npos);
  EXPECT_THROW(r->value(), coppice::job_cancelled);
  EXPECT_FALSE(stream.next());
  EXPECT_EQ(stream.report().cancelled, 1u);
  EXPECT_EQ(stream.report().result, outcome::cancelled);
}

TEST(streams_of_fifo, C32AWorkerThatReadsAStreamOfItsOwnPoolIsTold) {
  coppice::fifo_pool pool({.workers = 1});
  std::string told;
  pool.submit([&] {
        auto stream = pool.map(numbers(3), [](int i) { return i; }, {.name = "inner"});
        try {
          (void)stream.next();
        } catch (const coppice::would_deadlock& e) {
          told = e.what();
        }
      })
      .get();
  EXPECT_NE(told.find("worker 0 runs task 0 and waits for a result of stream \"inner\""), std::string::npos)
      << told;
}

TEST(streams_of_fifo, C32HelpingReadsAStreamOfTheOwnPool) {
  for (const unsigned workers : {1u, 2u, 8u}) {
    coppice::fifo_pool pool({.workers = workers, .on_recursion = coppice::recursion::help});
    const int sum = pool.submit([&pool] {
                          int total = 0;
                          for (auto& r : pool.map(numbers(300), [](int i) { return i; }, {.capacity = 4}))
                            total += r.value();
                          return total;
                        })
                        .get();
    EXPECT_EQ(sum, 44850);
  }
}

}  // namespace
