// Statistics of a tree: counts are exact, work and span keep their relation. No time is compared with a
// clock.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <sstream>
#include <string>
#include <thread>

#include "support/check.hpp"
#include "support/fib.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

using coppice::spawn;
using support::fib;
using support::report_of;

class measuring : public support::on_workers {};

// Work that the compiler keeps.
void work(int rounds) {
  volatile std::uint64_t x = 1;
  for (int i = 0; i < rounds * 1000; ++i) x = x * 3 + 1;
}

TEST_ON_WORKERS(measuring, NothingIsMeasuredUnlessAskedFor) {
  EXPECT_FALSE(report_of(scheduler(), [] { spawn([] {}); }).stats);
}

void chain(int length) {
  work(1);
  if (length > 0) spawn([=] { chain(length - 1); });
}

TEST_ON_WORKERS(measuring, AChainHasItsLengthForDepth) {
  const auto report = report_of(scheduler(), [] { chain(300); }, {.stats = true});
  ASSERT_TRUE(report.stats);
  const auto& s = *report.stats;
  EXPECT_EQ(s.tasks, 301U);
  EXPECT_EQ(s.depth, 300U);
  EXPECT_GE(s.largest_live, 2U) << "a task and the child that it has just spawned";
  if (workers() == 1) {
    EXPECT_EQ(s.largest_live, 2U);
  }
  EXPECT_EQ(s.workers, workers());
  EXPECT_GT(s.work.count(), 0);
  EXPECT_LE(s.span, s.work);
}

TEST_ON_WORKERS(measuring, ManyChildrenOfOneParentAreOneDeepAndAllCounted) {
  const auto report = report_of(scheduler(),
                                [] {
                                  coppice::task_group group;
                                  for (int i = 0; i < 200; ++i) group.spawn([] { work(20); });
                                  group.wait();
                                },
                                {.stats = true});
  ASSERT_TRUE(report.stats);
  const auto& s = *report.stats;
  EXPECT_EQ(s.tasks, 201U);
  EXPECT_EQ(s.depth, 1U);
  EXPECT_GE(s.pieces, 201U);
  EXPECT_LE(s.largest_live, 201U);
  EXPECT_LE(s.steals, 200U);
  EXPECT_LE(s.span, s.work);
  if (workers() == 1) {
    EXPECT_EQ(s.steals, 0U);
    EXPECT_EQ(s.largest_live, 201U);
  }
}

TEST_ON_WORKERS(measuring, ATreeOfJoinsShowsWhatWasStolenAndNoMore) {
  for (int round = 0; round < support::scaled(20); ++round) {
    const auto report = report_of(scheduler(), [] { EXPECT_EQ(fib(18), 2584); }, {.stats = true});
    ASSERT_TRUE(report.stats);
    const auto& s = *report.stats;
    EXPECT_EQ(s.tasks, 1U);
    EXPECT_EQ(s.pieces, 1U + s.steals) << "the root and the stolen branches";
    EXPECT_LE(s.span, s.work) << report;
    EXPECT_GE(s.parallelism(), 1.0);
  }
}

TEST_ON_WORKERS(measuring, MixedTreesWithErrorsInnerJobsAndSkippedTasksKeepTheirCounts) {
  for (int round = 0; round < support::scaled(20); ++round) {
    auto& outer = scheduler();
    const auto report = report_of(outer,
                                  [&outer] {
                                    coppice::task_group group;
                                    for (int i = 0; i < 20; ++i)
                                      group.spawn([&outer, i] {
                                        coppice::join([] { work(1); }, [] { spawn([] { work(1); }); });
                                        if (i % 5 == 0) {
                                          EXPECT_EQ(outer.run([] { return fib(8); }, {.stats = i == 0}), 21);
                                        }
                                        if (i == 17) throw support::failure("one");
                                      });
                                    group.wait();
                                  },
                                  {.stats = true});
    ASSERT_TRUE(report.stats);
    const auto& s = *report.stats;
    EXPECT_EQ(s.tasks, report.spawned - report.skipped);
    EXPECT_LE(s.span, s.work) << report;
    EXPECT_LE(s.depth, 2U);
    EXPECT_EQ(report.errors_total, 1U);
  }
}

TEST_ON_WORKERS(measuring, StandingStillIsCountedOnceHoweverCallsNest) {
  std::atomic<unsigned> begun{0};
  const auto report = report_of(scheduler(),
                                [&] {
                                  for (unsigned i = 0; i < 10; ++i)
                                    spawn([&] {
                                      ++begun;
                                      coppice::blocking([&] {
                                        coppice::blocking([&] {
                                          while (begun != 10) std::this_thread::yield();
                                        });
                                      });
                                    });
                                },
                                {.stats = true});
  EXPECT_EQ(report.stats->stands, 10U);
  EXPECT_GT(report.stats->stood.count(), 0);
  std::ostringstream out;
  out << report;
  EXPECT_NE(out.str().find("stood still 10 times for"), std::string::npos) << out.str();
}

TEST_ON_WORKERS(measuring, TheStatisticsArePrintedWithOneSentenceOfAdvice) {
  const auto report = report_of(scheduler(), [] { chain(10); }, {.stats = true});
  std::ostringstream out;
  out << report;
  EXPECT_NE(out.str().find("depth 10"), std::string::npos) << out.str();
  EXPECT_FALSE(report.stats->advice.empty());
  EXPECT_NE(out.str().find(report.stats->advice), std::string::npos);
}

}  // namespace
