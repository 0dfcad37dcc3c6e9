// A mask that changes under a running scheduler, as an operator's taskset or a cgroup's cpuset does it.
#include <gtest/gtest.h>
#include <sched.h>

#include <coppice/coppice.hpp>

#include "storm.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

class mask : public support::without_leaks {
 protected:
  mask() { sched_getaffinity(0, sizeof whole_, &whole_); }
  ~mask() override { set_all(whole_); }

  // Threads may end meanwhile: then there is nothing to do for them.
  static void set_all(const cpu_set_t& to) {
    for (const pid_t thread : faults::other_threads()) sched_setaffinity(thread, sizeof to, &to);
    sched_setaffinity(0, sizeof to, &to);
  }
  cpu_set_t one_of(unsigned turn) const {
    cpu_set_t one;
    CPU_ZERO(&one);
    unsigned left = turn % static_cast<unsigned>(CPU_COUNT(&whole_));
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &whole_) && left-- == 0) {
        CPU_SET(cpu, &one);
        break;
      }
    return one;
  }

  cpu_set_t whole_{};
};

TEST_F(mask, ShrinksToOneCpuAndGrowsBackWhileWorkGoesOn) {
  unsigned turn = 0;
  const faults::nuisance change([&] {
    set_all(one_of(turn));
    set_all(turn % 2 == 0 ? whole_ : one_of(turn + 1));
    ++turn;
  });
  faults::work_of_each_kind(support::scaled(300));
  change.wait_for(3);
}

TEST_F(mask, ASchedulerOfAWideMaskEndsItsWorkOnOneCpu) {
  coppice::scheduler s({.workers = 4});
  set_all(one_of(0));
  for (int i = 0; i < 50; ++i) {
    const auto [a, b] = s.run([] { return coppice::join([] { return 1; }, [] { return 2; }); });
    EXPECT_EQ(a + b, 3);
  }
  faults::work_of_each_kind(2);
  set_all(whole_);
  EXPECT_EQ(s.run([] { return 1; }), 1);
}

}  // namespace
