// The finite FIFO pool as its users see it: results, closures, bad input. No test sleeps: latches hold the
// workers where a test wants them. Flags and totals that a task writes are plain where a wait orders them, so
// that the thread sanitizer judges the pool's ordering.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <coppice/fifo_pool.hpp>
#include <coppice/stop.hpp>
#include <cstdio>
#include <functional>
#include <future>
#include <latch>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/fifo.hpp"
#include "support/process.hpp"

namespace {

using coppice::fifo_pool;
using coppice::fifo_task;
using coppice::stop_mode;
using support::gate;
using support::living;
using support::message_of;
using support::seven;
using support::threads_at_rest;
using support::threads_now;
using support::yield_until;

TEST(fifo_pool, AnythingInvocableRunsAndItsResultComesBack) {  // E2
  fifo_pool pool({.workers = 2});
  EXPECT_EQ(pool.submit([] { return 6 * 7; }).get(), 42);
  EXPECT_EQ(pool.submit(seven).get(), 7);
  EXPECT_EQ(pool.submit(&seven).get(), 7);
  EXPECT_EQ(pool.submit(std::function<int()>(seven)).get(), 7);
  const auto constant = [] { return std::string("const"); };
  EXPECT_EQ(pool.submit(constant).get(), "const");
  EXPECT_EQ(pool.submit([]() -> const std::string { return "const"; }).get(), "const");

  struct once {
    int operator()() && { return 1; }
  };
  EXPECT_EQ(pool.submit(once{}).get(), 1);
  struct either {
    int operator()() & { return 1; }
    long operator()() && { return 2; }
  };
  either lvalue;
  static_assert(std::is_same_v<decltype(pool.submit(lvalue)), fifo_task<int>>);
  EXPECT_EQ(pool.submit(lvalue).get(), 1);
  EXPECT_EQ(pool.submit(either{}).get(), 2);
}

TEST(fifo_pool, VoidMoveOnlyAndReferenceResultsComeBack) {
  fifo_pool pool({.workers = 2});
  static_assert(std::is_void_v<decltype(pool.submit([] {}).get())>);
  pool.submit([] {}).get();

  EXPECT_EQ(*pool.submit([] { return std::make_unique<int>(5); }).get(), 5);

  int number = 1;
  int& same = pool.submit([&number]() -> int& { return number; }).get();
  EXPECT_EQ(&same, &number);
  std::string text = "moved";
  std::string&& taken = pool.submit([&text]() -> std::string&& { return std::move(text); }).get();
  EXPECT_EQ(&taken, &text);
}

TEST(fifo_pool, MoveOnlyHugeAndOverAlignedClosuresWork) {
  fifo_pool pool({.workers = 2});
  auto owned = std::make_unique<int>(9);
  EXPECT_EQ(pool.submit([owned = std::move(owned)] { return *owned; }).get(), 9);

  auto bytes = std::make_unique<std::array<unsigned char, 1 << 20>>();
  bytes->fill(1);
  auto sum = pool.submit([huge = *bytes] { return std::accumulate(huge.begin(), huge.end(), 0); });
  EXPECT_EQ(sum.get(), 1 << 20);

  struct alignas(4096) page {
    char byte = 'x';
  };
  auto offset =
      pool.submit([aligned = page{}] { return reinterpret_cast<std::uintptr_t>(&aligned.byte) % 4096; });
  EXPECT_EQ(offset.get(), 0u);
}

TEST(fifo_pool, TheOwnExceptionOfATaskComesOutOfGetAndNotOfSubmitOrWait) {  // C-02, C-03
  fifo_pool pool({.workers = 2});
  auto task = pool.submit([]() -> int { throw std::out_of_range("row 29"); });
  task.wait();
  task.wait();
  EXPECT_EQ(message_of<std::out_of_range>([&] { task.get(); }), "row 29");

  auto odd = pool.submit([] { throw 42; });
  EXPECT_THROW(odd.get(), int);
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1) << "the worker lives on";
}

TEST(fifo_pool, TheHandleIsEmptyAfterGetAndAfterAMove) {
  fifo_pool pool({.workers = 1});
  fifo_task<int> empty;
  EXPECT_FALSE(empty.valid());
  EXPECT_THROW(empty.wait(), std::future_error);
  EXPECT_THROW(empty.get(), std::future_error);

  auto first = pool.submit(seven);
  auto second = std::move(first);
  EXPECT_FALSE(first.valid());
  ASSERT_TRUE(second.valid());
  EXPECT_EQ(second.get(), 7);
  EXPECT_FALSE(second.valid());
  try {
    second.get();
    ADD_FAILURE() << "a second get returned";
  } catch (const std::future_error& error) {
    EXPECT_EQ(error.code(), std::future_errc::no_state);
  }

  auto failing = pool.submit([]() -> int { throw std::runtime_error("once"); });
  EXPECT_THROW(failing.get(), std::runtime_error);
  EXPECT_FALSE(failing.valid());
}

TEST(fifo_pool, ATaskRunsAlsoWhenItsHandleIsGone) {
  bool ran = false;
  {
    gate closed;
    fifo_pool pool({.workers = 1});
    auto held = closed.hold(pool);
    pool.submit([&ran] {
      ran = true;
      return std::string(100, 'x');
    });
    pool.submit([] { throw std::runtime_error("nobody looks"); });
    closed.open();
  }
  EXPECT_TRUE(ran);
}

TEST(fifo_pool, AHandleMayOutliveItsPool) {
  std::optional<fifo_pool> pool(std::in_place, coppice::fifo_options{.workers = 2});
  auto value = pool->submit([] { return std::string("kept"); });
  auto error = pool->submit([] { throw std::runtime_error("kept too"); });
  pool.reset();
  EXPECT_EQ(value.get(), "kept");
  EXPECT_THROW(error.get(), std::runtime_error);
}

TEST(fifo_pool, C06WhatATaskWroteIsVisibleAfterWaitAndAfterStop) {
  std::vector<int> plain(2000, 0);
  fifo_pool pool({.workers = 3});
  std::vector<fifo_task<void>> tasks;
  for (std::size_t i = 0; i < 1000; ++i) tasks.push_back(pool.submit([&plain, i] { plain[i] = 1; }));
  for (const auto& task : tasks) task.wait();
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(plain[i], 1);

  for (std::size_t i = 1000; i < 2000; ++i) pool.submit([&plain, i] { plain[i] = 1; });
  pool.stop();
  EXPECT_EQ(std::accumulate(plain.begin(), plain.end(), 0), 2000);
}

TEST(fifo_pool, C07TheClosureIsDestroyedBeforeWaitReturns) {
  struct flagged {  // plain on purpose
    explicit flagged(bool& flag) : dead(&flag) {}
    flagged(flagged&& other) noexcept : dead(std::exchange(other.dead, nullptr)) {}
    flagged& operator=(flagged&&) = delete;
    ~flagged() {
      if (dead) *dead = true;
    }
    bool* dead;
  };
  fifo_pool pool({.workers = 2});
  for (int round = 0; round < 200; ++round) {
    bool dead = false;
    auto task = pool.submit([capture = flagged(dead), round] {
      if (round % 2) throw round;
    });
    task.wait();
    ASSERT_TRUE(dead);
  }
}

TEST(fifo_pool, C07TheClosureOfASkippedTaskIsDestroyedBeforeWaitReturns) {
  std::atomic<int> alive = 0;
  gate closed;
  fifo_pool pool({.workers = 1});
  auto held = closed.hold(pool);
  auto task = pool.submit([counted = living(alive)] {});
  std::thread stopper([&pool] { pool.stop(stop_mode::cancel); });
  task.wait();
  EXPECT_EQ(alive, 0);
  closed.open();
  stopper.join();
}

TEST(fifo_pool, C07TheResultDiesWithTheHandleAndNotLaterOnAWorker) {
  fifo_pool pool({.workers = 2});
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> alive = 0;
    {
      auto task = pool.submit([&alive] { return living(alive); });
      task.wait();
    }
    ASSERT_EQ(alive, 0);
  }
}

TEST(fifo_pool, C08AClosureWhoseDestructorThrowsIsAnErrorOfTheTask) {
  struct bomb {
    bool armed = true;
    bomb() = default;
    bomb(bomb&& other) noexcept : armed(std::exchange(other.armed, false)) {}
    bomb& operator=(bomb&&) = delete;
    ~bomb() noexcept(false) {
      if (armed) throw std::logic_error("destructor");
    }
  };
  fifo_pool pool({.workers = 1});
  auto after_value = pool.submit([live = bomb()] { return 1; });
  EXPECT_EQ(message_of<std::logic_error>([&] { after_value.get(); }), "destructor");
  auto after_error = pool.submit([live = bomb()] { throw std::runtime_error("body"); });
  EXPECT_EQ(message_of<std::runtime_error>([&] { after_error.get(); }), "body");
}

TEST(fifo_pool, AnEmptyCallableIsRefusedBeforeAnythingIsCounted) {
  fifo_pool pool({.workers = 1});
  int (*pointer)() = nullptr;
  EXPECT_THROW(pool.submit(std::function<void()>()), std::invalid_argument);
  EXPECT_THROW(pool.submit(pointer), std::invalid_argument);
  EXPECT_THROW((void)pool.try_submit(std::function<int()>()), std::invalid_argument);
  EXPECT_THROW((void)pool.try_submit(pointer), std::invalid_argument);
  EXPECT_EQ(pool.stats().submitted, 0u);
  EXPECT_EQ(pool.stats().rejected, 0u);
}

TEST(fifo_pool, TooManyWorkersAndACapacityOfZeroAreRefusedByName) {
  const auto workers = message_of<std::invalid_argument>([] { fifo_pool pool({.workers = 4097}); });
  EXPECT_NE(workers.find("4096"), std::string::npos) << workers;
  const auto capacity = message_of<std::invalid_argument>([] { fifo_pool pool({.queue_capacity = 0}); });
  EXPECT_NE(capacity.find("queue_capacity"), std::string::npos) << capacity;
}

TEST(fifo_pool, ZeroWorkersMeansOnePerCpuOfTheAffinityMask) {
  unsigned in_a_narrow_mask = 0;
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
  const auto cpus = static_cast<unsigned>(CPU_COUNT(&mask));
  EXPECT_EQ(fifo_pool().stats().workers, cpus);
  std::thread narrowed([&] {  // a thread of its own: the mask ends with it
    cpu_set_t one;
    CPU_ZERO(&one);
    std::size_t cpu = 0;
    while (!CPU_ISSET(cpu, &mask)) ++cpu;
    CPU_SET(cpu, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    in_a_narrow_mask = fifo_pool().stats().workers;
  });
  narrowed.join();
  EXPECT_EQ(in_a_narrow_mask, 1u);
}

TEST(fifo_pool, WorkersBearTheirNameAndNumber) {  // C7
  const auto names = [](fifo_pool& pool, std::ptrdiff_t count) {
    std::latch all_here(count);  // each worker takes one
    std::vector<fifo_task<std::string>> tasks;
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      tasks.push_back(pool.submit([&all_here] {
        all_here.arrive_and_wait();
        std::array<char, 16> name{};
        pthread_getname_np(pthread_self(), name.data(), name.size());
        return std::string(name.data());
      }));
    }
    std::set<std::string> seen;
    for (auto& task : tasks) seen.insert(task.get());
    return seen;
  };
  fifo_pool plain({.workers = 3});
  EXPECT_EQ(names(plain, 3), (std::set<std::string>{"fifo-00", "fifo-01", "fifo-02"}));
  fifo_pool wordy({.workers = 2, .name = "a-name-of-24-characters."});
  EXPECT_EQ(names(wordy, 2), (std::set<std::string>{"a-name-of-24-00", "a-name-of-24-01"}));
}

// A child process, because the limit counts all processes of a user and cannot be raised again.
int start_a_pool_beyond_the_thread_limit() {
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 77;  // root has no limit
  const auto before = threads_at_rest();
  const rlimit limit{8, 8};
  if (setrlimit(RLIMIT_NPROC, &limit) != 0) return 77;
  try {
    fifo_pool pool({.workers = 64});
    return 1;
  } catch (const std::system_error& refused) {
    std::fputs(refused.what(), stderr);
  }
  yield_until([before] { return threads_now() <= before; });
  return 0;
}

TEST(fifo_pool, AThreadThatCannotBeCreatedIsASystemErrorAndLeavesNoThread) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  bool could_try = true;
  const auto as_told = [&could_try](int status) {
    could_try = !WIFEXITED(status) || WEXITSTATUS(status) != 77;
    return !could_try || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
  };
  EXPECT_EXIT(_exit(start_a_pool_beyond_the_thread_limit()), as_told,
              "fifo_pool 'fifo': cannot start the thread of worker [0-9]+ .ask for fewer workers|^$");
  if (!could_try) GTEST_SKIP() << "this process may not take another user, whose threads could be limited";
}

}  // namespace
