// The end of a scheduler: what still runs, what is skipped, what the report says (C-34, C-35).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "support/busy.hpp"
#include "support/check.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using coppice::admission;
using coppice::outcome;
using coppice::stop_mode;
using support::checked;
using support::tracked;

class stopping : public support::on_workers {};

// What was skipped before the stop began is not its work: of jobs that had ended, and of one that runs.
TEST_ON_WORKERS(stopping, C35TheReportCountsFromWhereTheStopBegan) {
  const auto lose_two = [] {
    coppice::this_task::cancel_job("enough");
    EXPECT_FALSE(coppice::spawn([] {}));
    EXPECT_FALSE(coppice::spawn([] {}));
  };
  auto ended = scheduler().submit(lose_two);
  EXPECT_EQ(ended.wait().skipped, 2U);
  std::latch lost(1), closed(1);
  auto runs = scheduler().submit([&] {
    lose_two();
    lost.count_down();
    closed.wait();
  });
  lost.wait();
  std::thread stopper([&] {
    const auto report = scheduler().stop();
    EXPECT_EQ(report.skipped, 0U);
    EXPECT_GE(report.ran, 1U) << "the root that was running";
  });
  support::wait_until_closed(scheduler());
  closed.count_down();
  stopper.join();
  EXPECT_EQ(runs.wait().skipped, 2U);
}

TEST_ON_WORKERS(stopping, C34ASubmissionToAStoppedSchedulerIsRefusedAndTheCallableUntouched) {
  scheduler().stop();
  std::unique_ptr<tracked> value = std::make_unique<tracked>(1);
  auto closure = [v = std::move(value)] { return v->value(); };
  EXPECT_THROW(scheduler().submit(std::move(closure)), coppice::scheduler_stopped);
  EXPECT_THROW(scheduler().run(std::move(closure)), coppice::scheduler_stopped);
  auto answer = scheduler().try_submit(std::move(closure));
  EXPECT_EQ(answer.status, admission::stopped);
  EXPECT_FALSE(answer.job.valid());
  EXPECT_EQ(closure(), 1) << "it is still the caller's";
  EXPECT_EQ(scheduler().stop().rejected, 3U);
}

TEST_ON_WORKERS(stopping, C35DrainRunsAllThatWasAcceptedAndWhatThatSpawns) {
  std::atomic<unsigned> ran{0};
  support::busy_workers busy(scheduler());
  std::vector<coppice::job<void>> jobs;
  for (int i = 0; i < 50; ++i)
    jobs.push_back(scheduler().submit([&] {
      ++ran;
      EXPECT_TRUE(coppice::spawn([&] { ++ran; })) << "C-34: accepted jobs go on spawning";
    }));
  coppice::stop_report report;
  std::thread stopper([&] { report = scheduler().stop(); });
  support::wait_until_closed(scheduler());
  busy.release();
  stopper.join();
  EXPECT_EQ(ran, 100U);
  for (auto& j : jobs) EXPECT_TRUE(j.done() && checked(j).result == outcome::completed);
  EXPECT_GE(report.ran, 100U);
  EXPECT_EQ(report.skipped, 0U);
  EXPECT_EQ(support::threads_settled(support::threads_at_rest()), support::threads_at_rest())
      << "they are joined";
}

TEST_ON_WORKERS(stopping, C35CancelSkipsWhatHasNotStartedAndSaysWhatWasRunning) {
  support::busy_workers busy(scheduler());
  std::vector<coppice::job<void>> jobs;
  for (int i = 0; i < 50; ++i)
    jobs.push_back(scheduler().submit([t = tracked()] { ADD_FAILURE() << "must not run"; }));
  coppice::stop_report report;
  std::thread stopper([&] { report = scheduler().stop(stop_mode::cancel); });
  // Once the last of them is cancelled, all are.
  while (!busy.jobs().front().stop_token().stop_requested()) std::this_thread::yield();
  while (!jobs.back().stop_token().stop_requested()) std::this_thread::yield();
  busy.release();
  stopper.join();
  EXPECT_EQ(report.skipped, 50U);
  EXPECT_EQ(report.still_running.size(), workers());
  for (const auto& t : report.still_running) {
    EXPECT_EQ(t.path, "root");
    EXPECT_LT(t.worker, workers());
  }
  for (auto& j : jobs) EXPECT_EQ(checked(j).result, outcome::cancelled);
  EXPECT_EQ(tracked::live(), 0);
}

// The only worker has ended the root when it begins the child.
TEST(stopping_one, C35ARootThatHasEndedIsNotNamedAlthoughItsChildRuns) {
  coppice::scheduler s({.workers = 1});
  std::latch child_runs{1};
  auto job = s.submit([&] {
    coppice::spawn([&] {
      child_runs.count_down();
      while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    });
  });
  child_runs.wait();
  const auto report = s.stop(stop_mode::cancel);
  ASSERT_EQ(report.still_running.size(), 1U) << report;
  EXPECT_EQ(report.still_running[0].path, "root/0");
  checked(job);
}

TEST_ON_WORKERS(stopping, C35StopUntilDrainsUntilThenAndCancelsTheRest) {
  auto job = scheduler().submit([] {
    while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    coppice::this_task::throw_if_stopped();
  });
  scheduler().stop_until(clock_type::now() + 2ms);
  EXPECT_TRUE(job.done());
  EXPECT_EQ(checked(job).result, outcome::cancelled);

  coppice::scheduler second(options());
  auto quick = second.submit([] { return 1; });
  const auto report = second.stop_until(clock_type::now() + 1h);
  EXPECT_EQ(quick.get(), 1);
  EXPECT_EQ(report.skipped, 0U);
}

TEST_ON_WORKERS(stopping, C35SeveralThreadsMayStopInAnyModeAndAllReturnWhenItIsOver) {
  for (int i = 0; i < support::scaled(20); ++i) {
    coppice::scheduler s(options());
    std::atomic<unsigned> ran{0};
    std::vector<coppice::job<void>> jobs;
    for (int k = 0; k < 20; ++k) jobs.push_back(s.submit([&] { coppice::spawn([&] { ++ran; }); }));
    std::vector<std::thread> stoppers;
    for (int t = 0; t < 6; ++t)
      stoppers.emplace_back([&, t] {
        if (t % 3 == 0)
          s.stop(stop_mode::drain);
        else if (t % 3 == 1)
          s.stop(stop_mode::cancel);
        else
          s.stop_until(clock_type::now());
        for (auto& j : jobs) EXPECT_TRUE(j.done());
      });
    for (auto& t : stoppers) t.join();
    for (auto& j : jobs) checked(j);
    const auto again = s.stop();
    EXPECT_EQ(again.ran, s.stop(stop_mode::cancel).ran) << "idempotent";
  }
}

TEST_ON_WORKERS(stopping, C35StoppingFromAnOwnWorkerIsAnErrorAndNotAHang) {
  scheduler().run([&] {
    EXPECT_THROW(scheduler().stop(), coppice::would_deadlock);
    EXPECT_THROW(scheduler().stop(stop_mode::cancel), coppice::would_deadlock);
    EXPECT_THROW(scheduler().stop_until(clock_type::now()), coppice::would_deadlock);
  });
  EXPECT_EQ(scheduler().run([] { return 1; }), 1) << "it was not stopped";
}

// The timer's thread is one of the scheduler's own as well. Where the deadline is reached before the callback
// is there, it is this thread that calls it.
TEST_ON_WORKERS(stopping, C35StoppingInACallbackOfADeadlineIsAnErrorAndNotAHang) {
  std::atomic<bool> called{false};
  for (auto limit = 5ms; !called; limit *= 2) {
    auto job = scheduler().submit(
        [] {
          while (!coppice::this_task::stop_requested()) std::this_thread::yield();
        },
        {.deadline = clock_type::now() + limit});
    const std::stop_callback react(job.stop_token(), [&, here = std::this_thread::get_id()] {
      if (std::this_thread::get_id() == here) return;
      called = true;
      EXPECT_THROW(scheduler().stop(), coppice::would_deadlock);
    });
    checked(job);
  }
  EXPECT_EQ(scheduler().run([] { return 1; }), 1);
}

}  // namespace
