// Waits that cannot end are errors, at once, with the chain (C-30).
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "support/check.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

class waiting_in_circles : public support::on_workers {};

// A ring of jobs, each of which waits for the next one: by one scheduler for all, or one for each. The
// messages of those that were refused.
std::vector<std::string> ring(const std::vector<coppice::scheduler*>& homes, std::size_t length) {
  std::vector<coppice::job<void>> jobs(length);
  std::latch submitted(1);
  std::vector<std::string> refused(length);
  for (std::size_t i = 0; i < length; ++i)
    jobs[i] = homes[i % homes.size()]->submit(
        [&, i] {
          support::fork_until([&] { return submitted.try_wait(); });
          try {
            jobs[(i + 1) % length].get();
          } catch (const coppice::would_deadlock& e) {
            refused[i] = e.what();
          }
        },
        {.name = "job " + std::to_string(i)});
  submitted.count_down();
  // The handles belong to the ring's jobs: done() may be asked meanwhile.
  for (auto& j : jobs)
    while (!j.done()) std::this_thread::yield();
  for (auto& j : jobs) support::check(j.wait());
  std::erase(refused, "");
  return refused;
}

// With one worker a ring's second job runs inside of the first one's wait.
TEST_ON_WORKERS(waiting_in_circles, C30OfTwoJobsThatGetEachOtherOneIsRefused) {
  for (int round = 0; round < support::scaled(100); ++round) {
    const auto refused = ring({&scheduler()}, 2);
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_NE(refused[0].find("job \"job 0\""), std::string::npos) << refused[0];
    EXPECT_NE(refused[0].find("job \"job 1\""), std::string::npos) << refused[0];
    EXPECT_NE(refused[0].find("could never end"), std::string::npos) << refused[0];
  }
}

TEST_ON_WORKERS(waiting_in_circles, C30OfThreeJobsInACircleOneIsRefusedWithTheWholeChain) {
  for (int round = 0; round < support::scaled(100); ++round) {
    const auto refused = ring({&scheduler()}, 3);
    ASSERT_EQ(refused.size(), 1U);
    for (const char* name : {"job 0", "job 1", "job 2"})
      EXPECT_NE(refused[0].find(name), std::string::npos) << refused[0];
  }
}

TEST_ON_WORKERS(waiting_in_circles, C30C36ACircleThroughTwoSchedulersIsFoundToo) {
  coppice::scheduler other({.workers = 2});
  for (int round = 0; round < support::scaled(50); ++round)
    for (const std::size_t length : {2U, 3U, 4U}) ASSERT_EQ(ring({&scheduler(), &other}, length).size(), 1U);
}

TEST_ON_WORKERS(waiting_in_circles, C29C36AWorkerThatWaitsElsewhereRunsWhatIsWaitedForThroughOthers) {
  // Its only worker waits for a job of the other scheduler, which waits for one that was submitted to the
  // first from outside and is queued there.
  coppice::scheduler one({.workers = 1});
  for (int round = 0; round < support::scaled(200); ++round) {
    std::latch submitted(1);
    std::vector<coppice::job<int>> jobs(4);
    const auto waits_for = [&](std::size_t next) {
      return [&jobs, &submitted, next] {
        support::fork_until([&] { return submitted.try_wait(); });
        return jobs[next].get() + 1;
      };
    };
    jobs[0] = one.submit(waits_for(1));
    jobs[1] = scheduler().submit(waits_for(2));
    jobs[2] = scheduler().submit(waits_for(3));
    jobs[3] = one.submit([] { return 1; });
    submitted.count_down();
    ASSERT_EQ(jobs[0].get(), 4);
  }
}

TEST_ON_WORKERS(waiting_in_circles, C30WaitsThatMeetWithoutACircleAreNot) {
  // A diamond: 0 waits for 1 and 2, which both wait for 3.
  for (int round = 0; round < support::scaled(100); ++round) {
    auto& s = scheduler();
    const int sum = s.run([&s] {
      coppice::job<int> last = s.submit([] { return 1; }, {.shield = true});
      std::atomic<int> seen{0};
      auto wait_for_last = [&] {
        last.wait();
        ++seen;
      };
      auto left = s.submit(wait_for_last);
      auto right = s.submit(wait_for_last);
      coppice::join([&] { left.get(); }, [&] { right.get(); });
      return last.get() + seen;
    });
    ASSERT_EQ(sum, 3);
  }
}

TEST_ON_WORKERS(waiting_in_circles, C30ALongLineOfJobsThatWaitIsNoCircle) {
  struct nest {
    static int down(coppice::scheduler& s, int depth) {
      return depth == 0 ? 0 : 1 + s.run([&s, depth] { return down(s, depth - 1); });
    }
  };
  EXPECT_EQ(scheduler().run([&] { return nest::down(scheduler(), support::scaled(500)); }),
            support::scaled(500));
}

}  // namespace
