// Errors in streams, on both pools: of inputs and of sources, counted, kept, and what the policies make of
// them.
#include <gtest/gtest.h>

#include <compare>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/streams.hpp"

namespace {

using coppice::outcome;
using support::generated;
using support::numbers;

template <class Pool>
class stream_errors : public support::on_both_pools<Pool> {};
TYPED_TEST_SUITE(stream_errors, support::both_pools, support::pool_name);

TYPED_TEST(stream_errors, C5ExactlyThirtyFiveOfAThousandAndAnOrderedListOfThem) {
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

TYPED_TEST(stream_errors, C24ManyErrorsAreCountedAndTheFirstOnesKept) {
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

TYPED_TEST(stream_errors, ASourceThatThrowsIsTheLastResultAndItsError) {
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

TYPED_TEST(stream_errors, C33AnInputIsNotLostToTheSearchForTheNextOne) {
  const auto ten = numbers(10);
  std::latch first_ran{1};
  auto some = ten | std::views::filter([&](int i) {
                if (i == 1) first_ran.wait();  // an input is handed on before the next one is looked for
                if (i == 5) throw std::runtime_error("five");
                return true;
              });
  auto stream = this->pool().map(some,
                                 [&](int i) {
                                   if (i == 0) first_ran.count_down();
                                   return i;
                                 },
                                 {.ordered = true});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(stream.next()->value(), i);
  EXPECT_EQ(stream.next()->error().message, "five");
  EXPECT_FALSE(stream.next());
}

// A number whose increment throws at three.
struct throws_at_three {
  using value_type = int;
  using difference_type = std::ptrdiff_t;
  int at = 0;
  int operator*() const { return at; }
  int operator[](difference_type n) const { return at + static_cast<int>(n); }
  throws_at_three& operator++() {
    if (at == 3) throw std::runtime_error("three");
    ++at;
    return *this;
  }
  throws_at_three operator++(int) { return {std::exchange(at, at + 1)}; }
  throws_at_three& operator--() { return *this += -1; }
  throws_at_three operator--(int) { return {std::exchange(at, at - 1)}; }
  throws_at_three& operator+=(difference_type n) {
    at += static_cast<int>(n);
    return *this;
  }
  throws_at_three& operator-=(difference_type n) { return *this += -n; }
  friend throws_at_three operator+(throws_at_three i, difference_type n) { return i += n; }
  friend throws_at_three operator+(difference_type n, throws_at_three i) { return i += n; }
  friend throws_at_three operator-(throws_at_three i, difference_type n) { return i -= n; }
  friend difference_type operator-(throws_at_three a, throws_at_three b) { return a.at - b.at; }
  friend auto operator<=>(throws_at_three, throws_at_three) = default;
};

TYPED_TEST(stream_errors, C33AnInputIsNotLostToAnIteratorThatThrowsBehindIt) {
  const std::ranges::subrange all(throws_at_three{0}, throws_at_three{9});
  static_assert(std::ranges::random_access_range<decltype(all)>);
  auto stream = this->pool().map(all, [](int i) { return i; }, {.ordered = true});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(stream.next()->value(), i);
  EXPECT_EQ(stream.next()->error().message, "three");
  EXPECT_FALSE(stream.next());
}

TYPED_TEST(stream_errors, FailFastStopsTheStreamAtTheFirstError) {
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

// One at a time, so that all is counted when the next error comes.
TYPED_TEST(stream_errors, AfterStopsTheStreamAtThatManyErrors) {
  auto stream = this->pool().map(std::views::iota(0, 1000),
                                 [](int i) {
                                   if (i % 2 == 1) throw i;
                                   return i;
                                 },
                                 {.concurrency = 1, .errors = coppice::error_policy::after(3)});
  while (stream.next()) continue;
  EXPECT_EQ(stream.report().failed, 3u);
  EXPECT_EQ(stream.report().spawned, 6u);
  ASSERT_TRUE(stream.report().cancel);
  EXPECT_EQ(stream.report().cancel->by, "root/5");
}

TYPED_TEST(stream_errors, FractionStopsTheStreamWhenMoreThanThatPartHasFailed) {
  auto stream = this->pool().map(std::views::iota(0, 1000),
                                 [](int i) {
                                   if (i >= 2) throw i;
                                   return i;
                                 },
                                 {.concurrency = 1, .errors = coppice::error_policy::fraction(0.5, 4)});
  while (stream.next()) continue;
  EXPECT_EQ(stream.report().failed, 3u) << "of five; of four two are not more than a half";
  EXPECT_EQ(stream.report().spawned, 5u);
}

TYPED_TEST(stream_errors, WhenDecidesByTheErrorAndKindsAreCounted) {
  const auto is_number = [](const coppice::task_error& e, const coppice::error_count& so_far) {
    return e.type == "int" && so_far.errors == 4 && so_far.ended == 8 && so_far.spawned == 8;
  };
  auto stream = this->pool().map(std::views::iota(0, 1000),
                                 [](int i) {
                                   if (i == 7) throw i;
                                   if (i % 2 == 1) throw std::runtime_error("odd");
                                   return i;
                                 },
                                 {.concurrency = 1, .errors = coppice::error_policy::when(is_number)});
  while (stream.next()) continue;
  EXPECT_EQ(stream.report().spawned, 8u);
  using kinds = std::vector<coppice::error_kind>;
  EXPECT_EQ(stream.report().kinds, (kinds{{"std::runtime_error", 3}, {"int", 1}}));
}

TYPED_TEST(stream_errors, SerialFirstIsRefused) {
  EXPECT_THROW(this->pool().map(numbers(3), [](int i) { return i; },
                                {.errors = coppice::error_policy::serial_first()}),
               std::invalid_argument);
}

}  // namespace
