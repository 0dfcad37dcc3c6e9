// join: results, exactly once, what serial code would throw (C-10), serial elision. Plain flags are read
// after the join, so that the thread sanitizer judges the library's ordering (C-06).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/check.hpp"
#include "support/fib.hpp"
#include "support/ledger.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::join;
using support::failure;
using support::fib;
using support::fork_until;
using support::tracked;

class joining : public support::on_workers {};

// Enters every id in [first, last) by a tree of unequal joins.
void enter_all(support::ledger& book, std::uint64_t first, std::uint64_t last, std::uint64_t seed) {
  if (last - first == 1) return book.enter(first);
  const std::uint64_t cut = first + 1 + support::mixed(seed, first) % (last - first - 1);
  join([&] { enter_all(book, first, cut, seed); }, [&] { enter_all(book, cut, last, seed); });
}

TEST(joining_serially, ResultsAreATupleWhereVoidIsMonostateAndAllVoidIsVoid) {
  auto nothing = [] {};
  auto number = [] { return 1; };
  auto text = [] { return std::string("two"); };
  static_assert(std::is_same_v<decltype(join(number, text)), std::tuple<int, std::string>>);
  static_assert(std::is_same_v<decltype(join(nothing, number, nothing)),
                               std::tuple<std::monostate, int, std::monostate>>);
  static_assert(std::is_void_v<decltype(join(nothing, nothing))>);
  static_assert(std::is_void_v<decltype(join(nothing, nothing, nothing))>);
  static int target = 0;
  auto reference = []() -> int& { return target; };
  static_assert(std::is_same_v<decltype(join(reference, number)), std::tuple<int&, int>>);
  EXPECT_EQ(join(number, text), std::tuple(1, std::string("two")));
}

TEST(joining_serially, OutsideOfASchedulerBranchesRunHereInOrderAndAThrowStopsTheRest) {
  std::vector<int> order;
  const auto here = std::this_thread::get_id();
  const auto step = [&](int i) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    EXPECT_EQ(coppice::this_task::worker(), -1);
    order.push_back(i);
    return i;
  };
  auto all = join([&] { return step(1); }, [&] { return step(2); }, [&] { return step(3); });
  EXPECT_EQ(all, std::tuple(1, 2, 3));
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  order.clear();
  EXPECT_EQ(
      support::failure_of([&] { join([&] { step(1); }, [] { throw failure("second"); }, [&] { step(3); }); }),
      "second");
  EXPECT_EQ(order, std::vector{1});
}

TEST_ON_WORKERS(joining, ARecursiveFunctionGivesTheSerialResult) {
  for (int i = 0; i < support::scaled(20); ++i) EXPECT_EQ(scheduler().run([] { return fib(18); }), 2584);
}

TEST_ON_WORKERS(joining, EachBranchOfARandomTreeRunsExactlyOnce) {
  auto random = support::random_source();
  for (int i = 0; i < support::scaled(20); ++i) {
    support::ledger book(2000);
    const std::uint64_t seed = random();
    scheduler().run([&] { enter_all(book, 0, 2000, seed); });
    EXPECT_TRUE(book.exactly_once());
  }
}

template <std::size_t... I>
void join_each(support::ledger& book, std::index_sequence<I...>) {
  const auto got = join([&book] {
    book.enter(I);
    return static_cast<int>(I) * 10;
  }...);
  EXPECT_EQ(got, std::tuple((static_cast<int>(I) * 10)...));
}

TEST_ON_WORKERS(joining, TwoToSevenBranchesRunOnceEachAndTheirResultsComeInOrder) {
  for (int i = 0; i < support::scaled(50); ++i)
    scheduler().run([] {
      const auto with = []<std::size_t N>(std::integral_constant<std::size_t, N>) {
        support::ledger book(N);
        join_each(book, std::make_index_sequence<N>{});
        EXPECT_TRUE(book.exactly_once());
      };
      with(std::integral_constant<std::size_t, 2>{});
      with(std::integral_constant<std::size_t, 3>{});
      with(std::integral_constant<std::size_t, 4>{});
      with(std::integral_constant<std::size_t, 5>{});
      with(std::integral_constant<std::size_t, 6>{});
      with(std::integral_constant<std::size_t, 7>{});
    });
}

// How often a value was moved on its way.
struct counts_moves {
  int moves = 0;
  counts_moves() = default;
  counts_moves(counts_moves&& other) noexcept : moves(other.moves + 1) {}
  counts_moves& operator=(counts_moves&&) = delete;
  counts_moves(const counts_moves&) = delete;
  counts_moves& operator=(const counts_moves&) = delete;
  ~counts_moves() = default;
};

TEST(joining_alone, AResultIsMovedOnceHoweverManyBranchesThereAre) {
  coppice::scheduler one({.workers = 1});
  one.run([] {
    auto make = [] { return counts_moves(); };
    const auto results = join(make, make, make, make, make, make, make);
    EXPECT_EQ(std::apply([](const auto&... each) { return std::max({each.moves...}); }, results), 1);
  });
}

TEST_ON_WORKERS(joining, C06WhatBranchesWroteIsSeenAfterTheJoin) {
  for (int i = 0; i < support::scaled(100); ++i)
    scheduler().run([] {
      int before = 1, left = 0, right = 0;  // plain on purpose
      join([&] { left = before + 1; }, [&] { right = before + 2; });
      EXPECT_EQ(left + right, 5);
    });
}

TEST_ON_WORKERS(joining, MoveOnlyAndReferenceResultsComeBackFromStolenBranchesToo) {
  int target = 0;
  scheduler().run([&] {
    std::atomic<bool> stolen{workers() == 1};
    auto [a, b, c] = join(
        [&] {
          fork_until([&] { return stolen.load(); });
          return std::make_unique<tracked>(1);
        },
        [&]() -> int& { return target; },
        [&] {
          stolen = true;
          return std::make_unique<tracked>(2);
        });
    EXPECT_EQ(a->value(), 1);
    EXPECT_EQ(&b, &target);
    EXPECT_EQ(c->value(), 2);
  });
}

int give_seven() { return 7; }

struct consumed_once {
  std::unique_ptr<int> value;
  int operator()() && { return *std::move(value); }
};

TEST_ON_WORKERS(joining, AnythingInvocableIsABranchAndAnLvalueIsCalledWhereItStands) {
  scheduler().run([] {
    int calls = 0;
    auto counting = [&calls]() mutable { return ++calls; };
    const auto constant = [] { return 3; };
    const std::function<int()> wrapped = [] { return 5; };
    auto got =
        join(counting, constant, wrapped, give_seven, &give_seven, consumed_once{std::make_unique<int>(9)});
    EXPECT_EQ(got, std::tuple(1, 3, 5, 7, 7, 9));
    EXPECT_EQ(calls, 1);
  });
}

TEST_ON_WORKERS(joining, C10TheLeftmostExceptionComesOutAndTheOthersAreSecondary) {
  for (int leftmost = 0; leftmost < 5; ++leftmost)
    for (int i = 0; i < support::scaled(20); ++i) {
      const auto report = support::report_of(
          scheduler(),
          [leftmost] {
            const auto branch = [leftmost](int b) {
              return [leftmost, b] {
                if (b >= leftmost) throw failure("b" + std::to_string(b));
              };
            };
            join(branch(0), branch(1), branch(2), branch(3), branch(4));
          },
          support::collecting());
      std::vector<std::string> wanted;
      for (int b = leftmost; b < 5; ++b)
        wanted.push_back("root/" + std::to_string(b) + " b" + std::to_string(b) +
                         (b > leftmost ? " secondary" : ""));
      EXPECT_EQ(support::lines(report), wanted);
      EXPECT_EQ(report.spawned, 1U) << "branches are not tasks of their own";
    }
}

TEST_ON_WORKERS(joining, C10TheOriginalExceptionObjectIsRethrown) {
  struct original : failure {
    explicit original(int* where) : failure("original"), target(where) {}
    int* target;
  };
  int target = 0;
  scheduler().run([&] {
    std::atomic<bool> stolen{workers() == 1};
    try {
      join([&] { fork_until([&] { return stolen.load(); }); },
           [&] {
             stolen = true;
             throw original(&target);
           });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const original& e) {
      EXPECT_EQ(e.target, &target);
    }
  });
}

TEST_ON_WORKERS(joining, C10UnderCollectAllEveryBranchRunsAlthoughAnEarlierOneThrew) {
  for (int i = 0; i < support::scaled(50); ++i) {
    support::ledger book(4);
    support::report_of(
        scheduler(),
        [&] {
          join(
              [&] {
                book.enter(0);
                throw failure("first");
              },
              [&] { book.enter(1); }, [&] { book.enter(2); }, [&] { book.enter(3); });
        },
        support::collecting());
    EXPECT_TRUE(book.exactly_once());
  }
}

TEST_ON_WORKERS(joining, C10UnderFailFastABranchThatHasNotStartedIsNotRun) {
  for (int i = 0; i < support::scaled(50); ++i) {
    support::ledger book(2);
    const auto report = support::report_of(scheduler(), [&] {
      join([] { throw failure("first"); }, [&] { book.enter(0); }, [&] { book.enter(1); });
    });
    EXPECT_EQ(support::lines(report), std::vector<std::string>{"root/0 first"});
    EXPECT_TRUE(book.at_most_once());
    if (workers() == 1) {
      EXPECT_EQ(book.entries(), 0U) << "nobody could have started it";
    }
  }
}

TEST_ON_WORKERS(joining, C10JoinReturnsByExceptionOnlyWhenAllBranchesHaveEnded) {
  if (workers() == 1) return;  // the branches have to run at the same time
  for (int i = 0; i < support::scaled(20); ++i)
    scheduler().run([] {
      std::atomic<bool> started{false}, thrown{false};
      bool finished = false;  // plain on purpose
      try {
        join(
            [&] {
              fork_until([&] { return started.load(); });
              thrown = true;
              throw failure("first");
            },
            [&] {
              started = true;
              while (!thrown) std::this_thread::yield();
              finished = true;
            });
      } catch (const failure&) {
        EXPECT_TRUE(finished);
      }
    });
}

TEST_ON_WORKERS(joining, ResultsOfAJoinThatThrowsAreDestroyed) {
  for (int i = 0; i < support::scaled(20); ++i)
    for (int thrower = 0; thrower < 3; ++thrower) {
      const auto branch = [thrower](int b) {
        return [thrower, b] {
          if (b == thrower) throw failure("one");
          return tracked(b);
        };
      };
      support::report_of(
          scheduler(), [&] { join(branch(0), branch(1), branch(2)); }, support::collecting());
      EXPECT_EQ(tracked::live(), 0);
    }
}

struct hides_its_address {
  int value = 0;
  int operator&() const = delete;  // NOLINT(google-runtime-operator)
};

TEST_ON_WORKERS(joining, ABranchReturnsWhateverAFunctionMayReturn) {
  scheduler().run([] {
    std::string text = "moved on";
    const auto moves = [&]() -> std::string&& { return std::move(text); };
    const auto constant = []() -> const std::string { return "const"; };  // NOLINT(readability-const-return*)
    for (int round = 0; round < 100; ++round) {
      auto [a, b, c, d] = join([] { return 1; }, moves, constant, [] { return hides_its_address{7}; });
      EXPECT_EQ(std::addressof(b), std::addressof(text));
      EXPECT_EQ(c, "const");
      EXPECT_EQ(a + d.value, 8);
    }
  });
}

struct throws_when_moved {
  throws_when_moved() = default;
  throws_when_moved(throws_when_moved&&) { throw failure("moved"); }  // NOLINT(*-noexcept-move*)
};

TEST_ON_WORKERS(joining, C05AThiefsResultThatCannotBeMovedLeavesTheJoinBehind) {
  if (workers() == 1) return;  // nobody could steal
  const auto report = support::report_of(
      scheduler(),
      [] {
        std::atomic<bool> started{false};
        const auto second = [&] {
          started = true;
          return throws_when_moved();
        };
        EXPECT_EQ(
            support::failure_of([&] { join([&] { fork_until([&] { return started.load(); }); }, second); }),
            "moved");
        coppice::spawn([] { throw failure("after both branches"); });
      },
      support::collecting());
  EXPECT_EQ(support::lines(report), std::vector<std::string>{"root/2 after both branches"});
}

TEST_ON_WORKERS(joining, C12AnExceptionThatIsCaughtInTheTreeIsNoFailureOfTheJob) {
  const auto report = support::report_of(
      scheduler(),
      [] {
        EXPECT_EQ(support::failure_of([] { join([] { throw failure("a"); }, [] { throw failure("b"); }); }),
                  "a");
        EXPECT_EQ(fib(10), 55) << "the worker is as good as before";
      },
      support::collecting());
  EXPECT_EQ(report.result, coppice::outcome::completed);
  EXPECT_EQ(report.errors_total, 0U);
}

}  // namespace
