// Where spare workers run: on the core that they were given, from their first task on.
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "support/workers.hpp"

namespace {

class spare_binding : public support::without_leaks {};

cpu_set_t cpus_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  return set;
}

// One after the other stands still on the second core; the first core's worker is busy all the time.
TEST_F(spare_binding, EachTaskOfALentCoreRunsOnItsCpus) {
  for (int repetition = 0; repetition < 20; ++repetition) {
    coppice::scheduler s({.workers = 2, .pin = coppice::pinning::pu});
    std::atomic<bool> over{false}, begun{false};
    cpu_set_t busy{};
    auto first = s.submit([&] {
      busy = cpus_of_this_thread();
      begun = true;
      while (!over) std::this_thread::yield();
    });
    while (!begun) std::this_thread::yield();
    constexpr unsigned tasks = 5;
    cpu_set_t seen[tasks];
    std::thread::id threads[tasks];
    std::latch release(1);
    std::vector<coppice::job<void>> jobs;
    for (unsigned i = 0; i < tasks; ++i) {
      jobs.push_back(s.submit([&, i] {
        seen[i] = cpus_of_this_thread();
        threads[i] = std::this_thread::get_id();
        coppice::blocking([&] { release.wait(); });
      }));
      while (s.stats().standing != i + 1) std::this_thread::yield();
    }
    release.count_down();
    for (auto& job : jobs) job.get();
    over = true;
    first.get();
    EXPECT_EQ(s.stats().spares, tasks - 1);
    for (unsigned i = 1; i < tasks; ++i) {
      EXPECT_TRUE(CPU_EQUAL(&seen[i], &seen[0])) << i;
      EXPECT_NE(threads[i], threads[0]);
    }
    const bool pinned = s.describe().find("not pinned") == std::string::npos;
    EXPECT_EQ(!CPU_EQUAL(&busy, &seen[0]), pinned && std::thread::hardware_concurrency() > 1) << s.describe();
  }
}

}  // namespace
