// The FIFO pool's queue: its bound, its order, and many tasks with 1, 2, 3, 8 and 64 workers.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <coppice/fifo_pool.hpp>
#include <coppice/stop.hpp>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fifo.hpp"
#include "support/workers.hpp"

namespace {

using coppice::admission;
using coppice::fifo_pool;
using coppice::fifo_task;
using coppice::scheduler_stopped;
using coppice::stop_mode;
using support::asleep;
using support::gate;
using support::living;
using support::seven;
using support::yield_until;

TEST(fifo_pool, C31SubmitBlocksWhileTheQueueIsFull) {
  constexpr std::uint64_t capacity = 4;
  gate closed;
  fifo_pool pool({.workers = 1, .queue_capacity = capacity});
  auto held = closed.hold(pool);

  std::atomic<std::uint64_t> accepted = 0;
  std::atomic<std::uint64_t> most_ahead = 0;
  std::atomic<pid_t> producer_id = 0;
  std::thread producer([&] {
    producer_id = gettid();
    for (std::uint64_t i = 0; i < 500; ++i) {
      // While task i runs, tasks up to i + capacity can have been accepted, and no more.
      pool.submit([&, i] {
        const std::uint64_t ahead = accepted - std::min<std::uint64_t>(accepted, i);
        if (ahead > most_ahead) most_ahead = ahead;
      });
      ++accepted;
    }
  });
  yield_until([&] { return accepted == capacity && asleep(producer_id); });
  EXPECT_EQ(pool.stats().queued, capacity);
  EXPECT_EQ(accepted, capacity);
  closed.open();
  producer.join();
  pool.stop();
  EXPECT_LE(most_ahead, capacity + 1);
  EXPECT_EQ(pool.stats().ran, 501u);
}

TEST(fifo_pool, TrySubmitSaysFullAndLeavesTheCallableUntouched) {
  gate closed;
  fifo_pool pool({.workers = 1, .queue_capacity = 2});
  auto held = closed.hold(pool);
  EXPECT_EQ(pool.try_submit([] {}).status, admission::accepted);
  EXPECT_EQ(pool.try_submit([] {}).status, admission::accepted);

  auto callable = [owned = std::make_unique<int>(3)] { return *owned; };
  for (int i = 0; i < 3; ++i) {
    auto refused = pool.try_submit(std::move(callable));
    ASSERT_EQ(refused.status, admission::full);
    EXPECT_FALSE(refused.task.valid());
  }
  EXPECT_EQ(callable(), 3);
  EXPECT_EQ(pool.stats().rejected, 3u);

  closed.open();
  held.get();
  yield_until([&pool] { return pool.stats().queued == 0; });
  auto accepted = pool.try_submit(std::move(callable));
  ASSERT_EQ(accepted.status, admission::accepted);
  EXPECT_EQ(accepted.task.get(), 3);
}

TEST(fifo_pool, TasksStartInTheOrderOfAcceptance) {
  std::vector<int> order;  // one worker: plain
  fifo_pool pool({.workers = 1, .queue_capacity = 3});
  for (int i = 0; i < 300; ++i) pool.submit([&order, i] { order.push_back(i); });
  pool.stop();
  std::vector<int> expected(300);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

TEST(fifo_pool, C01AClosureThatCannotBeMovedInLeavesThePoolUnchanged) {
  struct unmovable {
    unmovable() = default;
    unmovable(unmovable&&) { throw std::domain_error("stays"); }
    unmovable& operator=(unmovable&&) = delete;
    ~unmovable() = default;
    void operator()() {}
  };
  fifo_pool pool({.workers = 1, .queue_capacity = 1});
  for (int i = 0; i < 10; ++i) {
    EXPECT_THROW(pool.submit(unmovable{}), std::domain_error);
    EXPECT_THROW((void)pool.try_submit(unmovable{}), std::domain_error);
  }
  EXPECT_EQ(pool.stats().submitted, 0u);
  EXPECT_EQ(pool.submit(seven).get(), 7) << "the places were given back";
}

TEST(fifo_pool, MovingAClosureInMayUseThePool) {
  struct curious {
    explicit curious(fifo_pool& asked) : pool(&asked) {}
    curious(curious&& other) : pool(other.pool), seen(pool->submit(seven).get()) {}
    curious& operator=(curious&&) = delete;
    ~curious() = default;
    int operator()() { return seen; }
    fifo_pool* pool;
    int seen = 0;
  };
  fifo_pool pool({.workers = 2});
  EXPECT_EQ(pool.submit(curious(pool)).get(), 7);
}

class fifo_pool_of : public support::on_workers {
 protected:
  void TearDown() override {
    EXPECT_EQ(alive_, 0) << "closures are alive";
    on_workers::TearDown();
  }

  std::atomic<int> alive_ = 0;
};

TEST_ON_WORKERS(fifo_pool_of, EachTaskRunsExactlyOnce) {
  constexpr std::size_t each = 1000, submitters = 3, total = each * submitters;
  std::vector<std::atomic<int>> ledger(total);
  std::atomic<std::uint64_t> sum = 0;
  fifo_pool pool({.workers = workers(), .queue_capacity = 7});
  std::vector<std::thread> threads;
  for (std::size_t s = 0; s < submitters; ++s) {
    threads.emplace_back([&, s] {
      std::vector<fifo_task<std::size_t>> tasks;
      for (std::size_t i = 0; i < each; ++i) {
        tasks.push_back(pool.submit([&, id = s * each + i, counted = living(alive_)] {
          ++ledger[id];
          sum += id;
          return id;
        }));
      }
      for (std::size_t i = 0; i < each; ++i) EXPECT_EQ(tasks[i].get(), s * each + i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t id = 0; id < total; ++id) ASSERT_EQ(ledger[id], 1) << id;
  EXPECT_EQ(sum, total * (total - 1) / 2);
  const auto stats = pool.stats();
  EXPECT_EQ(stats.submitted, total);
  EXPECT_EQ(stats.ran, total);
  EXPECT_EQ(stats.workers, workers());
}

TEST_ON_WORKERS(fifo_pool_of, EveryTwentyNinthOfAThousandTasksFailsAndExactlyThose) {  // C2, C5
  fifo_pool pool({.workers = workers()});
  std::vector<fifo_task<int>> tasks;
  for (int id = 0; id < 1000; ++id) {
    tasks.push_back(pool.submit([id, counted = living(alive_)] {
      if (id % 29 == 0) throw std::runtime_error("id " + std::to_string(id));
      return id;
    }));
  }
  std::vector<std::string> errors, expected;
  for (int id = 0; id < 1000; ++id) {
    if (id % 29 == 0) expected.push_back("id " + std::to_string(id));
    try {
      EXPECT_EQ(tasks[static_cast<std::size_t>(id)].get(), id);
    } catch (const std::runtime_error& error) {
      errors.push_back(error.what());
    }
  }
  EXPECT_EQ(errors.size(), 35u);
  EXPECT_EQ(errors, expected);
  EXPECT_EQ(pool.stats().ran, 1000u);
}

TEST_ON_WORKERS(fifo_pool_of, TasksMayBeAddedAtAnyTimeUntilTheStop) {  // C4, A6
  fifo_pool pool({.workers = workers(), .queue_capacity = 10});
  for (int wave = 0; wave < 20; ++wave) {
    std::vector<fifo_task<int>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(pool.submit([i] { return 2 * i; }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(tasks[static_cast<std::size_t>(i)].get(), 2 * i);
  }
  const auto report = pool.stop();
  EXPECT_EQ(report.ran, 0u) << "nothing was left to drain";
  EXPECT_EQ(report.skipped, 0u);
}

TEST_ON_WORKERS(fifo_pool_of, CancelStartsNothingMoreAndEachTaskHasOneOutcome) {  // A5
  fifo_pool pool({.workers = workers()});
  std::atomic<unsigned> ran = 0;
  std::vector<fifo_task<void>> tasks;
  for (int i = 0; i < 300; ++i) tasks.push_back(pool.submit([&ran, counted = living(alive_)] { ++ran; }));
  const auto report = pool.stop(stop_mode::cancel);
  const unsigned ran_at_return = ran;
  unsigned skipped = 0;
  for (auto& task : tasks) {
    try {
      task.get();
    } catch (const scheduler_stopped&) {
      ++skipped;
    }
  }
  EXPECT_EQ(ran, ran_at_return);
  EXPECT_EQ(ran + skipped, 300u);
  EXPECT_EQ(report.skipped, skipped);
  EXPECT_LE(report.still_running.size(), workers());
  EXPECT_LE(report.ran, workers()) << "only what was running may end";
}

TEST_ON_WORKERS(fifo_pool_of, TheDestructorDrains) {
  std::vector<int> ran(100, 0);
  {
    fifo_pool pool({.workers = workers()});
    for (int& each : ran) pool.submit([&each, counted = living(alive_)] { each = 1; });
  }
  EXPECT_EQ(std::accumulate(ran.begin(), ran.end(), 0), 100);
}

}  // namespace
