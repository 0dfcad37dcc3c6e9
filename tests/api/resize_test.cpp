// Another number of workers while work goes on (B3): new ones take part, surplus ones hand over and leave.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/busy.hpp"
#include "support/check.hpp"
#include "support/fib.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

using coppice::spawn;
using support::fib;

class resizing : public support::on_workers {};

// Needs that many workers at a time: each task waits for all of them. The workers that ran them.
std::set<int> meet(coppice::scheduler& s, unsigned tasks) {
  std::barrier all_here(static_cast<std::ptrdiff_t>(tasks));
  std::vector<int> ran(tasks);
  std::vector<coppice::job<void>> jobs;
  for (unsigned i = 0; i < tasks; ++i)
    jobs.push_back(s.submit([&, i] {
      all_here.arrive_and_wait();
      ran[i] = coppice::this_task::worker();
    }));
  for (auto& j : jobs) j.get();
  return {ran.begin(), ran.end()};
}

TEST_ON_WORKERS(resizing, NewWorkersTakePart) {
  const unsigned more = workers() + 5;
  scheduler().resize(more);
  EXPECT_EQ(scheduler().workers(), more);
  EXPECT_EQ(scheduler().stats().workers, more);
  EXPECT_EQ(meet(scheduler(), more).size(), more);
}

TEST_ON_WORKERS(resizing, NewWorkersHelpATreeThatRuns) {
  // The root runs on every worker that there is, and needs one more.
  std::barrier one_more(static_cast<std::ptrdiff_t>(workers()) + 1);
  std::atomic<unsigned> standing{0};
  auto job = scheduler().submit([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < workers() + 1; ++i)
      group.spawn([&] {
        ++standing;
        one_more.arrive_and_wait();
      });
    group.wait();
  });
  while (standing < workers()) std::this_thread::yield();
  scheduler().resize(workers() + 1);
  support::checked(job);
}

TEST_ON_WORKERS(resizing, SurplusWorkersLeaveAndTheRestWorkOn) {
  scheduler().resize(workers() + 7);
  meet(scheduler(), workers() + 7);
  const auto before = support::threads_now();
  scheduler().resize(1);
  EXPECT_EQ(scheduler().workers(), 1U);
  const auto expected = before - (workers() + 6);
  EXPECT_EQ(support::threads_settled(expected), expected);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(scheduler().run([] { return coppice::this_task::worker(); }), 0) << "the only one";
  EXPECT_EQ(scheduler().run([] { return fib(15); }), 610);
}

TEST_ON_WORKERS(resizing, ASurplusWorkerHandsOverWhatItHolds) {
  coppice::scheduler s({.workers = 2});
  support::ledger ran(100);
  std::atomic<int> holder{-1};
  std::atomic<bool> resized{false};
  // Which worker takes it is open; if it is the one that stays, the tasks are simply stolen by nobody else.
  auto job = s.submit([&] {
    for (std::size_t i = 0; i < 100; ++i) spawn([&ran, i] { ran.enter(i); });
    holder = coppice::this_task::worker();
    support::fork_until([&] { return resized.load(); });
    if (holder == 1) support::fork_until([&] { return ran.entries() == 100; });
  });
  while (holder < 0) std::this_thread::yield();
  s.resize(1);
  resized = true;
  support::checked(job);
  EXPECT_TRUE(ran.exactly_once());
}

TEST_ON_WORKERS(resizing, WhatLeftWorkersDidStaysInTheStatistics) {
  coppice::scheduler s({.workers = 4});
  for (int i = 0; i < 20; ++i) s.run([] { return fib(16); });
  meet(s, 4);
  const auto before = s.stats();
  s.resize(1);
  const auto after = s.stats();
  EXPECT_EQ(after.jobs, before.jobs);
  EXPECT_GE(after.steals(), before.steals());
  EXPECT_GE(after.wakes, before.wakes);
}

TEST_ON_WORKERS(resizing, ATaskMayResizeAlsoAwayItsOwnWorker) {
  const unsigned most = workers() + 3;
  for (int i = 0; i < support::scaled(20); ++i) {
    scheduler().resize(most);
    scheduler().run([&] {
      scheduler().resize(1);
      EXPECT_EQ(fib(10), 55);
    });
    EXPECT_EQ(scheduler().workers(), 1U);
  }
}

TEST_ON_WORKERS(resizing, UnderLoadNothingIsLostAndNothingRunsTwice) {
  auto random = support::random_source();
  std::atomic<bool> over{false};
  auto& s = scheduler();
  std::thread resizer([&] {
    while (!over) {
      s.resize(static_cast<unsigned>(random() % 8) + 1);
      std::this_thread::yield();
    }
  });
  for (int round = 0; round < support::scaled(150); ++round) {
    support::ledger ran(300);
    const auto report = support::report_of(s, [&] {
      for (std::size_t i = 0; i < 200; ++i) spawn([&ran, i] { ran.enter(i); });
      coppice::task_group group;
      for (std::size_t i = 200; i < 300; ++i)
        group.spawn([&ran, i] {
          ran.enter(i);
          EXPECT_EQ(fib(8), 21);
        });
      group.wait();
      EXPECT_EQ(fib(12), 144);
    });
    ASSERT_TRUE(ran.exactly_once()) << report;
    ASSERT_EQ(report.succeeded, 301U);
  }
  over = true;
  resizer.join();
}

TEST_ON_WORKERS(resizing, SeveralThreadsMayResizeAndStopMeanwhile) {
  for (int round = 0; round < support::scaled(10); ++round) {
    coppice::scheduler s({.workers = 2});
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 3; ++t)
      threads.emplace_back([&s, t] {
        try {
          for (unsigned i = 0; i < 50; ++i) s.resize((t + i) % 5 + 1);
        } catch (const coppice::scheduler_stopped&) {
        }
      });
    std::vector<coppice::job<long>> jobs;
    for (int i = 0; i < 20; ++i) jobs.push_back(s.submit([] { return fib(10); }));
    for (auto& j : jobs) EXPECT_EQ(j.get(), 55);
    s.stop();
    for (auto& t : threads) t.join();
  }
}

TEST_ON_WORKERS(resizing, TooManyAreRefusedAndAStoppedSchedulerIsNotResized) {
  EXPECT_THROW(scheduler().resize(5000), std::invalid_argument);
  EXPECT_EQ(scheduler().workers(), workers());
  scheduler().stop();
  EXPECT_THROW(scheduler().resize(1), coppice::scheduler_stopped);
}

TEST(resizing_to_none, GivesAsManyAsTheProcessMayUse) {
  const coppice::scheduler automatic;
  coppice::scheduler s({.workers = 7});
  s.resize(0);
  EXPECT_EQ(s.workers(), automatic.workers());
  EXPECT_EQ(s.run([] { return fib(10); }), 55);
}

}  // namespace
