// Every wait of ours lends its worker's core, as blocking() does: others run there meanwhile. Each test ends
// only if a job that is submitted while all workers wait is run all the same.
#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <latch>
#include <ranges>
#include <thread>
#include <vector>

#include "support/fifo.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;

class waits_lend : public support::without_leaks {};

struct some_schedulers {
  coppice::scheduler one{{.workers = 1}};
  coppice::scheduler two{{.workers = 2}};
  coppice::scheduler other{{.workers = 1, .name = "other"}};
  std::latch release{1};
};

TEST_F(waits_lend, AWaitForAnotherSchedulersJob) {
  some_schedulers s;
  std::atomic<bool> begun{false};
  auto job = s.one.submit([&] {
    auto there = s.other.submit([&] { s.release.wait(); });
    begun = true;
    there.wait();
  });
  while (!begun) std::this_thread::yield();
  s.one.run([&] { s.release.count_down(); });
  job.get();
}

TEST_F(waits_lend, AWaitForAJobUntilSomeTime) {
  some_schedulers s;
  std::atomic<bool> begun{false};
  auto job = s.one.submit([&] {
    auto there = s.other.submit([&] { s.release.wait(); });
    begun = true;
    while (!there.wait_until(std::chrono::steady_clock::now() + 1h)) {
    }
  });
  while (!begun) std::this_thread::yield();
  s.one.run([&] { s.release.count_down(); });
  job.get();
}

TEST_F(waits_lend, ButNotAWaitForAJobThatIsDone) {
  some_schedulers s;
  auto done = s.other.submit([] {});
  done.wait();
  s.one.run([&] {
    const auto before = s.one.stats().loans;
    EXPECT_TRUE(done.wait_until(std::chrono::steady_clock::now() + 1h));
    EXPECT_EQ(s.one.stats().loans, before);
  });
}

TEST_F(waits_lend, AJoinWhoseBranchWasStolen) {
  some_schedulers s;
  std::atomic<bool> stolen{false};
  auto job = s.two.submit([&] {
    coppice::join(
        [&] {
          while (!stolen) std::this_thread::yield();
        },
        [&] {
          stolen = true;
          s.release.wait();
        });
  });
  while (!stolen) std::this_thread::yield();
  s.two.run([&] { s.release.count_down(); });
  job.get();
}

// The thief remembers whom to wake when it shares. After the wait that is nobody's core but the vacant one's.
TEST_F(waits_lend, WhatTheThiefSharesAfterTheWaitIsRunOnTheLentCore) {
  for (int repetition = 0; repetition < 50; ++repetition) {
    some_schedulers s;
    std::atomic<bool> stolen{false};
    const auto wait_until_standing = [&](unsigned n) {
      while (s.two.stats().standing != n) std::this_thread::yield();
    };
    auto job = s.two.submit([&] {
      coppice::join(
          [&] {
            while (!stolen) std::this_thread::yield();
          },
          [&] {
            stolen = true;
            wait_until_standing(1);
          });
      coppice::blocking([&] { s.release.wait(); });
    });
    while (!stolen) std::this_thread::yield();
    while (s.two.stats().loans != 2) std::this_thread::yield();
    s.two.run([&] {
      std::atomic<bool> ran{false};
      coppice::task_group group;
      group.spawn([&] { ran = true; });
      while (!ran) std::this_thread::yield();
      group.wait();
    });
    s.release.count_down();
    job.get();
  }
}

TEST_F(waits_lend, AGroupWhoseChildWasStolen) {
  some_schedulers s;
  std::atomic<bool> stolen{false};
  auto job = s.two.submit([&] {
    coppice::task_group group;
    group.spawn([&] {
      stolen = true;
      s.release.wait();
    });
    while (!stolen) std::this_thread::yield();
    group.wait();
  });
  while (!stolen) std::this_thread::yield();
  s.two.run([&] { s.release.count_down(); });
  job.get();
}

TEST_F(waits_lend, AnInnerJobThatAnotherWorkerRuns) {
  some_schedulers s;
  std::atomic<bool> begun{false};
  auto job = s.two.submit([&] {
    auto inner = s.two.submit([&] {
      begun = true;
      s.release.wait();
    });
    while (!begun) std::this_thread::yield();
    inner.wait();
  });
  while (!begun) std::this_thread::yield();
  s.two.run([&] { s.release.count_down(); });
  job.get();
}

// The other worker is the only one who can run the second branch, and it is asleep when that is forked.
TEST_F(waits_lend, WhoWaitsForAJobIsWokenByWhatThatForks) {
  some_schedulers s;
  std::atomic<pid_t> waits{0};
  std::atomic<bool> begun{false};
  std::latch both{2};
  s.two.run([&] {
    waits = gettid();
    auto inner = s.two.submit([&] {
      begun = true;
      while (s.two.stats().standing == 0 || !support::asleep(waits)) std::this_thread::yield();
      coppice::join([&] { both.arrive_and_wait(); }, [&] { both.arrive_and_wait(); });
    });
    while (!begun) std::this_thread::yield();
    inner.wait();
  });
}

TEST_F(waits_lend, AReaderOfAStreamOfAPool) {
  some_schedulers s;
  coppice::fifo_pool pool({.workers = 1});
  std::atomic<bool> begun{false};
  auto job = s.one.submit([&] {
    auto results = pool.map(std::vector<int>{1, 2, 3}, [&](int i) {
      begun = true;
      s.release.wait();
      return i;
    });
    int sum = 0;
    for (auto& r : results) sum += r.value();
    return sum;
  });
  while (!begun) std::this_thread::yield();
  s.one.run([&] { s.release.count_down(); });
  EXPECT_EQ(job.get(), 6);
}

TEST_F(waits_lend, AWaitForATaskOfAPool) {
  some_schedulers s;
  coppice::fifo_pool pool({.workers = 1});
  std::atomic<bool> begun{false};
  auto job = s.one.submit([&] {
    auto task = pool.submit([&] {
      begun = true;
      s.release.wait();
      return 7;
    });
    return task.get();
  });
  while (!begun) std::this_thread::yield();
  s.one.run([&] { s.release.count_down(); });
  EXPECT_EQ(job.get(), 7);
}

// Two tasks fill the pool: one runs, one has the only place.
struct full_pool {
  coppice::fifo_pool pool{{.workers = 1, .queue_capacity = 1}};
  explicit full_pool(std::latch& release) {
    pool.submit([&] { release.wait(); });
    pool.submit([] {});
  }
};

TEST_F(waits_lend, AWaitForRoomInAPool) {
  some_schedulers s;
  full_pool full(s.release);
  auto job = s.one.submit([&] { return full.pool.submit([] { return 7; }).get(); });
  s.one.run([&] { s.release.count_down(); });
  EXPECT_EQ(job.get(), 7);
}

TEST_F(waits_lend, AWaitForRoomInAPoolUntilSomeTime) {
  some_schedulers s;
  full_pool full(s.release);
  auto job = s.one.submit([&] {
    for (;;) {
      auto [status, task] = full.pool.submit_until([] { return 7; }, std::chrono::steady_clock::now() + 1h);
      if (status == coppice::admission::accepted) return task.get();
    }
  });
  s.one.run([&] { s.release.count_down(); });
  EXPECT_EQ(job.get(), 7);
}

TEST_F(waits_lend, TheStopOfAPool) {
  some_schedulers s;
  coppice::fifo_pool pool({.workers = 1});
  auto job = s.one.submit([&] {
    pool.submit([&] { s.release.wait(); });
    return pool.stop().ran;
  });
  s.one.run([&] { s.release.count_down(); });
  EXPECT_EQ(job.get(), 1U);
}

TEST_F(waits_lend, C36TheStopOfAnotherScheduler) {
  some_schedulers s;
  std::atomic<bool> drained{false};
  auto job = s.one.submit([&] {
    s.other
        .submit([&] {
          s.release.wait();
          drained = true;
        })
        .detach();
    s.other.stop();
    return drained.load();
  });
  s.one.run([&] { s.release.count_down(); });
  EXPECT_TRUE(job.get());
}

TEST_F(waits_lend, C36TheEndOfAnotherSchedulerWhoseJobComesBack) {
  some_schedulers s;
  s.one.run([&] {
    coppice::scheduler inner({.workers = 1, .name = "inner"});
    inner.submit([&] { s.one.run([] {}); }).detach();
  });
}

TEST_F(waits_lend, TheEndOfAStream) {
  some_schedulers s;
  std::atomic<bool> begun{false};
  auto job = s.one.submit([&] {
    const auto stream = s.other.map(std::views::iota(0, 10), [&](int) {
      begun = true;
      s.release.wait();
    });
    while (!begun) std::this_thread::yield();
  });
  while (!begun) std::this_thread::yield();
  s.one.run([&] { s.release.count_down(); });
  job.get();
}

}  // namespace
