// A finite FIFO pool that is used recursively, and one whose size changes: what its users see. No test
// sleeps.
#include <coppice/coppice.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/process.hpp"

namespace {

using coppice::admission;
using coppice::fifo_pool;
using coppice::fifo_task;
using coppice::recursion;
using coppice::would_deadlock;

std::string deadlock_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const would_deadlock& error) {
    return error.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Tasks that only tasks add have all ended.
void wait_until_quiet(const fifo_pool& pool) {
  for (auto now = pool.stats(); now.queued + now.running != 0; now = pool.stats()) std::this_thread::yield();
}

// A node of a ternary tree: counts itself, adds three, waits for nobody (C6).
void grow(fifo_pool& pool, int depth, std::atomic<int>& nodes) {
  ++nodes;
  if (depth == 0) return;
  for (int i = 0; i < 3; ++i) pool.submit([&pool, depth, &nodes] { grow(pool, depth - 1, nodes); });
}

// A node of a binary tree that waits for its two (E5).
int sum_of_tree(fifo_pool& pool, int depth) {
  if (depth == 0) return 1;
  auto left = pool.submit([&pool, depth] { return sum_of_tree(pool, depth - 1); });
  auto right = pool.submit([&pool, depth] { return sum_of_tree(pool, depth - 1); });
  return left.get() + right.get();
}

TEST(fifo_recursion, C32C6TasksThatAddTasksToAFullQueueAreToldAndThePoolGoesOn) {
  fifo_pool pool({.workers = 5, .queue_capacity = 1000, .name = "ternary"});
  std::atomic<int> nodes = 0, told = 0;
  std::function<void(int)> node = [&](int depth) {
    ++nodes;
    for (int i = 0; i < 3 && depth > 0; ++i) {
      const std::string text = deadlock_of([&] { pool.submit([&node, depth] { node(depth - 1); }); });
      if (text.empty()) continue;
      ++told;
      EXPECT_TRUE(contains(text, "fifo_pool 'ternary'")) << text;
      EXPECT_TRUE(contains(text, "room in the queue, whose 1000 places are taken")) << text;
      EXPECT_TRUE(contains(text, "worker 0 runs task")) << text;
      EXPECT_TRUE(contains(text, "worker 4 runs task")) << text;
      EXPECT_TRUE(contains(text, "coppice::scheduler")) << text;
      return;
    }
  };
  pool.submit([&node] { node(8); });
  wait_until_quiet(pool);
  EXPECT_GT(told, 0) << "9841 nodes cannot pass a queue of 1000 that their own parents fill";
  EXPECT_EQ(pool.stats().ran, static_cast<std::uint64_t>(nodes.load()));
  EXPECT_EQ(pool.stats().standing, 0u);
}

TEST(fifo_recursion, C32C6HelpingRunsEveryNodeOfTheTree) {
  for (const unsigned workers : {1u, 2u, 5u, 64u}) {
    fifo_pool pool({.workers = workers, .queue_capacity = 10, .on_recursion = recursion::help});
    std::atomic<int> nodes = 0;
    pool.submit([&] { grow(pool, 8, nodes); });
    wait_until_quiet(pool);
    EXPECT_EQ(nodes, 9841) << workers;
  }
}

TEST(fifo_recursion, C32E5AWaitWithAllWorkersWaitingIsToldWithTheChain) {
  fifo_pool pool({.workers = 2, .queue_capacity = 100, .name = "pair"});
  const std::string text = deadlock_of([&] { sum_of_tree(pool, 1); });
  EXPECT_EQ(text, "") << "not a worker";
  std::string told = deadlock_of([&] { pool.submit([&pool] { return sum_of_tree(pool, 6); }).get(); });
  EXPECT_TRUE(contains(told, "this wait could never end: worker 0 runs task ")) << told;
  EXPECT_TRUE(contains(told, "; worker 1 runs task ")) << told;
  EXPECT_TRUE(contains(told, "which is queued")) << told;
  EXPECT_TRUE(contains(told, "no worker is left to run what they wait for")) << told;
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1) << "the pool lives on";
}

TEST(fifo_recursion, C32E5HelpingSumsTheTreeAtAnyNumberOfWorkers) {
  for (const unsigned workers : {1u, 2u, 8u}) {
    fifo_pool pool({.workers = workers, .queue_capacity = 4, .on_recursion = recursion::help});
    EXPECT_EQ(pool.submit([&pool] { return sum_of_tree(pool, 8); }).get(), 256) << workers;
  }
}

TEST(fifo_recursion, C30ATaskThatWaitsForItselfIsTold) {
  for (const recursion how : {recursion::detect, recursion::help}) {
    fifo_pool pool({.workers = 3, .on_recursion = how});
    std::latch given{1};
    fifo_task<void> own;
    std::string text;
    std::latch over{1};
    own = pool.submit([&] {
      given.wait();
      text = deadlock_of([&] { own.wait(); });
      over.count_down();
    });
    given.count_down();
    over.wait();
    pool.stop();
    EXPECT_TRUE(contains(text, "worker 0 runs task 0 and waits for task 0, which worker 0 runs") ||
                contains(text, "worker 1 runs task 0 and waits for task 0, which worker 1 runs") ||
                contains(text, "worker 2 runs task 0 and waits for task 0, which worker 2 runs"))
        << text;
    EXPECT_TRUE(contains(text, "the last waits for the first")) << text;
  }
}

TEST(fifo_recursion, C30ACircleOfTasksIsToldThoughOtherWorkersAreIdle) {
  fifo_pool pool({.workers = 4});
  std::latch given{1};
  std::array<fifo_task<void>, 3> tasks;
  std::array<std::string, 3> texts;
  std::latch over{3};
  for (std::size_t i = 0; i < 3; ++i) {
    tasks[i] = pool.submit([&, i] {
      given.wait();
      texts[i] = deadlock_of([&] { tasks[(i + 1) % 3].wait(); });
      over.count_down();
    });
  }
  given.count_down();
  over.wait();
  pool.stop();
  int told = 0;
  for (const auto& text : texts) {
    if (text.empty()) continue;
    ++told;
    EXPECT_EQ(std::count(text.begin(), text.end(), ';'), 3) << "three links and the verdict: " << text;
  }
  EXPECT_EQ(told, 1) << "the one that closed the circle, and with its end the others end";
}

TEST(fifo_recursion, C32WaitingForATaskThatRunsIsNoDeadlock) {
  fifo_pool pool({.workers = 2});
  std::latch inside{1}, open{1};
  auto slow = pool.submit([&] {
    inside.count_down();
    open.wait();
    return 5;
  });
  inside.wait();
  auto waiting = pool.submit([&] { return slow.get() + 1; });
  while (pool.stats().standing != 1) std::this_thread::yield();
  open.count_down();
  EXPECT_EQ(waiting.get(), 6);
}

TEST(fifo_recursion, C32AWorkerThatWaitsForRoomGoesOnWhenAnotherMakesSome) {
  fifo_pool pool({.workers = 2, .queue_capacity = 1});
  std::latch inside{1}, open{1};
  auto held = pool.submit([&] {
    inside.count_down();
    open.wait();
  });
  inside.wait();
  std::atomic<int> ran = 0;
  auto producer = pool.submit([&] {
    for (int i = 0; i < 3; ++i) pool.submit([&ran] { ++ran; });
  });
  while (pool.stats().standing != 1) std::this_thread::yield();
  open.count_down();
  producer.get();
  pool.stop();
  EXPECT_EQ(ran, 3);
}

TEST(fifo_recursion, C32AStopEndsAWaitThatOnlyBlocks) {
  fifo_pool pool({.workers = 1, .on_recursion = recursion::block});
  std::string why;
  pool.submit([&] {
    try {
      pool.submit([] {}).get();
    } catch (const coppice::scheduler_stopped& e) {
      why = e.what();
    }
  });
  while (pool.stats().standing != 1) std::this_thread::yield();
  EXPECT_EQ(pool.stop(coppice::stop_mode::cancel).skipped, 1u);
  EXPECT_TRUE(contains(why, "was not run")) << why;
}

TEST(fifo_recursion, C32ADeadlockInsideARefusedSubmitLeavesTheCallableUntouched) {
  fifo_pool pool({.workers = 1, .queue_capacity = 1});
  pool.submit([&pool] {
        pool.submit([] {});
        auto callable = [owned = std::make_unique<int>(3)] { return *owned; };
        EXPECT_FALSE(deadlock_of([&] { pool.submit(std::move(callable)); }).empty());
        EXPECT_EQ(callable(), 3);
        EXPECT_FALSE(deadlock_of([&] { pool.submit([] {}); }).empty());
      })
      .get();
  EXPECT_EQ(pool.stats().rejected, 0u);
}

TEST(fifo_recursion, HelpingEndsWithAnErrorBeforeTheStackDoes) {
  // The thread sanitizer keeps the whole call stack of each task that is made: gigabytes on a usual stack. So
  // small that glibc does not take a usual one that an earlier thread has left; g++'s sanitizer has 0.75 MiB
  // of it.
  const support::small_stacks quick(std::size_t{7} * 256 * 1024);
  // Beyond the pool, which runs what is still queued when it is destroyed.
  std::atomic<long> depth = 0;
  std::string told;
  std::function<void()> deeper;
  fifo_pool pool({.workers = 1, .queue_capacity = 1, .on_recursion = recursion::help});
  deeper = [&] {
    if (!told.empty()) return;
    ++depth;
    try {
      pool.submit(deeper);
      pool.submit(deeper);
    } catch (const coppice::recursion_too_deep& error) {
      told = error.what();
    }
  };
  pool.submit(deeper).get();
  EXPECT_GT(depth, 100);
  EXPECT_TRUE(contains(told, "one on top of the other")) << told;
}

// ---- other ways to submit, to stop, and to change the size -----------------------------------------

TEST(fifo_size, SubmitUntilGivesUpAtItsTimeAndLeavesTheCallableUntouched) {
  fifo_pool pool({.workers = 1, .queue_capacity = 1});
  std::latch inside{1}, open{1};
  auto held = pool.submit([&] {
    inside.count_down();
    open.wait();
  });
  inside.wait();
  const auto past = std::chrono::steady_clock::now();
  EXPECT_EQ(pool.submit_until([] {}, past).status, admission::accepted) << "there is room";
  auto callable = [owned = std::make_unique<int>(3)] { return *owned; };
  EXPECT_EQ(pool.submit_until(std::move(callable), past).status, admission::full);
  EXPECT_EQ(callable(), 3);
  std::thread opener([&] { open.count_down(); });
  auto late = pool.submit_until(std::move(callable), past + std::chrono::hours(1));
  opener.join();
  ASSERT_EQ(late.status, admission::accepted);
  EXPECT_EQ(late.task.get(), 3);
  pool.stop();
  EXPECT_EQ(pool.submit_until([] {}, past).status, admission::stopped);
}

TEST(fifo_size, C35StopUntilDrainsAndThenCancels) {
  fifo_pool pool({.workers = 1});
  std::latch inside{1}, open{1};
  auto held = pool.submit([&] {
    inside.count_down();
    open.wait();
  });
  inside.wait();
  auto queued = pool.submit([] {});
  coppice::stop_report report;
  std::thread stopper([&] { report = pool.stop_until(std::chrono::steady_clock::now()); });
  EXPECT_THROW(queued.get(), coppice::scheduler_stopped);
  open.count_down();
  stopper.join();
  EXPECT_EQ(report.skipped, 1u);
  EXPECT_EQ(report.ran, 1u);
  EXPECT_EQ(report.still_running.size(), 1u);

  fifo_pool quick({.workers = 2});
  std::atomic<int> ran = 0;
  for (int i = 0; i < 100; ++i) quick.submit([&ran] { ++ran; });
  EXPECT_EQ(quick.stop_until(std::chrono::steady_clock::now() + std::chrono::hours(1)).skipped, 0u);
  EXPECT_EQ(ran, 100);
}

TEST(fifo_size, B3GrowingLetsMoreTasksRunAtOnce) {
  fifo_pool pool({.workers = 1});
  std::latch all_inside{8};
  std::vector<fifo_task<void>> tasks;
  for (int i = 0; i < 8; ++i) tasks.push_back(pool.submit([&] { all_inside.arrive_and_wait(); }));
  pool.resize(8);
  for (auto& task : tasks) task.get();
  EXPECT_EQ(pool.stats().workers, 8u);
}

TEST(fifo_size, B3ShrinkingLeavesTheOthersAndLosesNothing) {
  const auto threads = support::threads_at_rest();
  fifo_pool pool({.workers = 8});
  for (const unsigned size : {3u, 1u, 6u, 2u}) {
    pool.resize(size);
    EXPECT_EQ(support::threads_settled(threads + size), threads + size);
    std::atomic<int> ran = 0;
    std::vector<fifo_task<void>> tasks;
    for (int i = 0; i < 200; ++i) tasks.push_back(pool.submit([&ran] { ++ran; }));
    for (auto& task : tasks) task.get();
    EXPECT_EQ(ran, 200);
  }
}

TEST(fifo_size, B3ManyThreadsMayResizeWhileTasksComeAndOneStops) {
  for (int round = 0; round < 20; ++round) {
    fifo_pool pool({.workers = 2, .queue_capacity = 8});
    std::atomic<std::uint64_t> ran = 0, accepted = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        try {
          for (unsigned i = 0; i < 200; ++i) {
            pool.submit([&] {
              ++ran;
              if (ran % 64 == 0) pool.resize(1 + static_cast<unsigned>(ran % 5));  // a worker may, too
            });
            ++accepted;
            if (i % 10 == 0) pool.resize(1 + (i + static_cast<unsigned>(t)) % 7);
          }
        } catch (const coppice::scheduler_stopped&) {
        }
      });
    }
    while (accepted < 50) std::this_thread::yield();
    pool.stop();
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(pool.stats().ran, pool.stats().submitted);
  }
}

TEST(fifo_size, ASizeThatIsTooLargeIsRefusedAndAStoppedPoolHasNone) {
  fifo_pool pool({.workers = 1});
  EXPECT_THROW(pool.resize(4097), std::invalid_argument);
  pool.stop();
  EXPECT_THROW(pool.resize(2), coppice::scheduler_stopped);
}

}  // namespace
