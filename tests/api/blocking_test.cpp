// Standing still: what blocks lends its core, whoever comes back goes on. Tasks here wait for each other
// blindly, so a core that is not lent is a test that does not end.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/check.hpp"
#include "support/workers.hpp"

namespace {

class blocking : public support::on_workers {
 protected:
  void wait_until_standing(unsigned n) {
    while (scheduler().stats().standing != n) std::this_thread::yield();
  }
};

TEST_ON_WORKERS(blocking, ANewTaskStartsWhileAllWorkersStandStill) {
  for (int repetition = 0; repetition < 5; ++repetition) {
    std::latch release(1);
    std::vector<coppice::job<void>> jobs;
    for (unsigned i = 0; i < workers(); ++i)
      jobs.push_back(scheduler().submit([&] { coppice::blocking([&] { release.wait(); }); }));
    wait_until_standing(workers());
    scheduler().run([&] { release.count_down(); });
    for (auto& job : jobs) job.get();
    wait_until_standing(0);
  }
}

// Each stands still until all have begun: so many threads at a time there must be.
TEST_ON_WORKERS(blocking, AsManyStandStillAsThereAreSpareWorkers) {
  constexpr unsigned tasks = 256;
  std::latch all(tasks);
  scheduler().run([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < tasks; ++i)
      group.spawn([&] { coppice::blocking([&] { all.arrive_and_wait(); }); });
    group.wait();
  });
  EXPECT_TRUE(all.try_wait());
  EXPECT_LE(scheduler().stats().spares, 256U);
}

TEST_ON_WORKERS(blocking, FramesOfTheOneWhoStandsStillAreRunByOthers) {
  constexpr unsigned children = 100;
  for (int repetition = 0; repetition < 20; ++repetition) {
    std::atomic<unsigned> ran{0};
    scheduler().run([&] {
      coppice::task_group group;
      for (unsigned i = 0; i < children; ++i) group.spawn([&] { ++ran; });
      coppice::blocking([&] {
        while (ran != children) std::this_thread::yield();
      });
      group.wait();
    });
    ASSERT_EQ(ran, children);
  }
}

TEST_ON_WORKERS(blocking, WhatIsForkedWhileStandingStillIsRunByOthers) {
  for (int repetition = 0; repetition < 20; ++repetition) {
    std::atomic<unsigned> ran{0};
    scheduler().run([&] {
      coppice::blocking([&] {
        for (unsigned i = 0; i < 10; ++i) coppice::spawn([&] { ++ran; });
        while (ran != 10) std::this_thread::yield();
        coppice::join(
            [&] {
              while (ran != 11) std::this_thread::yield();
            },
            [&] { ++ran; });
      });
    });
    ASSERT_EQ(ran, 11U);
  }
}

TEST_ON_WORKERS(blocking, TenThousandTasksStandStillAtABoundOf64) {
  coppice::scheduler s({.workers = workers(), .max_spare_workers = 64});
  constexpr unsigned tasks = 10000;
  std::atomic<unsigned> standing{0}, ran{0};
  const unsigned at_once = 64 + workers();
  s.run([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < tasks; ++i)
      group.spawn([&] {
        coppice::blocking([&] {
          ++standing;
          // The first ones wait for as many as there can be.
          while (standing < at_once) std::this_thread::yield();
          ++ran;
        });
      });
    group.wait();
  });
  EXPECT_EQ(ran, tasks);
  const auto after = s.stats();
  EXPECT_EQ(after.spares, 64U);
  EXPECT_EQ(after.standing, 0U);
  EXPECT_GT(after.kept, 0U);
  // As many as there are workers run at a time again.
  std::latch all(workers());
  s.run([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < workers(); ++i) group.spawn([&] { all.arrive_and_wait(); });
    group.wait();
  });
}

TEST_ON_WORKERS(blocking, AtTheBoundTheCoreStandsStillTooAndIsCounted) {
  coppice::scheduler s({.workers = workers(), .max_spare_workers = 1});
  const unsigned most = workers() + 1;
  std::latch release(1);
  std::vector<coppice::job<void>> jobs;
  for (unsigned i = 0; i < most; ++i)
    jobs.push_back(s.submit([&] { coppice::blocking([&] { release.wait(); }); }));
  while (s.stats().standing != most) std::this_thread::yield();
  EXPECT_EQ(s.stats().kept, workers());
  EXPECT_EQ(s.stats().loans, 1U);
  EXPECT_EQ(s.stats().spares, 1U);
  auto later = s.submit([] { return 7; });
  EXPECT_FALSE(later.done());
  release.count_down();
  EXPECT_EQ(later.get(), 7);
  for (auto& job : jobs) job.get();
}

TEST_ON_WORKERS(blocking, WithoutSpareWorkersItOnlyCalls) {
  coppice::scheduler s({.workers = workers(), .max_spare_workers = 0});
  s.run([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < 100; ++i)
      group.spawn([] { coppice::blocking([] { std::this_thread::yield(); }); });
    group.wait();
  });
  EXPECT_EQ(s.stats().spares, 0U);
  EXPECT_EQ(s.stats().loans, 0U);
}

TEST_ON_WORKERS(blocking, C38TheTaskStaysOnItsThread) {
  scheduler().run([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < 200; ++i)
      group.spawn([] {
        const auto thread = std::this_thread::get_id();
        const int worker = coppice::this_task::worker();
        coppice::blocking([&] {
          EXPECT_EQ(std::this_thread::get_id(), thread);
          std::this_thread::yield();
        });
        EXPECT_EQ(std::this_thread::get_id(), thread);
        EXPECT_EQ(coppice::this_task::worker(), worker);
      });
    group.wait();
  });
}

TEST_ON_WORKERS(blocking, CallsNest) {
  std::latch release(1);
  auto job = scheduler().submit([&] {
    return coppice::blocking([&] {
      return 1 + coppice::blocking([&] {
               release.wait();
               return 1;
             });
    });
  });
  wait_until_standing(1);
  scheduler().run([&] { release.count_down(); });
  EXPECT_EQ(job.get(), 2);
  wait_until_standing(0);
}

TEST_ON_WORKERS(blocking, GivesValuesReferencesAndExceptions) {
  scheduler().run([] {
    EXPECT_EQ(coppice::blocking([] { return std::string("page"); }), "page");
    EXPECT_EQ(*coppice::blocking([] { return std::make_unique<int>(3); }), 3);
    int there = 0;
    coppice::blocking([&]() -> int& { return there; }) = 4;
    EXPECT_EQ(there, 4);
    EXPECT_THROW(coppice::blocking([] { throw std::runtime_error("no route"); }), std::runtime_error);
  });
  // The one that threw has its core again.
  wait_until_standing(0);
}

TEST_ON_WORKERS(blocking, ATreeOfStandingTasksEnds) {
  struct node {
    std::atomic<unsigned>& visited;
    void operator()(unsigned depth) const {
      coppice::blocking([] { std::this_thread::yield(); });
      ++visited;
      if (depth == 0) return;
      for (unsigned i = 0; i < 3; ++i) coppice::spawn([*this, depth] { (*this)(depth - 1); });
    }
  };
  std::atomic<unsigned> visited{0};
  auto job = scheduler().submit([&] { node{visited}(7); });
  const auto& report = job.wait();
  support::check(report);
  EXPECT_EQ(visited, 3280U);
  EXPECT_EQ(report.succeeded, 3280U);
}

TEST_ON_WORKERS(blocking, C14ACancelReachesTasksThatStandStillAndSkipsTheRest) {
  std::atomic<unsigned> begun{0};
  auto job = scheduler().submit([&] {
    for (unsigned i = 0; i < 1000; ++i)
      coppice::spawn([&] {
        ++begun;
        const auto token = coppice::this_task::stop_token();
        coppice::blocking([&] {
          while (!token.stop_requested()) std::this_thread::yield();
        });
      });
  });
  while (begun == 0) std::this_thread::yield();
  EXPECT_TRUE(job.cancel("enough"));
  const auto& report = job.wait();
  support::check(report);
  EXPECT_EQ(report.result, coppice::outcome::cancelled);
  EXPECT_EQ(report.skipped + begun, 1000U);
}

TEST_ON_WORKERS(blocking, ResizeWhileTasksStandStill) {
  std::atomic<unsigned> ran{0};
  std::latch release(1);
  auto job = scheduler().submit([&] {
    for (unsigned i = 0; i < 50; ++i)
      coppice::spawn([&] {
        coppice::blocking([&] { release.wait(); });
        ++ran;
      });
  });
  wait_until_standing(50);
  for (const unsigned n : {1U, 5U, 2U, 9U, 1U}) {
    scheduler().resize(n);
    EXPECT_EQ(scheduler().run([] { return 5; }), 5);
  }
  scheduler().resize(3);
  release.count_down();
  job.get();
  EXPECT_EQ(ran, 50U);
  std::latch all(3);
  scheduler().run([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < 3; ++i) group.spawn([&] { all.arrive_and_wait(); });
    group.wait();
  });
}

// The second worker is parked where it sleeps, on a core that is not wanted any more when the crew closes.
TEST(blocking_and_resize, WorkersWithoutACoreLeaveAfterTheirCoreIsGone) {
  for (int repetition = 0; repetition < 20; ++repetition) {
    coppice::scheduler s({.workers = 2});
    std::atomic<bool> first_over{false}, last_over{false}, last_runs{false};
    std::latch second_goes(1), third_goes(1);
    std::atomic<unsigned> begun{0};
    const auto run_until = [&](std::atomic<bool>& over) {
      ++begun;
      while (!over) std::this_thread::yield();
    };
    const auto wait_until_standing = [&](unsigned n) {
      while (s.stats().standing != n) std::this_thread::yield();
    };
    auto first = s.submit([&] { run_until(first_over); });
    while (begun != 1) std::this_thread::yield();
    auto second = s.submit([&] { coppice::blocking([&] { second_goes.wait(); }); });
    wait_until_standing(1);
    auto third = s.submit([&] {
      coppice::blocking([&] { third_goes.wait(); });
      last_runs = true;
      run_until(last_over);
    });
    wait_until_standing(2);
    const auto parks = s.stats().parks;
    second_goes.count_down();
    second.get();
    while (s.stats().parks == parks) std::this_thread::yield();
    third_goes.count_down();
    while (!last_runs) std::this_thread::yield();
    s.resize(1);
    last_over = true;
    first_over = true;
  }
}

// The spare worker is made after the stop has closed the door: nothing but the name of who runs the root
// orders that before the stop that reads it. The thread sanitizer judges.
TEST(blocking_and_stop, NamesARootThatASpareWorkerRuns) {
  for (int repetition = 0; repetition < 5; ++repetition) {
    coppice::scheduler s({.workers = 1});
    const auto stand_until_stopped = [] {
      while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    };
    auto lender = s.submit([&] {
      while (s.try_submit([] {}).status != coppice::admission::stopped) std::this_thread::yield();
      coppice::blocking(stand_until_stopped);
    });
    auto other = s.submit(stand_until_stopped, {.name = "on a spare worker"});
    s.stop_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
    support::check(lender.wait());
    support::check(other.wait());
  }
}

TEST_ON_WORKERS(blocking, IsSaidInDescribe) {
  std::latch release(1);
  auto job = scheduler().submit([&] { coppice::blocking([&] { release.wait(); }); });
  wait_until_standing(1);
  EXPECT_NE(scheduler().describe().find("standing still: 1 workers now"), std::string::npos)
      << scheduler().describe();
  release.count_down();
  job.get();
}

TEST_ON_WORKERS(blocking, StopDrainsWhatStandsStill) {
  std::latch release(1);
  std::atomic<unsigned> ran{0};
  coppice::scheduler s({.workers = workers()});
  auto job = s.submit([&] {
    for (unsigned i = 0; i < 20; ++i)
      coppice::spawn([&] {
        coppice::blocking([&] { release.wait(); });
        ++ran;
      });
  });
  while (s.stats().standing != 20) std::this_thread::yield();
  std::thread stopper([&] { s.stop(); });
  release.count_down();
  stopper.join();
  EXPECT_EQ(ran, 20U);
  EXPECT_EQ(job.wait().succeeded, 21U);
}

TEST(blocking_serially, OutsideOfAWorkerOnlyCalls) {
  EXPECT_EQ(coppice::blocking([] { return 9; }), 9);
}

}  // namespace
