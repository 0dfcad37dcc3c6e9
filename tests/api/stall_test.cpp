// The watchdog, which says what stands still (C-30), and what a stop says was still running (C-35).
#include <gtest/gtest.h>
#include <regex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <csignal>
#include <cstdlib>
#include <latch>
#include <string>
#include <thread>

#include "support/busy.hpp"
#include "support/process.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;

// By the system's matcher: g++ 12's <regex> warns of itself under the sanitizers.
bool matches(const std::string& text, const char* pattern) {
  regex_t compiled;
  if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0) return false;
  const bool found = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
  regfree(&compiled);
  return found;
}

class standing_still : public support::without_leaks {};

TEST_F(standing_still, C30TheWatchdogNamesWhatEveryWorkerRuns) {
  testing::internal::CaptureStderr();
  coppice::scheduler s({.workers = 2, .name = "still", .stall_after = 20ms});
  std::latch never(1);
  auto job = s.submit(
      [&] {
        coppice::task_group group;
        group.spawn([&] { never.wait(); }, "reader");
        group.spawn([&] { never.wait(); }, "writer");
        group.wait();
      },
      {.name = "locked"});
  while (s.stats().stalls == 0) std::this_thread::yield();
  never.count_down();
  job.get();
  s.stop();
  const std::string said = testing::internal::GetCapturedStderr();
  for (const char* word : {"\"still\" stands still", "reader", "writer", "root/0", "root/1", "job \"locked\"",
                           "submitters blocked"})
    EXPECT_NE(said.find(word), std::string::npos) << word << " in\n" << said;
}

// A signal ends the sleep of the thread that handles it. What it would see is a job that has not ended, a
// moment later.
TEST_F(standing_still, C30TheWatchdogDoesNotLookSoonerForASignal) {
  struct sigaction counts {};
  static std::atomic<int> handled{0};
  counts.sa_handler = [](int) { ++handled; };
  struct sigaction before {};
  ASSERT_EQ(sigaction(SIGUSR1, &counts, &before), 0);
  {
    coppice::scheduler s({.workers = 1, .name = "patient", .stall_after = 1h});
    const pid_t watch = support::thread_named("patient-watch");
    std::latch over(1);
    auto job = s.submit([&] { over.wait(); });
    for (int i = 1; i <= 4; ++i) {
      support::wait_until_asleep(watch, [] { return false; });
      ASSERT_EQ(syscall(SYS_tgkill, getpid(), watch, SIGUSR1), 0);
      while (handled < i) std::this_thread::yield();
    }
    support::wait_until_asleep(watch, [] { return false; });
    EXPECT_EQ(s.stats().stalls, 0U);
    over.count_down();
    job.get();
  }
  sigaction(SIGUSR1, &before, nullptr);
}

// Each worker's task, name, path, age and deque; who sleeps, what is queued, who is blocked.
TEST_F(standing_still, C30TheWatchdogSaysAllThatItKnowsOfAFullScheduler) {
  testing::internal::CaptureStderr();
  coppice::scheduler s({.workers = 1, .injection_capacity = 2, .name = "full", .stall_after = 100ms});
  std::atomic<bool> ready{false};
  std::latch never(1);
  auto job = s.submit(
      [&] {
        coppice::task_group group;
        group.spawn(
            [&] {
              for (int i = 0; i < 3; ++i) coppice::spawn([] {});
              while (!ready) {  // at work until all is as it is to be: no yield, which others would take
              }
              never.wait();
            },
            "keeper");
        group.wait();
      },
      {.name = "hog"});
  support::submitters outside(s, 4, [] {});
  while (!outside.all_blocked()) std::this_thread::yield();
  const auto before = s.stats().stalls;
  ready = true;
  while (s.stats().stalls == before) std::this_thread::yield();
  never.count_down();
  job.get();
  outside.join();
  s.stop();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(matches(
      said,
      "coppice: scheduler \"full\" stands still: 3 of its jobs have not ended, and its workers did next to "
      "nothing for 100 ms\n"
      "  worker 0: root/0 \\(keeper\\) of job \"hog\" for [0-9]+ ms, 3 frames in its deque\n"
      "  0 workers asleep, 2 jobs queued, 2 submitters blocked\n"))
      << said;
}

TEST_F(standing_still, C30TheWatchdogCountsWhoSleeps) {
  testing::internal::CaptureStderr();
  coppice::scheduler s({.workers = 3, .name = "asleep", .stall_after = 100ms});
  std::latch never(1);
  auto job = s.submit([&] { never.wait(); }, {.name = "one"});
  while (s.stats().stalls == 0) std::this_thread::yield();
  never.count_down();
  job.get();
  s.stop();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(matches(said, "worker [0-2]: root of job \"one\" for [0-9]+ ms, 0 frames")) << said;
  EXPECT_TRUE(matches(said, "worker [0-2]: no task, 0 frames")) << said;
  EXPECT_TRUE(matches(said, "[12] workers asleep, 0 jobs queued, 0 submitters")) << said;
}

TEST_F(standing_still, C30NothingIsSaidOfAnIdleScheduler) {
  testing::internal::CaptureStderr();
  coppice::scheduler s({.workers = 2, .stall_after = 1ms});
  // Each of these is a moment of standing still, if there were something to do.
  coppice::scheduler clock({.workers = 1, .stall_after = 1ms});
  std::latch never(1);
  auto job = clock.submit([&] { never.wait(); });
  while (clock.stats().stalls == 0) std::this_thread::yield();
  never.count_down();
  job.get();
  EXPECT_EQ(s.stats().stalls, 0U);
  s.stop();
  clock.stop();
  testing::internal::GetCapturedStderr();
}

TEST_F(standing_still, AWatchedSchedulerMayBeResized) {
  coppice::scheduler s({.workers = 2, .stall_after = 1ms});
  for (unsigned i = 0; i < 100; ++i) {
    s.resize(i % 4 + 1);
    s.run([] { coppice::join([] { coppice::spawn([] {}); }, [] {}); });
  }
}

TEST_F(standing_still, TheEnvironmentTurnsTheWatchdogOnAndAMalformedValueIsIgnored) {
  testing::internal::CaptureStderr();
  setenv("COPPICE_STALL_MS", "10", 1);
  {
    coppice::scheduler s({.workers = 1});
    std::latch never(1);
    auto job = s.submit([&] { never.wait(); });
    while (s.stats().stalls == 0) std::this_thread::yield();
    never.count_down();
    job.get();
  }
  setenv("COPPICE_STALL_MS", "soon", 1);
  const auto threads = support::threads_settled(support::threads_at_rest());
  {
    coppice::scheduler s({.workers = 1});
    EXPECT_EQ(support::threads_now(), threads + 1) << "the worker, no watchdog";
  }
  unsetenv("COPPICE_STALL_MS");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("stands still"), std::string::npos) << said;
  EXPECT_NE(said.find("ignored COPPICE_STALL_MS=\"soon\""), std::string::npos) << said;
}

class stopping_tasks : public support::on_workers {};

TEST_ON_WORKERS(stopping_tasks, C35WhatWasStillRunningIsNamedWithItsPlace) {
  std::atomic<int> in{0};
  auto job = scheduler().submit(
      [&] {
        coppice::task_group group;
        group.spawn([] {});
        group.spawn(
            [&] {
              ++in;
              while (!coppice::this_task::stop_requested()) std::this_thread::yield();
            },
            "the long one");
        group.wait();
      },
      {.name = "tree"});
  while (in == 0) std::this_thread::yield();
  const auto report = scheduler().stop(coppice::stop_mode::cancel);
  job.wait();
  const auto named = std::find_if(report.still_running.begin(), report.still_running.end(),
                                  [](const auto& t) { return t.name == "the long one"; });
  ASSERT_NE(named, report.still_running.end()) << report;
  EXPECT_EQ(named->path, "root/1");
  EXPECT_LT(named->worker, workers());
  EXPECT_GE(named->age.count(), 0);
  const auto root = std::find_if(report.still_running.begin(), report.still_running.end(),
                                 [](const auto& t) { return t.path == "root"; });
  ASSERT_NE(root, report.still_running.end()) << report;
  EXPECT_EQ(root->name, "tree");
}

}  // namespace
