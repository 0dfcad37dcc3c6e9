// Deadlines by a clock that the test holds: what is reached, what is not yet, what is left (C-21). No test
// waits for time to pass.
#include <gtest/gtest.h>

#include <chrono>
#include <coppice/coppice.hpp>
#include <latch>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "platform/deadline_clock.hpp"
#include "support/busy.hpp"
#include "support/check.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using coppice::outcome;
using support::checked;
using support::report_of;
namespace this_task = coppice::this_task;

// The clock outlives the scheduler, whose timer waits by it.
class virtual_time : public support::on_workers {
 protected:
  void TearDown() override {
    end_scheduler();
    on_workers::TearDown();
  }

  coppice::platform::held_clock clock;
};

// Until the running task's job is stopped, without using a processor.
void sleep_until_stopped() {
  std::latch stopped(1);
  const std::stop_callback tell(this_task::stop_token(), [&] { stopped.count_down(); });
  stopped.wait();
}

TEST_ON_WORKERS(virtual_time, C21TheTimeLeftIsThatOfTheClock) {
  std::vector<std::chrono::nanoseconds> left;
  const auto report = report_of(scheduler(),
                                [&] {
                                  left.push_back(this_task::remaining());
                                  clock.advance(4s);
                                  left.push_back(this_task::remaining());
                                  coppice::join([] {}, [&] { left.push_back(this_task::remaining()); });
                                  clock.advance(7s);
                                  left.push_back(this_task::remaining());
                                },
                                {.deadline = clock.now() + 10s});
  EXPECT_EQ(left, (std::vector<std::chrono::nanoseconds>{10s, 6s, 6s, 0ns}));
  EXPECT_EQ(report.result, outcome::completed) << "nothing was lost";
}

TEST_ON_WORKERS(virtual_time, C21ADeadlineIsPastWhenTheClockShowsItAndNotBefore) {
  for (const auto ahead : {-1ns, 0ns, 1ns}) {
    bool ran = false;
    const auto report = report_of(scheduler(), [&] { ran = true; }, {.deadline = clock.now() + ahead});
    EXPECT_EQ(ran, ahead > 0ns);
    EXPECT_EQ(report.result, ahead > 0ns ? outcome::completed : outcome::deadline_exceeded);
    EXPECT_EQ(report.skipped, ahead > 0ns ? 0U : 1U);
  }
}

// The timer meets them in order, so when the second job is stopped, the first would have been.
TEST_ON_WORKERS(virtual_time, C21AOneTickLaterDeadlineIsNotReached) {
  const auto when = clock.now() + 10s;
  auto later = scheduler().submit(
      [&] {
        auto sooner = scheduler().submit(sleep_until_stopped, {.deadline = when});
        clock.advance(10s);
        sooner.wait();
        EXPECT_TRUE(sooner.stop_token().stop_requested());
        EXPECT_FALSE(this_task::stop_requested());
        EXPECT_EQ(this_task::remaining(), 1ns);
        clock.advance(1ns);
        sleep_until_stopped();
        EXPECT_EQ(this_task::remaining(), 0ns);
      },
      {.deadline = when + 1ns});
  EXPECT_EQ(checked(later).result, outcome::completed);
  ASSERT_TRUE(later.wait().cancel);
  EXPECT_EQ(later.wait().cancel->by, "outside");
  EXPECT_EQ(later.wait().cancel->reason, "its deadline was reached");
}

TEST_ON_WORKERS(virtual_time, C21AnInnerDeadlineIsTheEarlierOfItsOwnAndTheOuterOne) {
  const auto outer = clock.now() + 10s;
  std::vector<std::chrono::nanoseconds> left;
  const auto report =
      report_of(scheduler(),
                [&] {
                  const auto ask = [&](coppice::job_options options) {
                    scheduler().run([&] { left.push_back(this_task::remaining()); }, std::move(options));
                  };
                  ask({.deadline = outer + 10s});
                  ask({});
                  ask({.deadline = outer - 7s});
                  auto inner = scheduler().submit(sleep_until_stopped, {.deadline = outer - 5s});
                  clock.advance(5s);
                  inner.wait();
                  EXPECT_TRUE(inner.stop_token().stop_requested());
                  EXPECT_FALSE(this_task::stop_requested()) << "never up";
                },
                {.deadline = outer});
  EXPECT_EQ(left, (std::vector<std::chrono::nanoseconds>{10s, 10s, 3s}));
  EXPECT_FALSE(report.cancel);
}

TEST_ON_WORKERS(virtual_time, C21ReachedWhileEveryWorkerIsBusyElsewhereNoBodyRuns) {
  support::busy_workers busy(scheduler());
  auto queued = scheduler().submit([] { ADD_FAILURE() << "must not run"; }, {.deadline = clock.now() + 1h});
  const auto token = queued.stop_token();
  clock.advance(1h);
  std::latch stopped(1);
  const std::stop_callback tell(token, [&] { stopped.count_down(); });
  stopped.wait();
  busy.release();
  EXPECT_EQ(checked(queued).result, outcome::deadline_exceeded);
  EXPECT_EQ(queued.wait().skipped, 1U);
}

TEST_ON_WORKERS(virtual_time, C21ReachedWhileTheSchedulerStandsIdleItEndsTheJob) {
  std::latch asleep(1);
  auto job = scheduler().submit(
      [&] {
        asleep.count_down();
        sleep_until_stopped();
        this_task::throw_if_stopped();
      },
      {.deadline = clock.now() + 1h});
  asleep.wait();
  clock.advance(1h);
  EXPECT_EQ(checked(job).result, outcome::deadline_exceeded);
}

TEST_ON_WORKERS(virtual_time, C21ReachedJustAfterTheEndItChangesNothing) {
  auto ended = scheduler().submit([] {}, {.deadline = clock.now() + 1s});
  const auto before = checked(ended);
  clock.advance(1s);
  // The timer has looked when this one is stopped.
  auto next = scheduler().submit(sleep_until_stopped, {.deadline = clock.now() + 1s});
  clock.advance(1s);
  EXPECT_TRUE(checked(next).cancel);
  EXPECT_EQ(ended.wait().result, outcome::completed);
  EXPECT_FALSE(ended.wait().cancel);
  EXPECT_FALSE(ended.stop_token().stop_requested());
}

TEST_ON_WORKERS(virtual_time, C21AHundredDeadlinesAreMetInTheOrderOfTime) {
  constexpr int n = 100;
  std::vector<coppice::job<void>> jobs;
  support::busy_workers busy(scheduler());
  const auto start = clock.now();
  for (int i = 0; i < n; ++i)
    jobs.push_back(scheduler().submit([] {}, {.deadline = start + std::chrono::seconds((i * 37) % n + 1)}));
  clock.advance(std::chrono::seconds(n / 2));
  // Those that are due are stopped; whoever waits for the last of them knows it.
  for (int i = 0; i < n; ++i) {
    if ((i * 37) % n + 1 > n / 2) continue;
    std::latch stopped(1);
    const std::stop_callback tell(jobs[static_cast<std::size_t>(i)].stop_token(),
                                  [&] { stopped.count_down(); });
    stopped.wait();
  }
  busy.release();
  for (int i = 0; i < n; ++i)
    EXPECT_EQ(checked(jobs[static_cast<std::size_t>(i)]).result,
              (i * 37) % n + 1 <= n / 2 ? outcome::deadline_exceeded : outcome::completed);
}

}  // namespace
