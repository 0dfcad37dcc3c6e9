// Where schedulers live: static, thread_local, in main, across an exit; and deadlines close to the end of a
// job (C-21, C-35).
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "support/check.hpp"
#include "support/fib.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using support::fib;

class lifetimes : public support::without_leaks {};

TEST_F(lifetimes, AStaticSchedulerEndsWithTheProgram) {
  EXPECT_EXIT(
      {
        static coppice::scheduler s({.workers = 2});
        static coppice::job<long> left = s.submit([] { return fib(20); });
        std::exit(s.run([] { return fib(10); }) == 55 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(lifetimes, AThreadLocalSchedulerEndsWithItsThread) {
  for (int i = 0; i < support::scaled(20); ++i)
    std::thread([] {
      thread_local coppice::scheduler s({.workers = 2});
      EXPECT_EQ(s.run([] { return fib(12); }), 144);
    }).join();
}

TEST_F(lifetimes, ATaskThatLeavesTheProcessLeavesIt) {
  EXPECT_EXIT(
      {
        auto* const s = new coppice::scheduler({.workers = 2});  // its destructor would wait for the task
        s->submit([] {
           coppice::spawn([] { fib(15); });
           std::quick_exit(3);
         }).get();
      },
      testing::ExitedWithCode(3), "");
  EXPECT_EXIT(
      {
        auto* const s = new coppice::scheduler({.workers = 2});
        s->submit([] { std::exit(4); }).get();
      },
      testing::ExitedWithCode(4), "");
}

TEST_F(lifetimes, C03ATaskThatIsUnwoundByPthreadExitEndsTheProgramWithAWord) {
  EXPECT_DEATH(
      {
        coppice::scheduler s({.workers = 1});
        s.run([] { pthread_exit(nullptr); });
      },
      "pthread_exit");
}

class dying_by_the_clock : public support::on_workers {};

TEST_ON_WORKERS(dying_by_the_clock, C21ADeadlineAroundTheEndOfAJobEndsItOnce) {
  // From long before the end to long after it: whichever comes first, the report agrees with itself.
  int completed = 0, exceeded = 0;
  for (int i = 0; i < support::scaled(400); ++i) {
    auto job = scheduler().submit([] { return fib(12); }, {.deadline = clock_type::now() + i * 1us});
    const auto report = support::checked(job);
    if (report.result == coppice::outcome::completed) {
      EXPECT_EQ(job.get(), 144);
      ++completed;
    } else {
      EXPECT_EQ(report.result, coppice::outcome::deadline_exceeded);
      EXPECT_THROW(job.get(), coppice::job_deadline_exceeded);
      ++exceeded;
    }
  }
  EXPECT_EQ(completed + exceeded, support::scaled(400));
  EXPECT_GT(exceeded, 0) << "the first had passed when it was submitted";
}

TEST_ON_WORKERS(dying_by_the_clock, C21ADeadlineIsReachedWhileEveryWorkerIsBusyElsewhere) {
  std::atomic<bool> over{false};
  std::vector<coppice::job<void>> busy;
  std::atomic<unsigned> standing{0};
  for (unsigned i = 0; i < workers(); ++i)
    busy.push_back(scheduler().submit([&] {
      ++standing;
      while (!over) std::this_thread::yield();
    }));
  while (standing < workers()) std::this_thread::yield();
  auto late = scheduler().submit([t = support::scaled(1)] { ADD_FAILURE() << "must not run " << t; },
                                 {.deadline = clock_type::now() + 1ms});
  auto token = late.stop_token();
  while (!token.stop_requested()) std::this_thread::yield();
  over = true;
  const auto report = support::checked(late);
  EXPECT_EQ(report.result, coppice::outcome::deadline_exceeded);
  EXPECT_EQ(report.skipped, 1U);
  for (auto& b : busy) b.get();
}

TEST_ON_WORKERS(dying_by_the_clock, C21ADeadlineEndsAJobWhoseSchedulerIsOtherwiseIdle) {
  auto job = scheduler().submit(
      [] {
        coppice::task_group group;
        group.spawn([] { support::fork_until([] { return false; }); });
        group.wait();
      },
      {.deadline = clock_type::now() + 2ms});
  EXPECT_EQ(support::checked(job).result, coppice::outcome::deadline_exceeded);
}

TEST_ON_WORKERS(dying_by_the_clock, C21InnerDeadlinesAreNeverLaterHoweverDeepTheyNest) {
  const auto outer = clock_type::now() + 1h;
  scheduler()
      .submit(
          [&] {
            struct line {
              static void down(coppice::scheduler& s, int depth) {
                EXPECT_LE(coppice::this_task::remaining(), 1h);
                if (depth == 0) return;
                s.submit([&s, depth] { down(s, depth - 1); }, {.deadline = clock_type::now() + 24h}).get();
              }
            };
            line::down(scheduler(), 5);
          },
          {.deadline = outer})
      .get();
}

TEST_ON_WORKERS(dying_by_the_clock, C35SeveralThreadsStopInAllModesAndOneOfThemByTheClock) {
  for (int round = 0; round < support::scaled(20); ++round) {
    coppice::scheduler s({.workers = workers() > 8 ? 8 : workers()});
    std::vector<coppice::job<long>> jobs;
    for (int i = 0; i < 20; ++i) jobs.push_back(s.submit([] { return fib(8); }));
    std::vector<coppice::stop_report> reports(4);
    std::vector<std::thread> threads;
    threads.emplace_back([&] { reports[0] = s.stop(); });
    threads.emplace_back([&] { reports[1] = s.stop(coppice::stop_mode::cancel); });
    threads.emplace_back([&] { reports[2] = s.stop_until(clock_type::now()); });
    threads.emplace_back([&] { reports[3] = s.stop_until(clock_type::now() + 1h); });
    for (auto& t : threads) t.join();
    for (const auto& r : reports) {
      EXPECT_EQ(r.ran, reports[0].ran);
      EXPECT_EQ(r.skipped, reports[0].skipped);
    }
    for (auto& j : jobs) support::checked(j);
  }
}

}  // namespace
