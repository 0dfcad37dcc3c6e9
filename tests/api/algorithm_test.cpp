// parallel_for, parallel_reduce, parallel_sort: the serial results, each index once, no overflow at the
// limits.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <climits>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/check.hpp"
#include "support/ledger.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::parallel_for;
using coppice::parallel_reduce;
using support::failure;

class looping : public support::on_workers {};

TEST_ON_WORKERS(looping, EachIndexIsVisitedExactlyOnceWhateverTheLength) {
  for (const std::size_t n :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{511}, std::size_t{512}, std::size_t{513},
        std::size_t{1000}, support::scaled(std::size_t{100'003})}) {
    support::ledger book(n);
    std::vector<int> written(n);  // plain on purpose: C-06
    scheduler().run([&] {
      parallel_for(std::size_t{0}, n, [&](std::size_t i) {
        book.enter(i);
        written[i] = 1;
      });
      EXPECT_EQ(std::count(written.begin(), written.end(), 1), static_cast<std::ptrdiff_t>(n));
    });
    EXPECT_TRUE(book.exactly_once()) << n;
  }
}

TEST_ON_WORKERS(looping, NestedLoopsVisitEachPairOnce) {
  support::ledger book(60 * 60);
  scheduler().run([&] {
    parallel_for(0U, 60U,
                 [&](unsigned i) { parallel_for(0U, 60U, [&](unsigned k) { book.enter(i * 60 + k); }); });
  });
  EXPECT_TRUE(book.exactly_once());
}

TEST_ON_WORKERS(looping, AnEmptyOrReversedRangeRunsNothing) {
  scheduler().run([] {
    const auto never = [](auto) { ADD_FAILURE() << "must not run"; };
    parallel_for(5, 5, never);
    parallel_for(5, -5, never);
    parallel_for(7U, 3U, never);
    parallel_for(SIZE_MAX, std::size_t{0}, never);
    parallel_for(INT_MAX, INT_MIN, never);
    std::vector<int> v;
    parallel_for(v.begin(), v.end(), never);
    EXPECT_EQ(parallel_reduce(
                  5, -5, 42, [](int i) { return i; }, std::plus<>()),
              42);
    coppice::parallel_sort(v.begin(), v.end());
  });
}

template <class I>
void visit_all(I first, I last) {
  const auto n =
      static_cast<std::size_t>(static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first));
  support::ledger book(n);
  parallel_for(first, last, [&](I i) {
    book.enter(static_cast<std::size_t>(static_cast<std::uint64_t>(i) - static_cast<std::uint64_t>(first)));
  });
  EXPECT_TRUE(book.exactly_once()) << +first << " to " << +last;
}

TEST_ON_WORKERS(looping, IndexTypesReachTheirLimitsWithoutOverflow) {
  const auto all = [] {
    visit_all<std::int8_t>(INT8_MIN, INT8_MAX);
    visit_all<std::uint8_t>(0, UINT8_MAX);
    visit_all<std::int16_t>(INT16_MIN, INT16_MAX);
    visit_all<int>(INT_MIN, INT_MIN + 2000);
    visit_all<int>(INT_MAX - 2000, INT_MAX);
    visit_all<std::int64_t>(INT64_MAX - 3, INT64_MAX);
    visit_all<std::int64_t>(INT64_MIN, INT64_MIN + 700);
    visit_all<std::size_t>(SIZE_MAX - 2000, SIZE_MAX);
  };
  scheduler().run(all);
  all();
}

// Ranges that nobody can finish: all that can be seen is that the first calls are made and the splitting
// ends.
template <class I>
void fail_at_once(coppice::scheduler& s, I first, I last) {
  const auto report =
      support::report_of(s, [=] { parallel_for(first, last, [](I) { throw failure("in the body"); }); });
  ASSERT_FALSE(report.errors.empty());
  EXPECT_EQ(report.errors.front().message, "in the body");
}

TEST_ON_WORKERS(looping, TheLongestRangesOfEachTypeAreSplitWithoutOverflow) {
  fail_at_once<int>(scheduler(), INT_MIN, INT_MAX);
  fail_at_once<std::int64_t>(scheduler(), INT64_MIN, INT64_MAX);
  fail_at_once<std::size_t>(scheduler(), 0, SIZE_MAX);
  const auto report = support::report_of(scheduler(), [] {
    return parallel_reduce(
        std::size_t{0}, SIZE_MAX, 0, [](std::size_t) -> int { throw failure("in the map"); }, std::plus<>());
  });
  ASSERT_FALSE(report.errors.empty());
  EXPECT_EQ(report.errors.front().message, "in the map");
}

TEST_ON_WORKERS(looping, RandomAccessIteratorsAreIndexesToo) {
  std::vector<int> values(10'000, 1);  // plain on purpose
  scheduler().run([&] { parallel_for(values.begin(), values.end(), [](auto it) { *it += 1; }); });
  EXPECT_EQ(values, std::vector<int>(10'000, 2));
}

TEST_ON_WORKERS(looping, C10TheFirstFailingCallIsTheOneThatComesOut) {
  for (int i = 0; i < support::scaled(20); ++i) {
    const auto report = support::report_of(
        scheduler(),
        [] {
          parallel_for(0U, 5000U, [](unsigned k) {
            if (k >= 1234) throw failure(k);
          });
        },
        support::collecting(1));
    ASSERT_EQ(report.errors.size(), 1U);
    EXPECT_EQ(report.errors[0].message, "1234");
    EXPECT_FALSE(report.errors[0].secondary);
  }
}

TEST_ON_WORKERS(looping, C13ALoopInACancelledJobThrows) {
  const auto report = support::report_of(scheduler(), [] {
    coppice::this_task::cancel_job("no loops");
    EXPECT_THROW(parallel_for(0, 10, [](int) { ADD_FAILURE() << "must not run"; }), coppice::cancelled);
    EXPECT_THROW(parallel_for(0, 100'000, [](int) { ADD_FAILURE() << "must not run"; }), coppice::cancelled);
    coppice::this_task::throw_if_stopped();
  });
  EXPECT_EQ(report.result, coppice::outcome::cancelled);
}

// Wherever the cancel comes: what returns is whole.
TEST_ON_WORKERS(looping, C13NoAlgorithmReturnsAsIfWhatACancelSkippedWereDone) {
  unsigned whole = 0, cancelled = 0;
  const auto cancels_at = [](std::atomic<int>& n, int at) {
    if (++n == at) coppice::this_task::cancel_job("in the middle");
  };
  const auto run = [&](const auto& algorithm) {
    const auto report = support::report_of(scheduler(), algorithm);
    ++(report.result == coppice::outcome::completed ? whole : cancelled);
  };
  for (int i = 0; i < support::scaled(60); ++i) {
    const int at = 1 + i * 977 % 5000;
    std::atomic<int> mapped{0}, compared{0}, visited{0};
    run([&] {
      EXPECT_EQ(coppice::parallel_reduce(
                    0, 5000, 0,
                    [&](int) {
                      cancels_at(mapped, at);
                      return 1;
                    },
                    std::plus<>()),
                5000);
    });
    std::vector<int> numbers(20'000);
    for (std::size_t k = 0; k < numbers.size(); ++k) numbers[k] = static_cast<int>(k * 7919 % 20'000);
    run([&] {
      coppice::parallel_sort(numbers.begin(), numbers.end(), [&](int a, int b) {
        cancels_at(compared, 20 * at);
        return a < b;
      });
      EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
    });
    run([&] {
      coppice::walk_tree(
          1,
          [](int n) {
            return n < 512 ? std::vector{2 * n, 2 * n + 1} : std::vector<int>();
          },
          [&](int) { cancels_at(visited, 1 + at % 1023); });
      EXPECT_EQ(visited, 1023);
    });
  }
  EXPECT_GT(cancelled, whole) << "the test is about cancels";
}

TEST(looping_serially, OutsideOfATaskTheLoopRunsInOrder) {
  std::vector<int> order;
  parallel_for(3, 7, [&](int i) { order.push_back(i); });
  EXPECT_EQ(order, (std::vector{3, 4, 5, 6}));
}

double term(std::size_t i) { return 1.0 / (static_cast<double>(support::mixed(i) % 100'000) + 0.1); }

TEST(reducing, TheFloatingPointSumIsTheSameBitsForEachNumberOfWorkersAndEachTime) {
  for (const std::size_t n :
       {std::size_t{1}, std::size_t{100}, std::size_t{5000}, support::scaled(std::size_t{200'001})}) {
    const double serial = parallel_reduce(std::size_t{0}, n, 0.0, term, std::plus<>());
    for (const unsigned workers : {1U, 2U, 3U, 8U, 64U}) {
      coppice::scheduler scheduler({.workers = workers});
      for (int i = 0; i < support::scaled(10); ++i) {
        const double sum =
            scheduler.run([n] { return parallel_reduce(std::size_t{0}, n, 0.0, term, std::plus<>()); });
        EXPECT_EQ(std::memcmp(&sum, &serial, sizeof sum), 0) << n << ", " << workers << " workers";
      }
    }
  }
}

TEST_ON_WORKERS(looping, AReductionKeepsTheOrderAndNeedsNoCommutativity) {
  std::string wanted;
  for (int i = 0; i < 9000; ++i) wanted += static_cast<char>('a' + i % 26);
  EXPECT_EQ(scheduler().run([] {
    return parallel_reduce(
        0, 9000, std::string(), [](int i) { return std::string(1, static_cast<char>('a' + i % 26)); },
        [](std::string a, const std::string& b) { return std::move(a) + b; });
  }),
            wanted);
}

// A part of a range, which only fits what lies beside it. It travels in registers, so leaves add four at a
// time.
struct stretch {
  int begin, end;
  bool torn = false;
};

TEST_ON_WORKERS(looping, AReductionOfSmallValuesKeepsTheOrderToo) {
  for (const int n : {3, 5000, support::scaled(200'003)}) {
    const stretch all = scheduler().run([n] {
      return parallel_reduce(
          0, n, stretch{0, 0},
          [](int i) {
            return stretch{i, i + 1};
          },
          [](stretch a, stretch b) {
            if (a.begin == a.end) return b;
            if (b.begin == b.end) return a;
            return stretch{a.begin, b.end, a.torn || b.torn || a.end != b.begin};
          });
    });
    EXPECT_EQ(all.begin, 0);
    EXPECT_EQ(all.end, n);
    EXPECT_FALSE(all.torn) << "of " << n;
  }
}

// The association of a sum depends on it.
TEST(reducing, LeavesFollowFromTheLengthAndStayShort) {
  using coppice::detail::reduction_leaf;
  EXPECT_EQ(reduction_leaf(1), 1U);
  EXPECT_EQ(reduction_leaf(4095), 1U);
  EXPECT_EQ(reduction_leaf(4096), 2U);
  EXPECT_EQ(reduction_leaf(20'000'000), 4883U);
  EXPECT_EQ(reduction_leaf(33'550'000), 8191U);
  EXPECT_EQ(reduction_leaf(40'000'000), 8192U);
  EXPECT_EQ(reduction_leaf(~std::uint64_t{0}), 8192U);
}

TEST_ON_WORKERS(looping, AReductionTakesACombineThatGivesAnotherType) {
  const auto map = [](int i) { return static_cast<short>(i % 100); };
  const auto most = [](auto a, auto b) { return a > b ? a + 0 : b + 0; };  // of two shorts an int
  scheduler().run([&] { EXPECT_EQ(coppice::parallel_reduce(0, 10'000, short{0}, map, most), 99); });
}

}  // namespace
