// A steal reaches any task, whatever its owner is doing: the owner sits in a leaf that ends only when others
// have run what it keeps. If a thief had to wait for the owner, these tests would not end.
#include <gtest/gtest.h>
#include <coppice/coppice.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "support/check.hpp"
#include "support/workers.hpp"

namespace {

class stealing : public support::on_workers {
 public:
  static std::vector<unsigned> numbers_of_workers() { return {2, 3, 8, 64}; }
};

void wait_until_equal(const std::atomic<unsigned>& count, unsigned wanted) {
  while (count.load() != wanted) std::this_thread::yield();
}

TEST_ON_WORKERS(stealing, ReachesSpawnedTasksBehindALongLeaf) {
  const unsigned tasks = 2 * workers();
  for (int repetition = 0; repetition < 20; ++repetition) {
    std::atomic<unsigned> ran{0};
    scheduler().run([&] {
      coppice::task_group group;
      const int owner = coppice::this_task::worker();
      for (unsigned i = 0; i < tasks; ++i)
        group.spawn([&, owner] {
          EXPECT_NE(coppice::this_task::worker(), owner);
          ran.fetch_add(1);
        });
      wait_until_equal(ran, tasks);
      group.wait();
    });
    ASSERT_EQ(ran.load(), tasks);
  }
}

TEST_ON_WORKERS(stealing, ReachesEveryBranchBehindALongLeaf) {
  for (int repetition = 0; repetition < 20; ++repetition) {
    std::atomic<unsigned> ran{0};
    scheduler().run([&] {
      const auto branch = [&] { ran.fetch_add(1); };
      coppice::join([&] { wait_until_equal(ran, 4); }, branch, branch, branch, branch);
    });
    ASSERT_EQ(ran.load(), 4U);
  }
}

// Frames pushed before and after the owner has entered nested leaves: exposure has to reach the deep ones
// too.
TEST_ON_WORKERS(stealing, ReachesFramesOfEveryDepthBehindALongLeaf) {
  constexpr unsigned depth = 40;
  for (int repetition = 0; repetition < 20; ++repetition) {
    std::atomic<unsigned> ran{0};
    struct nest {
      std::atomic<unsigned>& ran;
      void operator()(unsigned levels) const {
        if (levels == 0) return wait_until_equal(ran, depth);
        coppice::join([this, levels] { (*this)(levels - 1); }, [this] { ran.fetch_add(1); });
      }
    };
    scheduler().run([&] { nest{ran}(depth); });
    ASSERT_EQ(ran.load(), depth);
  }
}

// A task that was submitted while every other worker slept is found, again and again: no wake-up is lost.
TEST_ON_WORKERS(stealing, WakesASleeperForEverySubmission) {
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(scheduler().run([i] { return i; }), i);
}

// The same for a fork whose branches need two workers at once.
TEST_ON_WORKERS(stealing, WakesASleeperForEveryForkThatNeedsOne) {
  for (int i = 0; i < 500; ++i) {
    std::atomic<unsigned> met{0};
    const auto meet = [&met] {
      met.fetch_add(1);
      wait_until_equal(met, 2);
    };
    scheduler().run([&] { coppice::join(meet, meet); });
    ASSERT_EQ(met.load(), 2U);
  }
}

// One round: a group's first child is taken by a thief, which stays in it, and two more come. What the owner
// shares once it waits; nothing if the thief had not asked for the first, or had asked once more.
std::optional<std::uint64_t> shared_at_the_wait(coppice::scheduler& scheduler) {
  return scheduler.run([&]() -> std::optional<std::uint64_t> {
    std::atomic<unsigned> begun{0}, may_end{0};
    const auto given = [&] { return scheduler.stats().shares; };
    const coppice::scheduler_stats before = scheduler.stats();
    coppice::task_group group;
    group.spawn([&] {
      begun = 1;
      wait_until_equal(may_end, 1);
    });
    wait_until_equal(begun, 1);
    const std::uint64_t first = given();
    const bool was_asked = first == before.shares + 1;
    std::uint64_t at_the_wait = 0;
    group.spawn([] {});
    group.spawn([&] {  // the youngest: the owner runs it itself
      at_the_wait = given() - first;
      may_end = 1;
    });
    const bool was_left_alone = given() == first;
    group.wait();
    if (!was_asked || !was_left_alone) return {};
    return at_the_wait;
  });
}

// The thief of an only child comes again; what has come meanwhile does not stay behind the next leaf.
TEST(sharing, WhoHasGivenItsOnlyChildSharesWhatComesAfterItWhenItWaits) {
  coppice::scheduler scheduler({.workers = 2});
  std::optional<std::uint64_t> shared;
  while (!shared) shared = shared_at_the_wait(scheduler);
  EXPECT_EQ(*shared, 1U);
}

}  // namespace
