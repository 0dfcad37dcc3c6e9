// Recursion that is too deep is an error and not the end of the program, and the scheduler is as good as
// before.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <string>
#include <thread>

#include "support/check.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

class recursing : public support::on_workers {};

// Frames are larger under a sanitizer, most of all the address sanitizer's.
constexpr std::size_t kib = 1024;
constexpr std::size_t small_stack = (support::thread_sanitized ? 512 : support::sanitized ? 1024 : 256) * kib;
constexpr long for_ever = 1'000'000'000;

// What is stolen goes on on a stack of its own: each spare worker makes endless recursion deeper by a stack.
coppice::scheduler_options small_stacks(unsigned workers) {
  coppice::scheduler_options options{.workers = workers, .stack_bytes = small_stack};
  if (support::sanitized) options.max_spare_workers = 16;
  return options;
}

long joins(long levels) {
  if (levels == 0) return 0;
  auto [a, b] = coppice::join([=] { return joins(levels - 1); }, [] { return 1L; });
  return a + b;
}

long late_joins(long levels) {
  if (levels == 0) return 0;
  auto [a, b] = coppice::join([] { return 1L; }, [=] { return late_joins(levels - 1); });
  return a + b;
}

void groups(long levels) {
  if (levels == 0) return;
  coppice::task_group group;
  group.spawn([levels, t = support::tracked()] { groups(levels - 1); });
  group.wait();
}

void expect_refused_and_usable(coppice::scheduler& s, const coppice::job_report& report) {
  EXPECT_EQ(report.result, coppice::outcome::failed);
  ASSERT_FALSE(report.errors.empty());
  const auto& first = report.errors.front();
  EXPECT_NE(first.type.find("recursion_too_deep"), std::string::npos) << first.type;
  EXPECT_NE(first.message.find("stack_bytes"), std::string::npos) << "what to do: " << first.message;
  EXPECT_EQ(support::tracked::live(), 0);
  EXPECT_EQ(s.run([] { return joins(20); }), 20);
}

TEST_ON_WORKERS(recursing, JoinsThatNestForEverAreRefused) {
  coppice::scheduler small(small_stacks(workers()));
  for (int i = 0; i < support::scaled(3); ++i) {
    expect_refused_and_usable(small, support::report_of(small, [] { joins(for_ever); }));
    expect_refused_and_usable(small, support::report_of(small, [] { late_joins(for_ever); }));
  }
}

struct way_down {
  long forks = 0;
  long deepest_second = 0;  // second branch that has run
};
void go_down(way_down& way) {
  const long level = ++way.forks;
  coppice::join([&] { go_down(way); }, [&] { way.deepest_second = std::max(way.deepest_second, level); });
}

TEST(recursing_far, C05ARefusedForkRunsNoBranchAndFailsWhereItStands) {
  coppice::scheduler small(small_stacks(1));
  way_down way;
  const auto report = support::report_of(
      small, [&] { go_down(way); }, support::collecting());
  EXPECT_EQ(way.deepest_second, way.forks - 1) << "collect_all runs what was forked, not what was refused";
  ASSERT_FALSE(report.errors.empty());
  // Of a long path the first 32 and the last 32 ordinals are shown.
  const std::string middle = "/(+" + std::to_string(way.forks - 1 - 64) + ")/";
  EXPECT_NE(report.errors.front().path.find(middle), std::string::npos)
      << "not where the fork stands: " << report.errors.front().path;
}

// Goes down in plain code until a fork is refused, and calls f there.
template <class F>
void where_forks_are_refused(const F& f) {
  try {
    coppice::join([] {}, [] {});
  } catch (const coppice::recursion_too_deep&) {
    f();
    return;
  }
  where_forks_are_refused(f);
  asm volatile("" ::: "memory");  // a call, not a loop
}

TEST(recursing_far, AWaitBeyondTheLimitTakesNoForksOntoItsStack) {
  coppice::scheduler small({.workers = 2, .stack_bytes = small_stack, .max_spare_workers = 0});
  std::atomic<bool> child_runs{false};
  std::atomic<bool> is_beyond{false};
  small.run([&] {
    coppice::task_group group;
    group.spawn([&] {
      child_runs = true;
      while (!is_beyond) std::this_thread::yield();
      // What is forked here is offered to the one who waits for it.
      for (int i = 0; i < 20; ++i) {
        std::atomic<bool> taken{false};
        coppice::join(
            [&] {
              for (int round = 0; round < 1000 && !taken; ++round) std::this_thread::yield();
            },
            [&] {
              taken = true;
              coppice::join([] {}, [] {});
            });
      }
    });
    while (!child_runs) coppice::join([] {}, [] {});
    where_forks_are_refused([&] {
      is_beyond = true;
      EXPECT_NO_THROW(group.wait());
    });
  });
}

TEST_ON_WORKERS(recursing, GroupsThatNestForEverAreRefused) {
  coppice::scheduler small(small_stacks(workers()));
  for (int i = 0; i < support::scaled(3); ++i) {
    const auto report = support::report_of(small, [] { groups(for_ever); });
    expect_refused_and_usable(small, report);
  }
}

TEST_ON_WORKERS(recursing, TheDefaultStackHoldsTenThousandNestedGroups) {
  const auto report = support::report_of(scheduler(), [] { groups(support::scaled(10'000)); });
  EXPECT_EQ(report.result, coppice::outcome::completed);
  EXPECT_EQ(report.succeeded, static_cast<std::uint64_t>(support::scaled(10'000)) + 1);
}

TEST_ON_WORKERS(recursing, TheDefaultStackHoldsTenThousandNestedJoins) {
  const long levels = support::scaled(10'000);
  EXPECT_EQ(scheduler().run([=] { return joins(levels); }), levels);
}

TEST_ON_WORKERS(recursing, JobsThatNestForEverAreRefused) {
  coppice::scheduler small({.workers = workers(), .stack_bytes = small_stack});
  std::string type;
  std::atomic<bool> refused{false};
  auto job = small.submit([&] {
    struct dive {
      coppice::scheduler& s;
      std::atomic<bool>& refused;
      void down(long levels) const {
        if (levels == 0 || refused) return;
        try {
          s.run([this, levels] { down(levels - 1); });
        } catch (const coppice::recursion_too_deep&) {
          refused = true;
        }
      }
    };
    dive{small, refused}.down(for_ever);
  });
  support::checked(job);
  EXPECT_TRUE(refused);
  EXPECT_EQ(small.run([] { return joins(20); }), 20);
}

TEST_ON_WORKERS(recursing, SpawnedChildrenThatNestForAVeryLongTimeNeedNoStack) {
  coppice::scheduler small({.workers = workers(), .stack_bytes = small_stack});
  struct chain {
    static void next(long left) {
      if (left != 0) coppice::spawn([left] { next(left - 1); });
    }
  };
  const long n = support::scaled(100'000);
  const auto report = support::report_of(small, [&] { chain::next(n); });
  EXPECT_EQ(report.succeeded, static_cast<std::uint64_t>(n) + 1);
}

}  // namespace
