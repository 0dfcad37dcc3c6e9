// task_group: which children are joined, what is thrown, how a group is left (C-07, C-08, C-11, C-12).
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/check.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::task_group;
using support::collecting;
using support::failure;
using support::lines;
using support::report_of;
using support::tracked;

class grouping : public support::on_workers {};

// Its children lie lower in the deque than where it was made.
TEST_ON_WORKERS(grouping, AGroupMadeInABranchMayBeWaitedForAfterTheJoin) {
  const auto report = report_of(scheduler(), [] {
    std::unique_ptr<task_group> group;
    int branch = 0, later = 0;
    coppice::join(
        [&] {
          group = std::make_unique<task_group>();
          group->spawn([&] { ++branch; });
        },
        [] {});
    group->spawn([&] { ++later; });
    group->wait();
    EXPECT_EQ(branch, 1);
    EXPECT_EQ(later, 1);
  });
  EXPECT_EQ(report.succeeded, 3U);
}

TEST_ON_WORKERS(grouping, AGroupMadeBeforeAnotherOnesWaitMayBeUsedAfterIt) {
  const auto report = report_of(scheduler(), [] {
    std::atomic<int> first = 0, second = 0;
    task_group outer;
    for (int i = 0; i < 10; ++i) outer.spawn([&] { ++first; });
    task_group inner;
    outer.wait();
    EXPECT_EQ(first, 10);
    inner.spawn([&] { ++second; });
    inner.wait();
    EXPECT_EQ(second, 1);
  });
  EXPECT_EQ(report.succeeded, 12U);
}

TEST_ON_WORKERS(grouping, C06EachChildRunsOnceAndWhatItWroteIsSeenAfterWait) {
  for (int i = 0; i < support::scaled(20); ++i) {
    constexpr std::size_t n = 1000;
    support::ledger book(n);
    std::vector<int> written(n);  // plain on purpose
    const auto report = report_of(scheduler(), [&] {
      task_group group;
      for (std::size_t k = 0; k < n; ++k)
        group.spawn([&, k] {
          book.enter(k);
          written[k] = 1;
        });
      group.wait();
      for (const int w : written) EXPECT_EQ(w, 1);
    });
    EXPECT_TRUE(book.exactly_once());
    EXPECT_EQ(report.succeeded, n + 1);
  }
}

TEST_ON_WORKERS(grouping, MoreChildrenThanADequeHoldsAllRun) {
  const std::size_t n = support::scaled(std::size_t{100'000});
  support::ledger book(n);
  const auto report = report_of(scheduler(), [&] {
    task_group group;
    for (std::size_t k = 0; k < n; ++k) group.spawn([&book, k] { book.enter(k); });
    group.wait();
  });
  EXPECT_TRUE(book.exactly_once());
  EXPECT_EQ(report.spawned, n + 1);
}

TEST_ON_WORKERS(grouping, C11WaitJoinsTheChildrenOfThisGroupOnly) {
  std::latch release{1};
  scheduler().run([&] {
    task_group older;
    older.spawn([&] { release.wait(); });
    task_group younger;
    bool ran = false;  // plain on purpose
    younger.spawn([&] { ran = true; });
    younger.wait();  // would stand still for ever if it joined the other group's child
    EXPECT_TRUE(ran);
    release.count_down();
    older.wait();
  });
}

TEST_ON_WORKERS(grouping, C11DescendantsMaySpawnIntoTheGroup) {
  support::ledger book(100);
  scheduler().run([&] {
    task_group group;
    for (std::size_t i = 0; i < 10; ++i)
      group.spawn([&, i] {
        book.enter(i * 10);
        for (std::size_t k = 1; k < 10; ++k) group.spawn([&, i, k] { book.enter(i * 10 + k); });
      });
    group.wait();
    EXPECT_TRUE(book.exactly_once());
  });
}

TEST_ON_WORKERS(grouping, C11WaitRethrowsTheFailureWithTheSmallestOrdinalAndKeepsTheOthersAsSecondary) {
  for (int i = 0; i < support::scaled(50); ++i) {
    const auto report = report_of(
        scheduler(),
        [] {
          task_group group;
          for (unsigned k = 0; k < 10; ++k)
            group.spawn(
                [k] {
                  if (k % 3 == 1) throw failure(k);
                },
                "child " + std::to_string(k));
          group.wait();
        },
        collecting());
    EXPECT_EQ(lines(report),
              (std::vector<std::string>{"root/1 1", "root/4 4 secondary", "root/7 7 secondary"}));
    ASSERT_FALSE(report.errors.empty());
    EXPECT_EQ(report.errors[0].name, "child 1");
    EXPECT_EQ(report.failed, 4U) << "three children, and the root that let the exception pass";
  }
}

TEST_ON_WORKERS(grouping, C11UnderFailFastAFailingChildStopsTheUnstartedOnes) {
  for (int i = 0; i < support::scaled(20); ++i) {
    std::atomic<unsigned> started{0};
    const auto report = report_of(scheduler(), [&] {
      task_group group;
      for (unsigned k = 0; k < 100; ++k)
        group.spawn([&] {
          ++started;
          throw failure("child");
        });
      group.wait();
    });
    EXPECT_EQ(report.result, coppice::outcome::failed);
    EXPECT_EQ(report.failed, started + 1U);
    EXPECT_EQ(report.failed + report.skipped, report.spawned);
    if (workers() == 1) {
      EXPECT_EQ(started, 1U);
    }
  }
}

TEST_ON_WORKERS(grouping, C11SpawnIntoAGroupWhoseChildFailedSaysFalseUntilItIsWaitedFor) {
  if (workers() == 1) return;  // a child has to fail while its parent goes on
  scheduler().run([] {
    task_group group;
    group.spawn([] { throw failure("child"); });
    bool refused = false;
    support::fork_until([&] { return refused = !group.spawn([] {}); });
    EXPECT_EQ(support::failure_of([&] { group.wait(); }), "child");
    EXPECT_TRUE(group.spawn([] {}));
    group.wait();
  });
}

TEST_ON_WORKERS(grouping, C11AGroupCanBeUsedAgainAfterWaitAlsoAfterAFailure) {
  const auto report = report_of(scheduler(), [] {
    task_group group;
    for (unsigned round = 0; round < 20; ++round) {
      int ran = 0;  // plain on purpose
      if (round % 2 == 0) {
        group.spawn([&] { ran = 1; });
        group.wait();
        EXPECT_EQ(ran, 1);
      } else {
        group.spawn([round] { throw failure(round); });
        EXPECT_EQ(support::failure_of([&] { group.wait(); }), std::to_string(round));
      }
    }
  });
  EXPECT_EQ(report.result, coppice::outcome::completed) << "C-12";
}

TEST_ON_WORKERS(grouping, C11LeavingTheScopeByAnExceptionCancelsTheUnstartedAndJoins) {
  for (int i = 0; i < support::scaled(50); ++i) {
    std::atomic<unsigned> ran{0};
    const auto report = report_of(
        scheduler(),
        [&] {
          try {
            unsigned on_the_stack = 1;
            task_group group;
            for (int k = 0; k < 50; ++k) group.spawn([&, t = tracked()] { ran += on_the_stack; });
            throw failure("out of the scope");
          } catch (const failure&) {
            EXPECT_EQ(tracked::live(), 0) << "C-07: closures of skipped children are alive";
          }
        },
        collecting());
    EXPECT_EQ(report.errors_total, 0U);
    EXPECT_EQ(report.succeeded, ran + 1U);
    EXPECT_EQ(report.skipped, 50U - ran);
    if (workers() == 1) {
      EXPECT_EQ(ran, 0U);
    }
  }
}

TEST_ON_WORKERS(grouping, C11AFailureThatIsUnderWayWhenTheScopeIsLeftIsTheOneThatComesOut) {
  for (int i = 0; i < support::scaled(50); ++i) {
    const auto report = report_of(
        scheduler(),
        [] {
          task_group group;
          for (int k = 0; k < 10; ++k) group.spawn([] { throw failure("child"); });
          throw failure("parent");
        },
        collecting());
    unsigned primary = 0;
    for (const auto& e : report.errors) {
      if (e.secondary) continue;
      ++primary;
      EXPECT_EQ(e.message, "parent");
      EXPECT_EQ(e.path, "root");
    }
    EXPECT_EQ(primary, 1U);
    EXPECT_EQ(report.errors_total, report.failed) << "each child that ran, and the root";
  }
}

TEST_ON_WORKERS(grouping, ErrorsOfAGroupThatIsLeftWithoutWaitAreErrorsOfTheTask) {
  // A group that is left does not run what has not started, so here every child has.
  if (workers() == 1) return;
  const auto report = report_of(
      scheduler(),
      [] {
        std::atomic<bool> thrown{false};
        task_group group;
        group.spawn([&] {
          thrown = true;
          throw failure("nobody waits");
        });
        support::fork_until([&] { return thrown.load(); });
      },
      collecting());
  EXPECT_EQ(lines(report), std::vector<std::string>{"root/0 nobody waits"});
}

TEST_ON_WORKERS(grouping, C12HandledFailuresOfAGroupDoNotFailTheJob) {
  const auto report = report_of(
      scheduler(),
      [] {
        for (int round = 0; round < 10; ++round) {
          task_group group;
          for (unsigned k = 0; k < 10; ++k) group.spawn([k] { throw failure(k); });
          EXPECT_EQ(support::failure_of([&] { group.wait(); }), "0");
        }
      },
      collecting());
  EXPECT_EQ(report.result, coppice::outcome::completed);
  EXPECT_EQ(report.errors_total, 0U);
  EXPECT_EQ(report.failed, 100U);
}

TEST_ON_WORKERS(grouping, C07ClosuresAreDestroyedBeforeWaitReturns) {
  for (int i = 0; i < support::scaled(100); ++i)
    scheduler().run([] {
      task_group group;
      for (int k = 0; k < 20; ++k) group.spawn([t = tracked(k), large = std::vector<int>(10)] {});
      group.wait();
      EXPECT_EQ(tracked::live(), 0);
    });
}

TEST_ON_WORKERS(grouping, WaitOnAnotherThreadThanTheOwnersIsALogicError) {
  scheduler().run([] {
    task_group group;
    std::thread([&] { EXPECT_THROW(group.wait(), std::logic_error); }).join();
    group.wait();
  });
}

// ---- groups by turns ----------------------------------------------------------------------------

// Says whether it waits, and on which thread.
class waiter {
 public:
  template <class F>
  void waits(F&& f) {
    waits_ = true;
    f();
    waits_ = false;
  }
  // In what is not waited for: this thread has something else to do.
  void expect_away() {
    const bool here = std::this_thread::get_id() == self_;
    EXPECT_FALSE(here && waits_);
  }

 private:
  const std::thread::id self_ = std::this_thread::get_id();
  bool waits_ = false;  // of that thread
};

TEST_ON_WORKERS(grouping, C29AWaitRunsNoChildOfAnotherGroup) {
  std::atomic<int> ran{0};
  scheduler().run([&] {
    waiter me;
    coppice::task_group a;
    coppice::task_group b;
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 100; ++i) {
        const auto stranger = [&] {
          me.expect_away();
          coppice::spawn([&] { ++ran; });
        };
        b.spawn([&] { coppice::spawn([&] { ++ran; }); });
        a.spawn(stranger);
        coppice::spawn([&] { ++ran; });
        if (i % 7 == 0) b.spawn([&] { coppice::join([&] { ++ran; }, [&] { ++ran; }); });
      }
      me.waits([&] { b.wait(); });
    }
    a.wait();
  });
  EXPECT_EQ(ran, 3 * (300 + 2 * 15));
}

TEST_ON_WORKERS(grouping, C29AWaitWithinABranchRunsNoChildOfAnotherGroup) {
  std::atomic<int> ran{0};
  scheduler().run([&] {
    waiter me;
    coppice::task_group a;
    coppice::task_group b;
    for (int round = 0; round < 20; ++round)
      coppice::join(
          [&] {
            b.spawn([&] { ++ran; });
            a.spawn([&] {
              me.expect_away();
              ++ran;
            });
            me.waits([&] { b.wait(); });
          },
          [&] {
            me.expect_away();
            ++ran;
          });
    a.wait();
  });
  EXPECT_EQ(ran, 60);
}

TEST_ON_WORKERS(grouping, AWaitWithinABranchFindsChildrenFromBeforeTheJoin) {
  std::atomic<int> ran{0};
  scheduler().run([&] {
    coppice::task_group a;
    coppice::task_group b;
    b.spawn([&] { ++ran; });
    coppice::join(
        [&] {
          a.spawn([&] { ++ran; });
          b.wait();
        },
        [&] { ++ran; });
    a.wait();
  });
  EXPECT_EQ(ran, 3);
}

// The first branch waits for a group in which there was no child when the others were forked. The last one,
// elsewhere, spawns into it and ends when the first one waits: only then is the child run.
TEST(grouping_of_two, C29AWaitWithinABranchRunsNoBranchThatIsOlderThanTheChildren) {
  coppice::scheduler two({.workers = 2});
  for (int i = 0; i < support::scaled(20) && !testing::Test::HasFailure(); ++i)
    two.run([] {
      waiter me;
      const pid_t owner = support::this_thread_number();
      std::atomic<bool> spawned{false}, wrong{false}, child_ran{false};
      task_group group;
      for (int round = 0; round < 2; ++round) {
        spawned = false;
        coppice::join(
            [&] {
              support::fork_until([&] { return spawned.load(); });
              me.waits([&] { group.wait(); });
            },
            [&] {
              me.expect_away();
              wrong = true;
            },
            [&] {
              group.spawn([&] { child_ran = true; });
              spawned = true;
              support::wait_until_asleep(owner, [&] { return wrong.load(); });
            });
      }
      EXPECT_TRUE(child_ran);
    });
}

}  // namespace
