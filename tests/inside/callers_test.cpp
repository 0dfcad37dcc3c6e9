// A worker that searches does not keep the core from a caller whose job has ended; and a caller polls before
// it sleeps where that takes the core from no worker.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <thread>
#include <vector>

#include "job/job_state.hpp"
#include "job/waiting_caller.hpp"
#include "support/scale.hpp"
#include "worker/callers.hpp"
#include "worker/crew.hpp"

namespace {

std::atomic<int> yields_of_workers{0};
thread_local int yields_of_this_thread = 0;
thread_local bool yields_are_long = false;

}  // namespace

// In place of the C library's.
extern "C" int sched_yield() noexcept {
  if (coppice::this_task::worker() >= 0) ++yields_of_workers;
  ++yields_of_this_thread;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
  while (yields_are_long && std::chrono::steady_clock::now() < until) {
  }
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

TEST(idle_counts, IdlersAreThoseWhoSearchAndThoseWhoSleep) {
  coppice::detail::idle_counts idle;
  EXPECT_EQ(idle.idlers(), 0U);
  idle.begin_search();
  idle.begin_search();
  idle.announce_sleep();
  EXPECT_EQ(idle.idlers(), 2U);
  idle.vacate();
  EXPECT_EQ(idle.idlers(), 2U);
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

// On a CPU of its own: a core may have several, and its worker be on each of them.
coppice::scheduler_options only_worker() { return {.workers = 1, .pin = coppice::pinning::pu}; }

int cpu_of_the_only_worker() {
  coppice::scheduler scheduler(only_worker());
  return scheduler.run([] { return sched_getcpu(); });
}

/// How often the only worker has yielded while a thread on that CPU had it run jobs, one after the other.
int yields_for_a_caller_on(int cpu) {
  coppice::scheduler scheduler(only_worker());
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

/// A scheduler with one worker, and where that is.
struct one_worker {
  coppice::scheduler scheduler{only_worker()};
  int cpu = -1;
  coppice::detail::crew* crew = nullptr;

  one_worker() {
    scheduler.run([this] {
      cpu = sched_getcpu();
      crew = &coppice::detail::worker_thread::of(*coppice::detail::this_worker).all;
    });
  }
};

/// Its worker is in a job until end().
class busy_worker {
 public:
  explicit busy_worker(one_worker& all)
      : job_(all.scheduler.submit([this] {
          core_ = coppice::detail::current_job();
          begun_ = true;
          while (!may_end_) std::this_thread::yield();
        })) {
    while (!begun_) std::this_thread::yield();
  }
  void end() {
    may_end_ = true;
    job_.get();
  }
  const coppice::detail::job_core& core() const { return *core_; }

 private:
  const coppice::detail::job_core* core_ = nullptr;
  std::atomic<bool> begun_{false}, may_end_{false};
  coppice::job<void> job_;
};

/// Counted as a searcher while it lives: they are counted, not named.
class one_searcher {
 public:
  explicit one_searcher(coppice::detail::crew& crew) : idle_(crew.idle) { idle_.begin_search(); }
  ~one_searcher() { idle_.end_search(); }
  one_searcher(const one_searcher&) = delete;
  one_searcher& operator=(const one_searcher&) = delete;

 private:
  coppice::detail::idle_counts& idle_;
};

TEST(callers, WhoStandsOnTheCoreOfAWorkerThatIsAwakeDoesNotLeaveItAlone) {
  one_worker all;
  std::thread([&] {
    bind_this_thread_to(all.cpu);
    busy_worker busy(all);
    EXPECT_FALSE(all.crew->leaves_this_cpu_alone());
    busy.end();
    while (!all.crew->leaves_this_cpu_alone()) std::this_thread::yield();  // until it sleeps
  }).join();
}

TEST(callers, WhoStandsOnTheCoreOfAWorkerThatHasNotSleptYetDoesNotLeaveItAlone) {
  std::thread([] {
    bind_this_thread_to(cpus_of_this_process().front());
    for (int i = 0; i < support::scaled(100); ++i) {
      one_worker all;  // where its maker is bound
      busy_worker busy(all);
      EXPECT_FALSE(all.crew->leaves_this_cpu_alone());
      busy.end();
    }
  }).join();
}

TEST(callers, WhoStandsElsewhereLeavesTheOnlyWorkerAlone) {
  one_worker all;
  std::thread([&] {
    for (const int cpu : cpus_of_this_process()) {
      if (cpu == all.cpu) continue;
      bind_this_thread_to(cpu);
      busy_worker busy(all);
      EXPECT_TRUE(all.crew->leaves_this_cpu_alone()) << "on CPU " << cpu;
      busy.end();
    }
  }).join();
}

TEST(callers, WhereMoreWorkersThanCoresShareThemNobodyLeavesThemAlone) {
  coppice::scheduler scheduler({.workers = 4 * static_cast<unsigned>(cpus_of_this_process().size())});
  coppice::detail::crew* crew = nullptr;
  scheduler.run([&] { crew = &coppice::detail::worker_thread::of(*coppice::detail::this_worker).all; });
  EXPECT_FALSE(crew->leaves_this_cpu_alone());
  const one_searcher one(*crew), other(*crew);
  EXPECT_FALSE(crew->searched_elsewhere());
}

// The test adds searchers to a crew whose worker does not search.
TEST(callers, AJobIsTakenElsewhereIfMoreSearchThanBelongHere) {
  one_worker all;
  std::thread([&] {
    bind_this_thread_to(all.cpu);
    busy_worker busy(all);
    EXPECT_FALSE(all.crew->searched_elsewhere());
    const one_searcher one(*all.crew);
    EXPECT_FALSE(all.crew->searched_elsewhere()) << "as far as is known that is the worker of this core";
    {
      const one_searcher other(*all.crew);
      EXPECT_TRUE(all.crew->searched_elsewhere());
    }
    for (const int cpu : cpus_of_this_process()) {
      if (cpu == all.cpu) continue;
      bind_this_thread_to(cpu);
      EXPECT_TRUE(all.crew->searched_elsewhere()) << "nobody belongs to CPU " << cpu;
    }
    busy.end();
  }).join();
}

long sleeps_of_this_thread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

// Without, it sleeps in nearly every wait. Other programs may use up its patience in some rounds, not in all.
TEST(callers, WhoLeavesTheWorkersAlonePollsBeforeItSleeps) {
  one_worker all;
  constexpr int waits = 100;
  std::thread([&] {
    for (const int cpu : cpus_of_this_process()) {
      if (cpu == all.cpu) continue;
      bind_this_thread_to(cpu);
      const auto fewest_sleeps = [&](auto wait_for) {
        long fewest = waits;
        for (int round = 0; round < 1000 && fewest > waits / 2; ++round) {
          const long before = sleeps_of_this_thread();
          for (int i = 0; i < waits; ++i) wait_for(all.scheduler.submit([] {}));
          fewest = std::min(fewest, sleeps_of_this_thread() - before);
        }
        return fewest;
      };
      EXPECT_LE(fewest_sleeps([](auto job) { job.wait(); }), waits / 2) << "on CPU " << cpu;
      const auto some_time = std::chrono::steady_clock::now() + std::chrono::hours(1);
      EXPECT_LE(fewest_sleeps([&](auto job) { EXPECT_TRUE(job.wait_until(some_time)); }), waits / 2)
          << "on CPU " << cpu << ", until a time";
    }
  }).join();
}

/// Whether a caller that has submitted now would poll in its wait, as the job has it.
bool submitter_would_poll(coppice::scheduler& scheduler, busy_worker& until_submitted) {
  const coppice::detail::job_core* core = nullptr;
  auto job = scheduler.submit([&] { core = coppice::detail::current_task()->job; });
  until_submitted.end();
  job.wait();
  return coppice::detail::job_state::of(*core).submitter_polls;
}

TEST(callers, WhoseJobIsTakenElsewherePollsAlthoughTheWorkerOfItsCoreIsAwake) {
  one_worker all;
  std::thread([&] {
    bind_this_thread_to(all.cpu);
    busy_worker once(all);
    EXPECT_FALSE(submitter_would_poll(all.scheduler, once));
    busy_worker again(all);
    const one_searcher one(*all.crew), other(*all.crew);
    EXPECT_TRUE(submitter_would_poll(all.scheduler, again));
  }).join();
}

/// Of one of several callers that wait one after the other: how many waits until one gives its core away,
/// and whether the job was over then. Other tests may have left some that sleep at once.
struct wait_that_gave_way {
  int waits = 0;
  bool over = false;
};
wait_that_gave_way wait_until_one_gives_way(const coppice::detail::job_core& job) {
  const coppice::detail::waiting_caller caller;
  const int before = yields_of_this_thread;
  wait_that_gave_way w;
  for (; yields_of_this_thread == before; ++w.waits) w.over = caller.gives_way(job);
  EXPECT_EQ(yields_of_this_thread, before + 1);
  return w;
}

TEST(callers, OneOfSeveralGivesItsCoreAwayOnceAndOneAloneDoesNot) {
  one_worker all;
  busy_worker busy(all);
  {
    const coppice::detail::waiting_caller alone;
    const int before = yields_of_this_thread;
    EXPECT_FALSE(alone.gives_way(busy.core()));
    EXPECT_EQ(yields_of_this_thread, before);
    EXPECT_FALSE(wait_until_one_gives_way(busy.core()).over);
  }
  busy.end();
}

TEST(callers, AfterALongYieldManySleepAtOnceAndMoreAfterTheNext) {
  one_worker all;
  busy_worker busy(all);
  {
    const coppice::detail::waiting_caller other;
    const auto waits = [&busy] { return wait_until_one_gives_way(busy.core()).waits; };
    waits();
    yields_are_long = true;
    waits();
    const int first = waits();
    EXPECT_GE(first, 64 + 1);
    EXPECT_EQ(waits(), std::min(4 * (first - 1), 4096) + 1);
    for (int i = 0; i < 4; ++i) waits();
    EXPECT_EQ(waits(), 4096 + 1) << "not without end";
    yields_are_long = false;
  }
  busy.end();
}

TEST(callers, WhoseJobEndsMeanwhileDoesNotSleep) {
  one_worker all;
  busy_worker busy(all);
  const coppice::detail::waiting_caller other;
  busy.end();
  EXPECT_TRUE(wait_until_one_gives_way(busy.core()).over);
}

}  // namespace
