// Waits that cannot end although each pool and each job on its own could go on: circles through FIFO pools
// and jobs (C-30, C-32). One of those who wait is told, at once, and then the others go on.
#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "support/check.hpp"
#include "support/scale.hpp"
#include "support/told.hpp"
#include "support/workers.hpp"

namespace {

using coppice::fifo_pool;
using coppice::fifo_task;
using support::told;

class across_pools : public support::on_workers {};

TEST(across_fifo_pools, C30C32TasksOfTwoPoolsThatWaitForEachOtherAreTold) {
  for (int round = 0; round < support::scaled(200); ++round) {
    told deadlock;
    fifo_pool a({.workers = 2, .name = "a"}), b({.workers = 2, .name = "b"});
    std::latch both(2), known(1);
    fifo_task<void> in_a, in_b;
    in_a = a.submit([&] {
      both.arrive_and_wait();
      known.wait();
      deadlock.by([&] { in_b.wait(); });
    });
    in_b = b.submit([&] {
      both.arrive_and_wait();
      known.wait();
      deadlock.by([&] { in_a.wait(); });
    });
    known.count_down();
    a.stop();
    b.stop();
    deadlock.once({"could never end", "fifo_pool 'a'", "fifo_pool 'b'", "task 0", "worker "});
  }
}

// Nobody who waits is awaited: what they wait for is queued behind them.
TEST(across_fifo_pools, C30C32PoolsWhoseOnlyWorkersWaitForWhatIsQueuedInTheOtherAreTold) {
  for (int round = 0; round < support::scaled(200); ++round) {
    for (const std::size_t n : {2U, 3U, 5U}) {
      told deadlock;
      std::vector<std::unique_ptr<fifo_pool>> pools;
      std::vector<fifo_task<void>> queued(n);
      std::latch all(static_cast<std::ptrdiff_t>(n)), known(1);
      for (std::size_t i = 0; i < n; ++i)
        pools.push_back(std::make_unique<fifo_pool>(
            coppice::fifo_options{.workers = 1, .name = "pool " + std::to_string(i)}));
      for (std::size_t i = 0; i < n; ++i)
        pools[i]->submit([&, i] {
          all.arrive_and_wait();
          known.wait();
          deadlock.by([&] { queued[(i + 1) % n].wait(); });
        });
      for (std::size_t i = 0; i < n; ++i) queued[i] = pools[i]->submit([] {});
      known.count_down();
      for (auto& each : pools) each->stop();
      std::vector<std::string> names;
      for (std::size_t i = 0; i < n; ++i) names.push_back("'pool " + std::to_string(i) + "'");
      deadlock.once(names);
    }
  }
}

// The last wait that closes the circle is one inside of a pool.
TEST(across_fifo_pools, C30C32AWaitInTheOwnPoolThatClosesACircleThroughAnotherIsTold) {
  for (int round = 0; round < support::scaled(200); ++round) {
    told deadlock;
    fifo_pool a({.workers = 2, .name = "a"}), b({.workers = 1, .name = "b"});
    std::latch running(3), known(1);
    fifo_task<void> last_of_a, last_of_b;
    b.submit([&] {
      running.arrive_and_wait();
      known.wait();
      deadlock.by([&] { last_of_a.wait(); });
    });
    a.submit([&] {
      running.arrive_and_wait();
      known.wait();
      deadlock.by([&] { last_of_b.wait(); });
    });
    a.submit([&] {
      running.arrive_and_wait();
      known.wait();
      deadlock.by([&] { last_of_a.wait(); });
    });
    running.wait();
    last_of_a = a.submit([] {});
    last_of_b = b.submit([] {});
    known.count_down();
    a.stop();
    b.stop();
    deadlock.once({"could never end"});
  }
}

TEST(across_fifo_pools, C30C32PoolsThatWaitForRoomInEachOthersQueuesAreTold) {
  for (int round = 0; round < support::scaled(200); ++round) {
    told deadlock;
    fifo_pool a({.workers = 1, .queue_capacity = 1, .name = "a"});
    fifo_pool b({.workers = 1, .queue_capacity = 1, .name = "b"});
    std::latch running(2), full(1);
    const auto fill = [&](fifo_pool& other) {
      return [&] {
        running.arrive_and_wait();
        full.wait();
        deadlock.by([&] { other.submit([] {}); });
      };
    };
    auto in_a = a.submit(fill(b));
    auto in_b = b.submit(fill(a));
    running.wait();
    a.submit([] {});
    b.submit([] {});
    full.count_down();
    in_a.wait();  // a stop would free both
    in_b.wait();
    deadlock.once({"room in the queue of fifo_pool"});
  }
}

TEST_ON_WORKERS(across_pools, C30C32AJobThatWaitsForAFifoTaskThatWaitsForTheJobIsTold) {
  for (int round = 0; round < support::scaled(200); ++round) {
    told deadlock;
    fifo_pool pool({.workers = 2, .name = "pool"});
    std::latch known(1);
    fifo_task<void> task;
    coppice::job<void> job;
    job = scheduler().submit(
        [&] {
          support::fork_until([&] { return known.try_wait(); });
          deadlock.by([&] { task.wait(); });
        },
        {.name = "tree"});
    task = pool.submit([&] {
      known.wait();
      deadlock.by([&] { job.wait(); });
    });
    known.count_down();
    pool.stop();
    support::check(job.wait());
    deadlock.once({"job \"tree\"", "fifo_pool 'pool'", "task 0"});
  }
}

TEST_ON_WORKERS(across_pools, C30C32ACircleOfTwoJobsAndAPoolIsTold) {
  for (int round = 0; round < support::scaled(100); ++round) {
    told deadlock;
    coppice::scheduler other({.workers = 2});
    fifo_pool pool({.workers = 1, .name = "pool"});
    std::latch known(1);
    fifo_task<void> task;
    coppice::job<void> one, two;
    one = scheduler().submit(
        [&] {
          support::fork_until([&] { return known.try_wait(); });
          deadlock.by([&] { two.wait(); });
        },
        {.name = "one"});
    two = other.submit(
        [&] {
          support::fork_until([&] { return known.try_wait(); });
          deadlock.by([&] { task.wait(); });
        },
        {.name = "two"});
    task = pool.submit([&] {
      known.wait();
      deadlock.by([&] { one.wait(); });
    });
    known.count_down();
    pool.stop();
    support::check(one.wait());
    support::check(two.wait());
    deadlock.once({"job \"one\"", "job \"two\"", "fifo_pool 'pool'"});
  }
}

// Many tasks wait for tasks of other pools and jobs, and none of them in a circle.
TEST_ON_WORKERS(across_pools, C30C32LinesOfWaitsThroughPoolsAndJobsAreNoCircles) {
  coppice::scheduler& trees = scheduler();
  fifo_pool first({.workers = 4, .name = "first"});
  fifo_pool second({.workers = 2, .name = "second"});
  fifo_pool third({.workers = 1, .queue_capacity = 2, .name = "third"});
  std::vector<fifo_task<int>> all;
  for (int i = 0; i < support::scaled(500); ++i)
    all.push_back(first.submit([&, i] {
      return second
          .submit([&, i] {
            const int sum = trees.run([&, i] { return third.submit([i] { return i; }).get() + 1; });
            return sum + 1;
          })
          .get();
    }));
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i].get(), static_cast<int>(i) + 2);
}

// A pool that was told not to look throws nothing, but is a part of other circles.
TEST(across_fifo_pools, C30C32APoolThatOnlyBlocksIsAPartOfTheCircle) {
  told deadlock;
  fifo_pool a({.workers = 1, .name = "a"});
  fifo_pool b({.workers = 1, .on_recursion = coppice::recursion::block, .name = "b"});
  std::latch known(1);
  fifo_task<void> in_a, in_b;
  in_a = a.submit([&] {
    known.wait();
    while (b.stats().standing == 0) std::this_thread::yield();  // the circle is closed here
    deadlock.by([&] { in_b.wait(); });
  });
  fifo_task<void> behind;
  in_b = b.submit([&] {
    known.wait();
    behind = b.submit([] {});
    behind.wait();  // behind itself: for ever, until the pool is resized
  });
  known.count_down();
  in_a.wait();
  deadlock.once({"fifo_pool 'a'", "fifo_pool 'b'"});
  b.resize(2);
  b.stop();
}

}  // namespace
