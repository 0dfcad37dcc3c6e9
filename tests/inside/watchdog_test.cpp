// The watchdog of the stress tests: a program that hangs says who runs what.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <thread>

#include "support/scale.hpp"
#include "support/watchdog.hpp"

namespace {

using namespace std::chrono_literals;

[[noreturn]] void hang() {
  support::watchdog dog(200ms, "seed 4711");  // not sooner: on a busy machine a scheduler takes time to start
  const std::atomic<bool> never{false};
  while (!never.load()) std::this_thread::yield();
  std::abort();
}

void hang_in_a_tree() {
  coppice::scheduler scheduler({.workers = 2, .name = "hung"});
  scheduler.run([] { coppice::join([] {}, [] { coppice::join([] {}, [] {}, [] { hang(); }); }); });
}

// A dump names the place of what hangs, the worker that runs it, and the seed; the one who waits for it is no
// worker.
TEST(watchdog_death, NamesThePathOfWhatHangs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(hang_in_a_tree(), "no progress for 200 ms.*seed 4711");
  // The thread sanitizer may hold a signal back while its thread is in a system call, clang's also while it
  // loops.
#ifdef __clang__
  if (support::thread_sanitized) return;
#endif
  EXPECT_DEATH(hang_in_a_tree(), "hung-0[01]: worker [01], at root/1/2");
  if (support::thread_sanitized) return;
  EXPECT_DEATH(hang_in_a_tree(), "watchdog.*: no worker");
}

TEST(watchdog, LetsAProgramLiveThatReportsProgress) {
  support::watchdog dog(200ms);
  const auto until = std::chrono::steady_clock::now() + 600ms;
  while (std::chrono::steady_clock::now() < until) {
    dog.progress();
    std::this_thread::yield();
  }
}

}  // namespace
