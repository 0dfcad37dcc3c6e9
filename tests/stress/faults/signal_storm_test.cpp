// A storm of signals, whose handler restarts no system call, over all workers and waiters.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "storm.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

std::atomic<unsigned long> handled{0};
static_assert(std::atomic<unsigned long>::is_always_lock_free);

class signal_storm : public support::without_leaks {};

TEST_F(signal_storm, InterruptsNothing) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { handled.fetch_add(1, std::memory_order_relaxed); };
  action.sa_flags = 0;  // no SA_RESTART
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  {
    const faults::nuisance storm([] {
      for (const pid_t thread : faults::other_threads()) syscall(SYS_tgkill, getpid(), thread, SIGUSR1);
    });
    faults::work_of_each_kind(support::scaled(300));
    storm.wait_for(2);
  }
  EXPECT_GT(handled, 100U);
  std::printf("signals handled: %lu\n", handled.load());
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
