// A worker of the FIFO pool gives its core away once before it sleeps, and does not poll.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <coppice/fifo_pool.hpp>
#include <thread>

namespace {

std::atomic<int> yields{0};
const std::thread::id test_thread = std::this_thread::get_id();

}  // namespace

// In place of the C library's.
extern "C" int sched_yield() noexcept {
  if (std::this_thread::get_id() != test_thread) ++yields;
  return static_cast<int>(syscall(SYS_sched_yield));
}

namespace {

// It looks once more than there are tasks, when it is to leave; a look that finds one yields nothing. Between
// tasks it is left without one for as long as a worker that polls would show.
TEST(fifo_pool, AWorkerYieldsOnceForEachLookThatFindsNothing) {
  constexpr int tasks = 20;
  yields = 0;
  {
    coppice::fifo_pool pool({.workers = 1});
    for (int i = 0; i < tasks; ++i) {
      pool.submit([] {}).get();
      for (int k = 0; k < 1000; ++k) std::this_thread::yield();
    }
  }
  EXPECT_GE(yields, 1);
  EXPECT_LE(yields, tasks + 1);
}

}  // namespace
