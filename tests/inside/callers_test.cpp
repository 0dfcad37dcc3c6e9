// A worker that searches does not keep the core from a caller whose job has ended.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <thread>
#include <vector>

#include "support/scale.hpp"
#include "worker/callers.hpp"

namespace {

std::atomic<int> yields_of_workers{0};

}  // namespace

// In place of the C library's.
extern "C" int sched_yield() noexcept {
  if (coppice::this_task::worker() >= 0) ++yields_of_workers;
  return static_cast<int>(syscall(SYS_sched_yield));
}

namespace {

using coppice::detail::returning_callers;

TEST(returning_callers, OneThatComesBackIsSeenOnItsCpuOnce) {
  returning_callers callers;
  std::uint64_t seen = 0;
  EXPECT_FALSE(callers.came_back_to(3, seen));
  callers.come_back_to(3);
  EXPECT_TRUE(callers.came_back_to(3, seen));
  EXPECT_FALSE(callers.came_back_to(3, seen));
  callers.come_back_to(3);
  EXPECT_TRUE(callers.came_back_to(3, seen));
}

TEST(returning_callers, OneThatComesBackToAnotherCpuIsNotSeen) {
  returning_callers callers;
  std::uint64_t seen = 0;
  callers.come_back_to(0);
  EXPECT_FALSE(callers.came_back_to(3, seen));
  callers.come_back_to(-1);
  EXPECT_FALSE(callers.came_back_to(3, seen));
}

TEST(returning_callers, EachSearcherSeesForItself) {
  returning_callers callers;
  std::uint64_t one = 0;
  std::uint64_t other = 0;
  callers.come_back_to(0);
  EXPECT_TRUE(callers.came_back_to(0, one));
  EXPECT_TRUE(callers.came_back_to(0, other));
}

TEST(returning_callers, WhereTheSystemTellsNobodysCpuEverySearcherSeesThem) {
  returning_callers callers;
  std::uint64_t seen = 0;
  callers.come_back_to(-1);
  EXPECT_TRUE(callers.came_back_to(-1, seen));
}

void bind_this_thread_to(int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<unsigned>(cpu), &only);
  ASSERT_EQ(sched_setaffinity(0, sizeof only, &only), 0);
}

std::vector<int> cpus_of_this_process() {
  cpu_set_t mask;
  sched_getaffinity(0, sizeof mask, &mask);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<unsigned>(cpu), &mask)) cpus.push_back(cpu);
  return cpus;
}

int cpu_of_the_only_worker() {
  coppice::scheduler scheduler({.workers = 1});
  return scheduler.run([] { return sched_getcpu(); });
}

/// How often the only worker has yielded while a thread on that CPU had it run jobs, one after the other.
int yields_for_a_caller_on(int cpu) {
  coppice::scheduler scheduler({.workers = 1});
  yields_of_workers = 0;
  std::thread([&] {
    bind_this_thread_to(cpu);
    for (int i = 0; i < support::scaled(1000); ++i) scheduler.run([] {});
  }).join();
  return yields_of_workers;
}

TEST(callers, WhoComesBackToTheCoreOfASearcherIsLetInByAYield) {
  EXPECT_GT(yields_for_a_caller_on(cpu_of_the_only_worker()), 0);
}

// On a core that other programs want a yield costs a time slice.
TEST(callers, WhoComesBackToAnotherCoreIsWorthNoYield) {
  const int own = cpu_of_the_only_worker();
  for (const int cpu : cpus_of_this_process()) {
    if (cpu == own) continue;
    EXPECT_EQ(yields_for_a_caller_on(cpu), 0) << "on CPU " << cpu;
  }
}

}  // namespace
