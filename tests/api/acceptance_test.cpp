// The contract at size: a million failing tasks, deep trees through a narrow door, a lock around a loop
// (C-13, C-15, C-18, C-24, C-26, C-29, C-31).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <functional>
#include <latch>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/busy.hpp"
#include "support/check.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::outcome;
using coppice::spawn;
using support::collecting;
using support::failure;
using support::report_of;

class at_size : public support::on_workers {};
class with_a_million : public support::on_workers {
 public:
  static std::vector<unsigned> numbers_of_workers() { return {1, 2, 8}; }
};

TEST_ON_WORKERS(at_size, C24Of1000TasksTheMultiplesOf29FailExactlyEachOf200Times) {
  std::vector<std::string> expected;
  for (int i = 0; i < 1000; i += 29)
    expected.push_back("root/" + std::to_string(i) + ' ' + std::to_string(i));
  ASSERT_EQ(expected.size(), 35U);
  for (int round = 0; round < support::scaled(200); ++round) {
    const auto report = report_of(
        scheduler(),
        [] {
          for (std::uint64_t i = 0; i < 1000; ++i)
            spawn([i] {
              if (i % 29 == 0) throw failure(i);
            });
        },
        collecting());
    ASSERT_EQ(support::lines(report), expected);
    ASSERT_EQ(report.failed, 35U);
    ASSERT_EQ(report.succeeded, 966U);
  }
}

TEST_ON_WORKERS(with_a_million, C24AMillionFailuresAreCountedExactlyAndDoNotGrowMemory) {
  const std::uint64_t tasks = support::sanitized ? 20'000 : 1'000'000;
  std::size_t grown = ~std::size_t{0};
  const auto failing = [&] {
    const std::size_t before = support::resident_bytes();
    auto job = scheduler().submit(
        [=] {
          for (std::uint64_t i = 0; i < tasks; ++i)
            spawn([] { coppice::this_task::fail(std::make_error_code(std::errc::io_error)); });
        },
        collecting());
    coppice::job_report report = job.wait();
    support::check(report);
    const std::size_t after = support::resident_bytes();  // while the job is kept
    grown = std::min(grown, after > before ? after - before : 0);
    return report;
  };
  const auto first = failing();
  const auto second = failing();
  // What the allocator and a worker's slab keep varies by a megabyte; a record for each failure takes
  // hundreds, in every round.
  if (!support::sanitized) {
    constexpr std::size_t most = std::size_t{1} << 20;
    for (int round = 0; round < 10 && grown >= most; ++round) failing();
    EXPECT_LT(grown, most);
  }
  for (const coppice::job_report* r : {&first, &second}) {
    EXPECT_EQ(r->errors_total, tasks);
    EXPECT_EQ(r->failed, tasks);
    EXPECT_EQ(r->errors.size(), 64U);
  }
  EXPECT_EQ(support::lines(first), support::lines(second));
  EXPECT_EQ(first.errors.back().path, "root/63");
}

void throw_below(int levels) {
  if (levels == 0) throw failure("left");
  coppice::join([=] { throw_below(levels - 1); }, [] {});
}

void two_that_fail_below(int levels) {
  if (levels != 0) return coppice::join([=] { two_that_fail_below(levels - 1); }, [] {});
  coppice::task_group group;
  group.spawn([] { throw_below(50); });
  group.spawn([] { throw failure("right"); });
  group.wait();
}

TEST_ON_WORKERS(at_size, C05C11TheLeftmostFailureComesOutAlsoBeyond64Ordinals) {
  for (int round = 0; round < support::scaled(50); ++round) {
    const auto report = report_of(
        scheduler(), [] { two_that_fail_below(100); }, collecting());
    ASSERT_EQ(report.errors.size(), 2U);
    EXPECT_EQ(report.errors[0].message, "left") << report;
    EXPECT_FALSE(report.errors[0].secondary);
    EXPECT_TRUE(report.errors[1].secondary) << "it was the group's, and not the leftmost";
    EXPECT_NE(report.errors[0].path.find("/(+"), std::string::npos) << report.errors[0].path;
  }
}

TEST_ON_WORKERS(at_size, C24ErrorsAreCountedByTypeAlsoThoseThatAreNotKept) {
  const auto report = report_of(
      scheduler(),
      [] {
        for (int i = 0; i < 3000; ++i)
          spawn([i] {
            if (i % 3 == 0) throw i;
            coppice::task_group group;
            group.spawn([i] {
              if (i % 3 == 1) throw failure("text");
              coppice::join([] { throw std::bad_alloc(); }, [] {});
            });
            group.wait();
          });
      },
      collecting(4));
  EXPECT_EQ(report.errors_total, 3000U);
  EXPECT_EQ(report.errors.size(), 4U);
  const std::vector<coppice::error_kind> expected{
      {"int", 1000}, {"std::bad_alloc", 1000}, {"support::failure", 1000}};
  EXPECT_EQ(report.kinds, expected) << report;
}

TEST_ON_WORKERS(at_size, C20ACancelReachesAThousandNestedJobs) {
  const int depth = support::scaled(1000);
  std::atomic<bool> deepest{false};
  auto job = scheduler().submit([&] {
    struct line {
      static void of(coppice::scheduler& s, int depth, std::atomic<bool>& deepest) {
        if (depth != 0) return s.run([&s, depth, &deepest] { of(s, depth - 1, deepest); });
        deepest = true;
        support::fork_until([] { return false; });
      }
    };
    line::of(scheduler(), depth, deepest);
  });
  while (!deepest) std::this_thread::yield();
  EXPECT_TRUE(job.cancel("all of them"));
  EXPECT_NE(support::checked(job).result, outcome::completed);
}

TEST_ON_WORKERS(at_size, C03C18EveryTypeIsKeptAlsoAfterACancel) {
  struct only_moved {
    only_moved() = default;
    only_moved(only_moved&&) = default;
    only_moved(const only_moved&) = delete;
  };
  const auto report = report_of(
      scheduler(),
      [] {
        coppice::join(
            [] {
              spawn([] { throw 1; });
              spawn([] { throw std::string("text"); });
              spawn([] { throw only_moved(); });
              spawn([] { throw std::bad_alloc(); });
            },
            [] {});
        coppice::this_task::cancel_job("enough");
        throw failure("late");
      },
      collecting());
  // With one worker all children end at the join; with more some may be skipped by the cancel.
  EXPECT_EQ(report.result, outcome::failed);
  ASSERT_FALSE(report.errors.empty());
  EXPECT_EQ(report.errors.back().message, "late");
  EXPECT_TRUE(report.errors.back().after_cancel);
  if (workers() == 1) {
    EXPECT_EQ(report.errors_total, 5U);
  }
}

int depth_first(int depth) {
  if (depth == 0) return 1;
  const auto [a, b] =
      coppice::join([=] { return depth_first(depth - 1); }, [=] { return depth_first(depth - 1); });
  return a + b;
}

TEST_ON_WORKERS(at_size, C31ABinaryTreeOfDepth20RunsThroughADoorForOne) {
  coppice::scheduler narrow({.workers = workers(), .injection_capacity = 1});
  const int depth = support::sanitized ? 14 : 20;
  EXPECT_EQ(narrow.run([=] { return depth_first(depth); }), 1 << depth);
  const int spawned_depth = support::sanitized ? 10 : 16;
  std::atomic<int> leaves{0};
  struct tree {
    static void grow(std::atomic<int>& leaves, int depth) {
      if (depth == 0) {
        ++leaves;
        return;
      }
      coppice::task_group group;
      for (int i = 0; i < 2; ++i) group.spawn([&leaves, depth] { grow(leaves, depth - 1); });
      group.wait();
    }
  };
  narrow.run([&] { tree::grow(leaves, spawned_depth); });
  EXPECT_EQ(leaves, 1 << spawned_depth);
}

// A full deque runs children at once, 32 levels deep (detail/config.hpp); what the lowest one spawns is
// queued, however much it is. The other workers stand meanwhile, so that nobody takes it.
TEST_ON_WORKERS(with_a_million, C07C15AMillionQueuedTasksAreSkippedAndTheirClosuresGoneBeforeTheWaitReturns) {
  const int tasks = support::scaled(1'000'000);
  std::latch all_stand(scheduler().workers() - 1), go_on(1);
  std::vector<coppice::job<void>> others;
  for (unsigned i = 1; i < scheduler().workers(); ++i)
    others.push_back(scheduler().submit([&] {
      all_stand.count_down();
      go_on.wait();
    }));
  std::atomic<std::uint64_t> ran{0};
  std::chrono::steady_clock::time_point begun;
  std::function<void(int)> below = [&](int level) {
    if (level > 0) return static_cast<void>(spawn([&below, level] { below(level - 1); }));
    for (int i = 0; i < tasks; ++i) spawn([&ran, held = support::tracked(i)] { ++ran; });
    begun = std::chrono::steady_clock::now();
    coppice::this_task::cancel_job("enough");
  };
  all_stand.wait();
  auto job = scheduler().submit([&] {
    for (int i = 0; i < 10'000; ++i) spawn([] {});
    below(32);
  });
  const coppice::job_report report = support::checked(job);
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_EQ(support::tracked::live(), 0);
  go_on.count_down();
  for (auto& other : others) other.wait();
  EXPECT_EQ(ran, 0U);
  EXPECT_GE(report.skipped, static_cast<std::uint64_t>(tasks));
  const auto rate = std::chrono::nanoseconds(took).count() / static_cast<std::int64_t>(report.skipped);
  RecordProperty("nanoseconds_for_each_skipped_task", std::to_string(rate));
}

TEST_ON_WORKERS(at_size, C29AMutexHeldAroundALoopWhoseTasksTakeItToo) {
  // A worker that waited inside the lock and helped with a stranger would take it twice.
  const int rounds = support::scaled(100'000);
  std::mutex lock;
  long sum = 0;
  scheduler().run([&] {
    coppice::task_group group;
    for (int i = 0; i < rounds; ++i)
      group.spawn([&] {
        const std::lock_guard hold(lock);
        std::atomic<long> inner{0};
        coppice::parallel_for(0, 8, [&](int k) { inner += k; });
        sum += inner;
      });
    group.wait();
  });
  EXPECT_EQ(sum, 28L * rounds);
}

TEST_ON_WORKERS(at_size, C26TheCountsOfARandomEndAddUp) {
  // Cancelled at an arbitrary moment: support::check looks at the sum.
  for (int round = 0; round < support::scaled(100); ++round) {
    auto job = scheduler().submit(
        [] {
          for (int i = 0; i < 200; ++i)
            spawn([i] {
              spawn([] {});
              if (i % 7 == 0) throw failure("seven");
            });
        },
        collecting());
    if (round % 2 == 0) job.cancel();
    support::checked(job);
  }
}

}  // namespace
