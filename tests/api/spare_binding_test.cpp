// Where threads run that a worker makes, whose mask they get: spare workers on the core that they were given,
// from their first task on; others wherever the process may, unless they have places of their own.
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <filesystem>
#include <fstream>
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

class inherited_masks : public support::without_leaks {
 protected:
  // How many of these threads may run wherever the process may. Each task waits for all the others.
  unsigned unbound_workers_of(coppice::scheduler& s) const {
    const unsigned n = s.workers();
    std::barrier all_here(static_cast<std::ptrdiff_t>(n));
    std::atomic<unsigned> unbound{0};
    std::vector<coppice::job<void>> jobs;
    for (unsigned i = 0; i < n; ++i)
      jobs.push_back(s.submit([&] {
        all_here.arrive_and_wait();
        if (is_everywhere(cpus_of_this_thread())) ++unbound;
      }));
    for (auto& job : jobs) job.get();
    return unbound;
  }

  // Waits for the thread, which names itself when it begins.
  bool is_unbound(const std::string& thread) const {
    for (;; std::this_thread::yield())
      for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::getline(std::ifstream(each.path() / "comm"), name);
        if (name != thread) continue;
        cpu_set_t set;
        CPU_ZERO(&set);
        EXPECT_EQ(sched_getaffinity(std::stoi(each.path().filename().string()), sizeof(set), &set), 0);
        return is_everywhere(set);
      }
  }

 private:
  bool is_everywhere(const cpu_set_t& set) const { return CPU_EQUAL(&set, &everywhere_); }

  const cpu_set_t everywhere_ = cpus_of_this_thread();
};

TEST_F(inherited_masks, WorkersOfAnUnpinnedSchedulerMadeInATaskRunAnywhere) {
  coppice::scheduler outer({.workers = 1});
  outer.run([&] {
    coppice::scheduler inner({.workers = 8, .pin = coppice::pinning::none});
    EXPECT_EQ(unbound_workers_of(inner), 8U) << inner.describe();
  });
}

TEST_F(inherited_masks, MoreWorkersThanCoresRunAnywhereAlsoWhereATaskHasAskedForThem) {
  const unsigned more = coppice::scheduler().workers() + 1;
  coppice::scheduler s({.workers = 1});
  s.run([&] {
    s.resize(more);
    coppice::blocking([] {});  // the worker looks around anew
  });
  EXPECT_EQ(unbound_workers_of(s), more) << "the first one, which was bound, as well\n" << s.describe();
}

TEST_F(inherited_masks, SpareWorkersOfAnUnpinnedSchedulerRunAnywhere) {
  coppice::scheduler outer({.workers = 1});
  coppice::scheduler s({.workers = 1, .pin = coppice::pinning::none});
  std::latch release(1);
  auto standing = s.submit([&] { coppice::blocking([&] { release.wait(); }); });
  while (s.stats().standing != 1) std::this_thread::yield();
  outer.run([&] { s.submit([] {}); });
  EXPECT_EQ(s.stats().spares, 1U) << "made by a worker that is bound";
  EXPECT_TRUE(is_unbound("coppice-s00"));
  release.count_down();
  standing.get();
}

TEST_F(inherited_masks, TheTimerAndTheWatchdogThatAWorkerHasStartedRunAnywhere) {
  using namespace std::chrono_literals;
  coppice::scheduler outer({.workers = 1});
  outer.run([&] {
    coppice::scheduler inner({.workers = 1, .name = "inner", .stall_after = 1h});
    inner.submit([] {}, {.deadline = std::chrono::steady_clock::now() + 1h}).get();
    EXPECT_TRUE(is_unbound("inner-timer"));
    EXPECT_TRUE(is_unbound("inner-watch"));
  });
}

// As from outside, by taskset.
TEST_F(inherited_masks, TheTimerStaysWhereTheProcessWasToldToRun) {
  using namespace std::chrono_literals;
  const cpu_set_t before = cpus_of_this_thread();
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "needs two CPUs";
  coppice::scheduler s({.workers = 1, .pin = coppice::pinning::none, .name = "narrow"});
  cpu_set_t one;
  CPU_ZERO(&one);
  for (std::size_t i = 0; CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  s.submit([] {}, {.deadline = std::chrono::steady_clock::now() + 1h}).get();
  EXPECT_FALSE(is_unbound("narrow-timer"));
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

}  // namespace
