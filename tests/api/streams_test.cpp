// Streams of results as their users see them, on both pools: what is read, the bound. No test sleeps:
// latches and generators that wait for them hold a stream where a test wants it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/ledger.hpp"
#include "support/scale.hpp"
#include "support/streams.hpp"

namespace {

using coppice::outcome;
using coppice::result;
using coppice::results;
using support::generated;
using support::numbers;

static_assert(std::ranges::input_range<results<int>>);
// Piped by its name, and moved. Were it a view, its name would have to be copied.
static_assert(std::ranges::viewable_range<results<std::unique_ptr<int>>&>);
static_assert(std::ranges::viewable_range<results<std::unique_ptr<int>>>);
static_assert(!std::copyable<results<int>>);

template <class Pool>
class streams : public support::on_both_pools<Pool> {};
TYPED_TEST_SUITE(streams, support::both_pools, support::pool_name);

TYPED_TEST(streams, A1AreReadThroughViewsByNameAndMoved) {
  auto& pool = this->pool(2);
  const auto value = [](result<int>& r) { return r.value(); };
  auto named = pool.map(numbers(10), [](int i) { return i; }, {.ordered = true});
  int sum = 0;
  for (const int i : named | std::views::transform(value) | std::views::take(4)) sum += i;
  EXPECT_EQ(sum, 0 + 1 + 2 + 3);
  for (const int i : std::move(named) | std::views::transform(value)) sum += i;
  EXPECT_EQ(sum, 45);
}

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
}

TYPED_TEST(streams, AMemberIsThatOfTheInputOrOfWhatItPointsOrRefersTo) {
  struct word : std::string {
    using std::string::string;
    int weight = 5;
  };
  auto& pool = this->pool();
  const auto sum = [&](auto&& inputs, auto member) {
    std::size_t total = 0;
    for (auto& r : pool.map(std::forward<decltype(inputs)>(inputs), member))
      total += static_cast<std::size_t>(r.value());
    return total;
  };
  std::vector<word> words{"a", "bc"};
  EXPECT_EQ(sum(words, &std::string::size), 3u);
  EXPECT_EQ(sum(words, &word::weight), 10u);
  EXPECT_EQ(sum(std::vector{&words[0], &words[1]}, &std::string::size), 3u);
  EXPECT_EQ(sum(std::vector{std::ref(words[0]), std::ref(words[1])}, &word::weight), 10u);
  std::vector<std::unique_ptr<const word>> owned;
  for (const word& w : words) owned.push_back(std::make_unique<const word>(w));
  EXPECT_EQ(sum(owned, &std::string::size), 3u);
  EXPECT_EQ(sum(std::move(owned), &word::weight), 10u);
}

TYPED_TEST(streams, WhatIsReferredToAsToBeMovedIsKept) {
  struct owner {
    std::unique_ptr<int> number;
  };
  auto& pool = this->pool();
  auto owners = pool.map(std::views::iota(0, 100), [](int i) { return owner{std::make_unique<int>(i)}; });
  int sum = 0;
  for (auto& r : pool.map(std::move(owners), &owner::number)) sum += *r.value();
  EXPECT_EQ(sum, 4950) << "a member of an input that is gone";
}

TYPED_TEST(streams, C01AFunctionThatCannotBeMovedInLeavesItsSourceUnchanged) {
  struct stays {
    stays() = default;
    stays(const stays&) { throw std::domain_error("stays"); }
    int operator()(int i) const { return i; }
  };
  auto& pool = this->pool();
  EXPECT_THROW(pool.map(std::views::iota(0, 5), stays()), std::domain_error);
  auto source = pool.map(std::views::iota(0, 5), [](int i) { return i; });
  EXPECT_THROW(pool.map(std::move(source), stays()), std::domain_error);
  int sum = 0;
  for (auto& r : source) sum += r.value();
  EXPECT_EQ(sum, 10);
}

// Each input takes longer than a step may, so that one step after the other does it.
TYPED_TEST(streams, C33AStreamRunsAheadOfItsReaderUntilItsWindowIsFull) {
  constexpr int window = 4;
  std::latch full{window};
  auto stream =
      this->pool().map(std::views::iota(0, 2 * window),
                       [&](int i) {
                         const auto begun = std::chrono::steady_clock::now();
                         while (std::chrono::steady_clock::now() - begun < 2 * coppice::detail::step_time) {
                         }
                         if (i < window) full.count_down();
                         return i;
                       },
                       {.capacity = window, .concurrency = 1});
  full.wait();
  int sum = 0;
  for (auto& r : stream) sum += r.value();
  EXPECT_EQ(sum, window * (2 * window - 1));
}

struct may_throw_as_it_ends {
  int value = 0;
  ~may_throw_as_it_ends() noexcept(false) {}  // NOLINT: no default one says so
};

// Which clang alone tells from those that say nothing.
TYPED_TEST(streams, ResultsMaySayThatTheirEndMayThrow) {
  auto& pool = this->pool();
  int sum = 0;
  for (auto& r : pool.map(std::views::iota(0, 5), [](int i) { return may_throw_as_it_ends{i}; }))
    sum += r.value().value;
  EXPECT_EQ(sum, 10);
  EXPECT_EQ(pool.submit([] { return may_throw_as_it_ends{3}; }).get().value, 3);
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

TYPED_TEST(streams, AnEmptyFunctionIsRefused) {
  auto& pool = this->pool();
  EXPECT_THROW(pool.map(numbers(3), std::function<int(int)>()), std::invalid_argument);
  EXPECT_THROW(pool.map(numbers(3), static_cast<int (*)(int)>(nullptr)), std::invalid_argument);
  EXPECT_THROW(
      pool.map(std::vector<std::string>(3), static_cast<std::size_t (std::string::*)() const>(nullptr)),
      std::invalid_argument);
  auto stage = pool.map(numbers(3), [](int i) { return i; });
  EXPECT_THROW(pool.map(std::move(stage), std::function<int(int)>()), std::invalid_argument);
  EXPECT_TRUE(stage.next()) << "it was not moved from";
}

TYPED_TEST(streams, ACapacityOfZeroIsRefused) {
  EXPECT_THROW((void)this->pool().map(numbers(1), [](int i) { return i; }, {.capacity = 0}),
               std::invalid_argument);
}

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

// Results do not wait for others to gather, whatever the source does next and however many came before.
TYPED_TEST(streams, C33ASourceThatBlocksAfterManyShortInputsHoldsNoneOfThemUp) {
  auto& pool = this->pool(1);
  for (const bool ordered : {false, true}) {
    std::latch open{1};
    int given = 0;
    const int many = support::scaled(5000) + 3;
    auto stream = pool.map(generated([&]() -> std::optional<int> {
                             if (given == many) open.wait();
                             return given < many ? std::optional(given++) : std::nullopt;
                           }),
                           [](int i) { return i; }, {.ordered = ordered});
    support::ledger seen(static_cast<std::size_t>(many));
    for (int i = 0; i < many; ++i) seen.enter(stream.next()->index);
    EXPECT_TRUE(seen.exactly_once());
    open.count_down();
    EXPECT_FALSE(stream.next());
  }
}

TYPED_TEST(streams, C33AnInputThatBlocksAfterManyShortOnesHoldsNoneOfThemUp) {
  auto& pool = this->pool(2);
  std::latch open{1};
  constexpr int n = support::scaled(5000);
  auto stream = pool.map(numbers(n), [&open](int i) {
    if (i == n / 2) open.wait();
    return i;
  });
  support::ledger seen(static_cast<std::size_t>(n));
  for (int i = 0; i < n - 1; ++i) {
    const auto r = stream.next();
    ASSERT_TRUE(r && r->index != static_cast<std::size_t>(n / 2));
    seen.enter(r->index);
  }
  open.count_down();
  seen.enter(stream.next()->index);
  EXPECT_TRUE(seen.exactly_once());
  EXPECT_FALSE(stream.next());
}

// Inputs that suddenly need each other, after many that took nothing: none waits behind another.
TYPED_TEST(streams, B2InputsSpreadOverAllWorkersAlsoAfterManyShortOnes) {
  auto& pool = this->pool(4);
  constexpr int n = support::scaled(5000);
  std::latch all{4};
  int read = 0;
  for (auto& r : pool.map(std::views::iota(0, n + 4), [&all](int i) {
         if (i >= n) all.arrive_and_wait();
         return i;
       })) {
    EXPECT_TRUE(r.ok());
    ++read;
  }
  EXPECT_EQ(read, n + 4);
}

TYPED_TEST(streams, A2C33TheBoundHoldsForEachWindowAndManyWorkers) {
  auto& pool = this->pool(8);
  for (const std::size_t capacity : {1u, 2u, 3u, 7u, 64u}) {
    std::atomic<int> taken = 0, asked_for = 0;
    std::atomic<bool> kept = true;
    const int n = support::scaled(3000);
    auto stream = pool.map(generated([&]() -> std::optional<int> {
                             if (taken - asked_for >= static_cast<int>(capacity)) kept = false;
                             return taken < n ? std::optional(taken++) : std::nullopt;
                           }),
                           [](int i) { return i; }, {.capacity = capacity, .ordered = capacity % 2 == 0});
    int read = 0;
    for (++asked_for; stream.next(); ++asked_for) ++read;
    EXPECT_EQ(read, n);
    EXPECT_TRUE(kept) << "capacity " << capacity;
  }
}

// The result at which a loop stands stays what it is while others are read.
TYPED_TEST(streams, NextWithinALoopReadsOn) {
  auto stream = this->pool().map(numbers(1000), [](int i) { return std::to_string(i); },
                                 {.capacity = 4, .ordered = true});
  int read = 0;
  for (auto& r : stream) {
    EXPECT_EQ(r.value(), std::to_string(read++));
    for (int i = 0; i < 3 && read < 999; ++i) EXPECT_EQ(stream.next()->value(), std::to_string(read++));
    EXPECT_EQ(r.value(), std::to_string(r.index));
    if (read >= 900) break;
  }
  while (stream.next()) ++read;
  EXPECT_EQ(read, 1000);
  EXPECT_EQ(stream.begin(), stream.end()) << "it has ended";
}

// Its moves throw while they are told to, once.
struct throws_once_when_moved {
  static inline bool now = false;
  int value;
  explicit throws_once_when_moved(int v) : value(v) {}
  throws_once_when_moved(throws_once_when_moved&& other) : value(other.value) {
    if (std::exchange(now, false)) throw std::runtime_error("move");
  }
  throws_once_when_moved& operator=(throws_once_when_moved&&) = delete;
};

// Two results, 0 and 1, both there before they are read.
template <class Pool>
coppice::results<throws_once_when_moved> two_of_them(Pool& pool) {
  auto all_there = std::make_shared<std::latch>(1);
  auto source = generated([all_there, given = 0]() mutable -> std::optional<int> {
    if (given < 2) return given++;
    all_there->count_down();
    return std::nullopt;
  });
  auto stream =
      pool.map(std::move(source), [](int i) { return throws_once_when_moved(i); }, {.concurrency = 1});
  all_there->wait();
  return stream;
}

TYPED_TEST(streams, C33AResultThatCannotBeMovedOutIsTheNextOneStill) {
  auto stream = two_of_them(this->pool());
  throws_once_when_moved::now = true;
  EXPECT_THROW(stream.next(), std::runtime_error);
  EXPECT_EQ(stream.next()->value().value, 0);
  throws_once_when_moved::now = true;
  EXPECT_THROW(stream.next(), std::runtime_error);
  EXPECT_FALSE(stream.done());
  EXPECT_EQ(stream.begin()->value().value, 1);
  EXPECT_FALSE(stream.next());
}

TYPED_TEST(streams, C33AResultThatCannotBeMovedOutIsTheNextInputOfAStage) {
  auto stream = two_of_them(this->pool());
  throws_once_when_moved::now = true;
  EXPECT_THROW(stream.next(), std::runtime_error);
  auto stage = this->pool().map(std::move(stream), [](throws_once_when_moved t) { return t.value; },
                                {.concurrency = 1});
  EXPECT_EQ(stage.next()->value(), 0);
  EXPECT_EQ(stage.next()->value(), 1);
  EXPECT_FALSE(stage.next());
}

}  // namespace
