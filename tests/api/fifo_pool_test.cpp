// The finite FIFO pool as its users see it. No test sleeps: latches hold the workers where a test
// wants them. Flags and totals that a task writes are plain where a wait orders them, so that the
// thread sanitizer judges the pool's ordering.
#include <coppice/fifo_pool.hpp>
#include <coppice/stop.hpp>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <latch>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using coppice::admission;
using coppice::fifo_pool;
using coppice::fifo_task;
using coppice::scheduler_stopped;
using coppice::stop_mode;
using coppice::stop_report;

// Keeps workers busy until it is opened. It outlives the pool: workers leave it after it is open.
class gate {
 public:
  // Returns once a worker stands in the gate.
  fifo_task<void> hold(fifo_pool& pool) {
    auto inside = std::make_shared<std::latch>(1);
    auto task = pool.submit([this, inside] {
      inside->count_down();
      open_.wait();
    });
    inside->wait();
    return task;
  }
  void open() { open_.count_down(); }

 private:
  std::latch open_{1};
};

template <class Condition>
void yield_until(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

// A thread stays listed for a moment after it was joined, so that a test waits for the number; one
// that is left behind ends in the test's time limit.
std::ptrdiff_t threads_listed() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

std::ptrdiff_t threads_of_this_process() {
  std::thread([] {}).join();  // a sanitizer's own thread comes with the first one
  return threads_listed();
}

// The state letter of a thread; S: it sleeps, so it has got as far as it can.
bool asleep(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

// Counts the living copies of itself; a closure that captures one is counted with it.
class living {
 public:
  explicit living(std::atomic<int>& count) : count_(&count) { ++*count_; }
  living(const living& other) : count_(other.count_) { ++*count_; }
  living& operator=(const living&) = delete;
  ~living() { --*count_; }

 private:
  std::atomic<int>* count_;
};

template <class Failure, class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Failure& failure) {
    return failure.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

// ---- results -----------------------------------------------------------------------------------

int seven() { return 7; }

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

// ---- ordering and lifetime of closures -----------------------------------------------------------

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

// ---- the bound -----------------------------------------------------------------------------------

TEST(fifo_pool, C31SubmitBlocksWhileTheQueueIsFull) {
  constexpr std::uint64_t capacity = 4;
  gate closed;
  fifo_pool pool({.workers = 1, .queue_capacity = capacity});
  auto held = closed.hold(pool);

  std::atomic<std::uint64_t> accepted = 0;
  std::atomic<std::uint64_t> most_ahead = 0;
  std::atomic<pid_t> producer_id = 0;
  std::thread producer([&] {
    producer_id = gettid();
    for (std::uint64_t i = 0; i < 500; ++i) {
      // While task i runs, tasks up to i + capacity can have been accepted, and no more.
      pool.submit([&, i] {
        const std::uint64_t ahead = accepted - std::min<std::uint64_t>(accepted, i);
        if (ahead > most_ahead) most_ahead = ahead;
      });
      ++accepted;
    }
  });
  yield_until([&] { return accepted == capacity && asleep(producer_id); });
  EXPECT_EQ(pool.stats().queued, capacity);
  EXPECT_EQ(accepted, capacity);
  closed.open();
  producer.join();
  pool.stop();
  EXPECT_LE(most_ahead, capacity + 1);
  EXPECT_EQ(pool.stats().ran, 501u);
}

TEST(fifo_pool, TrySubmitSaysFullAndLeavesTheCallableUntouched) {
  gate closed;
  fifo_pool pool({.workers = 1, .queue_capacity = 2});
  auto held = closed.hold(pool);
  EXPECT_EQ(pool.try_submit([] {}).status, admission::accepted);
  EXPECT_EQ(pool.try_submit([] {}).status, admission::accepted);

  auto callable = [owned = std::make_unique<int>(3)] { return *owned; };
  for (int i = 0; i < 3; ++i) {
    auto refused = pool.try_submit(std::move(callable));
    ASSERT_EQ(refused.status, admission::full);
    EXPECT_FALSE(refused.task.valid());
  }
  EXPECT_EQ(callable(), 3);
  EXPECT_EQ(pool.stats().rejected, 3u);

  closed.open();
  held.get();
  yield_until([&pool] { return pool.stats().queued == 0; });
  auto accepted = pool.try_submit(std::move(callable));
  ASSERT_EQ(accepted.status, admission::accepted);
  EXPECT_EQ(accepted.task.get(), 3);
}

TEST(fifo_pool, TasksStartInTheOrderOfAcceptance) {
  std::vector<int> order;  // one worker: plain
  fifo_pool pool({.workers = 1, .queue_capacity = 3});
  for (int i = 0; i < 300; ++i) pool.submit([&order, i] { order.push_back(i); });
  pool.stop();
  std::vector<int> expected(300);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

TEST(fifo_pool, C01AClosureThatCannotBeMovedInLeavesThePoolUnchanged) {
  struct unmovable {
    unmovable() = default;
    unmovable(unmovable&&) { throw std::domain_error("stays"); }
    unmovable& operator=(unmovable&&) = delete;
    ~unmovable() = default;
    void operator()() {}
  };
  fifo_pool pool({.workers = 1, .queue_capacity = 1});
  for (int i = 0; i < 10; ++i) {
    EXPECT_THROW(pool.submit(unmovable{}), std::domain_error);
    EXPECT_THROW((void)pool.try_submit(unmovable{}), std::domain_error);
  }
  EXPECT_EQ(pool.stats().submitted, 0u);
  EXPECT_EQ(pool.submit(seven).get(), 7) << "the places were given back";
}

TEST(fifo_pool, MovingAClosureInMayUseThePool) {
  struct curious {
    explicit curious(fifo_pool& asked) : pool(&asked) {}
    curious(curious&& other) : pool(other.pool), seen(pool->submit(seven).get()) {}
    curious& operator=(curious&&) = delete;
    ~curious() = default;
    int operator()() { return seen; }
    fifo_pool* pool;
    int seen = 0;
  };
  fifo_pool pool({.workers = 2});
  EXPECT_EQ(pool.submit(curious(pool)).get(), 7);
}

// ---- stopping --------------------------------------------------------------------------------------

TEST(fifo_pool, C34SubmitAfterStopThrowsAndLeavesTheCallableUntouched) {
  fifo_pool pool({.workers = 2, .name = "shut"});
  pool.stop();
  auto callable = [owned = std::make_unique<int>(3)] { return *owned; };
  const auto text = message_of<scheduler_stopped>([&] { pool.submit(std::move(callable)); });
  EXPECT_NE(text.find("'shut'"), std::string::npos) << text;
  auto refused = pool.try_submit(std::move(callable));
  EXPECT_EQ(refused.status, admission::stopped);
  EXPECT_FALSE(refused.task.valid());
  EXPECT_EQ(callable(), 3);
  EXPECT_EQ(pool.stop().rejected, 2u);
}

TEST(fifo_pool, C34BlockedSubmittersWakeWithSchedulerStopped) {
  for (const stop_mode mode : {stop_mode::drain, stop_mode::cancel}) {
    gate closed;
    fifo_pool pool({.workers = 1, .queue_capacity = 1});
    auto held = closed.hold(pool);
    auto queued = pool.submit(seven);
    constexpr std::size_t count = 4;
    std::array<std::atomic<pid_t>, count> ids{};
    std::array<bool, count> untouched{};
    std::vector<std::thread> submitters;
    for (std::size_t i = 0; i < count; ++i) {
      submitters.emplace_back([&, i] {
        auto callable = [owned = std::make_unique<int>(3)] { return *owned; };
        ids[i] = gettid();
        try {
          // One that is moved from is accepted in two steps, one that is copied in one.
          if (i % 2) pool.submit(std::move(callable));
          pool.submit([] {});
        } catch (const scheduler_stopped&) {
          untouched[i] = callable() == 3;
        }
      });
    }
    for (const auto& id : ids) yield_until([&id] { return id != 0 && asleep(id); });
    stop_report report;
    std::thread stopper([&] { report = pool.stop(mode); });
    for (std::thread& submitter : submitters) submitter.join();  // the worker is still held
    for (const bool each : untouched) EXPECT_TRUE(each);
    closed.open();
    stopper.join();
    EXPECT_EQ(report.rejected, count);
    if (mode == stop_mode::drain) {
      EXPECT_EQ(report.ran, 2u);
      EXPECT_EQ(queued.get(), 7);
    } else {
      EXPECT_EQ(report.ran, 1u);
      EXPECT_EQ(report.skipped, 1u);
      EXPECT_THROW(queued.get(), scheduler_stopped);
    }
  }
}

TEST(fifo_pool, C35DrainRunsAllThatWasAccepted) {  // C4, E4
  gate closed;
  fifo_pool pool({.workers = 2});
  auto first = closed.hold(pool);
  auto second = closed.hold(pool);
  std::atomic<int> ran = 0;
  for (int i = 0; i < 20; ++i) pool.submit([&ran] { ++ran; });
  stop_report report;
  std::thread stopper([&] { report = pool.stop(stop_mode::drain); });
  yield_until([&pool] { return pool.try_submit([] {}).status == admission::stopped; });
  EXPECT_EQ(ran, 0);
  closed.open();
  stopper.join();
  EXPECT_EQ(ran, 20);
  EXPECT_EQ(report.ran + report.skipped, pool.stats().submitted);
  EXPECT_EQ(report.skipped, 0u);
  EXPECT_EQ(report.rejected, 1u);
  EXPECT_TRUE(report.still_running.empty());
}

TEST(fifo_pool, C35CancelSkipsWhatIsQueuedAndReportsWhatWasRunning) {  // C4
  gate closed;
  fifo_pool pool({.workers = 4});
  pool.submit([] {}).get();  // number 0
  std::vector<fifo_task<void>> held;
  for (int i = 0; i < 4; ++i) held.push_back(closed.hold(pool));
  std::vector<fifo_task<int>> queued;
  for (int i = 0; i < 16; ++i) queued.push_back(pool.submit(seven));

  stop_report report;
  std::thread stopper([&] { report = pool.stop(stop_mode::cancel); });
  for (auto& task : queued) {  // told at once, not when the running tasks end
    const auto text = message_of<scheduler_stopped>([&task] { task.get(); });
    EXPECT_NE(text.find("was not run"), std::string::npos) << text;
  }
  closed.open();
  stopper.join();
  for (auto& task : held) task.get();

  EXPECT_EQ(report.ran, 4u);
  EXPECT_EQ(report.skipped, 16u);
  EXPECT_EQ(report.rejected, 0u);
  std::set<std::string> paths;
  std::set<unsigned> workers;
  for (const auto& task : report.still_running) {
    paths.insert(task.path);
    workers.insert(task.worker);
    EXPECT_GE(task.age.count(), 0);
  }
  EXPECT_EQ(paths, (std::set<std::string>{"1", "2", "3", "4"}));
  EXPECT_EQ(workers, (std::set<unsigned>{0, 1, 2, 3}));

  const auto stats = pool.stats();
  EXPECT_EQ(stats.submitted, 21u);
  EXPECT_EQ(stats.ran, 5u);
  EXPECT_EQ(stats.skipped, 16u);
  EXPECT_EQ(stats.queued + stats.running, 0u);
}

TEST(fifo_pool, C35CancelCutsADrainShort) {
  gate closed;
  fifo_pool pool({.workers = 1});
  auto held = closed.hold(pool);
  auto queued = pool.submit(seven);
  stop_report drained;
  std::thread drainer([&] { drained = pool.stop(stop_mode::drain); });
  yield_until([&pool] { return pool.try_submit([] {}).status == admission::stopped; });
  const auto early = pool.stats().submitted - 2;  // what try_submit got in before the drain began
  stop_report cancelled;
  std::thread canceller([&] { cancelled = pool.stop(stop_mode::cancel); });
  EXPECT_THROW(queued.get(), scheduler_stopped);
  closed.open();
  drainer.join();
  canceller.join();
  EXPECT_EQ(drained.skipped, 1 + early);
  EXPECT_EQ(cancelled.skipped, 1 + early);
  EXPECT_EQ(cancelled.still_running.size(), 1u);
}

TEST(fifo_pool, C35StopIsIdempotentAndMayBeCalledBySeveralThreads) {
  for (std::size_t round = 0; round < 20; ++round) {
    fifo_pool pool({.workers = 3});
    std::atomic<std::uint64_t> ran = 0;
    for (int i = 0; i < 200; ++i) pool.submit([&ran] { ++ran; });
    std::array<std::uint64_t, 4> seen{};
    std::array<stop_report, 4> reports;
    std::vector<std::thread> stoppers;
    for (std::size_t i = 0; i < 4; ++i) {
      stoppers.emplace_back([&, i] {
        reports[i] = pool.stop((i + round) % 2 ? stop_mode::drain : stop_mode::cancel);
        seen[i] = ran;
      });
    }
    for (std::thread& stopper : stoppers) stopper.join();
    const auto stats = pool.stats();
    EXPECT_EQ(stats.ran + stats.skipped, 200u);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(seen[i], stats.ran) << "a stop returned before everything had ended";
      EXPECT_EQ(reports[i].ran, reports[0].ran);
      EXPECT_EQ(reports[i].skipped, stats.skipped);
    }
    EXPECT_EQ(pool.stop().skipped, stats.skipped);
  }
}

TEST(fifo_pool, C35StopFromOneOfItsOwnWorkersIsAnErrorAndNotAHang) {
  fifo_pool pool({.workers = 2, .name = "mine"});
  auto task = pool.submit([&pool] { pool.stop(stop_mode::cancel); });
  const auto text = message_of<std::runtime_error>([&task] { task.get(); });
  EXPECT_NE(text.find("'mine'"), std::string::npos) << text;
  EXPECT_NE(text.find("another thread"), std::string::npos) << text;
  EXPECT_EQ(pool.submit(seven).get(), 7) << "it was not stopped";
}

TEST(fifo_pool, C35ATaskMayStopAnotherPool) {
  fifo_pool outer({.workers = 1});
  fifo_pool inner({.workers = 1});
  inner.submit(seven);
  EXPECT_EQ(outer.submit([&inner] { return inner.stop(); }).get().skipped, 0u);
}

TEST(fifo_pool, C35StopRacingWithSubmittersLosesNoTask) {
  for (int round = 0; round < 40; ++round) {
    std::atomic<int> alive = 0;
    std::atomic<std::uint64_t> accepted = 0, refused = 0, done = 0, told = 0;
    fifo_pool pool({.workers = 2, .queue_capacity = 3});
    std::latch all_here(3);
    std::vector<std::thread> submitters;
    for (int i = 0; i < 2; ++i) {
      submitters.emplace_back([&] {
        all_here.arrive_and_wait();
        std::vector<fifo_task<void>> mine;
        for (int k = 0; k < 50; ++k) {
          try {
            mine.push_back(pool.submit([&done, counted = living(alive)] { ++done; }));
            ++accepted;
          } catch (const scheduler_stopped&) {
            ++refused;
          }
        }
        for (auto& task : mine) {
          try {
            task.get();
          } catch (const scheduler_stopped&) {
            ++told;
          }
        }
      });
    }
    all_here.arrive_and_wait();
    pool.stop(round % 2 ? stop_mode::cancel : stop_mode::drain);
    for (std::thread& submitter : submitters) submitter.join();
    EXPECT_EQ(accepted + refused, 100u);
    EXPECT_EQ(done + told, accepted);
    EXPECT_EQ(alive, 0);
    const auto report = pool.stop();
    EXPECT_EQ(report.skipped, told);
    EXPECT_EQ(report.rejected, refused);
    EXPECT_EQ(pool.stats().submitted, accepted);
    EXPECT_EQ(pool.stats().ran, done);
  }
}

TEST(fifo_pool, C35AStopWaitsForASubmissionThatIsBeingMovedIn) {
  struct slow {
    slow(std::latch& moving, std::latch& go) : moving_(&moving), go_(&go) {}
    slow(slow&& other) noexcept : moving_(other.moving_), go_(other.go_) {
      moving_->count_down();
      go_->wait();
    }
    slow& operator=(slow&&) = delete;
    ~slow() = default;
    int operator()() const { return 7; }
    std::latch* moving_;
    std::latch* go_;
  };
  for (const stop_mode mode : {stop_mode::drain, stop_mode::cancel}) {
    std::latch moving(1), go(1);
    fifo_pool pool({.workers = 2});
    fifo_task<int> task;
    std::thread submitter([&] { task = pool.submit(slow(moving, go)); });
    moving.wait();
    stop_report report;
    std::atomic<pid_t> stopper_id = 0;
    std::atomic<bool> returned = false;
    std::thread stopper([&] {
      stopper_id = gettid();
      report = pool.stop(mode);
      returned = true;
    });
    yield_until([&pool] { return pool.try_submit([] {}).status == admission::stopped; });
    yield_until([&] { return returned || asleep(stopper_id); });
    EXPECT_FALSE(returned);
    go.count_down();
    submitter.join();
    stopper.join();
    EXPECT_EQ(pool.stats().ran + report.skipped, pool.stats().submitted);
    if (mode == stop_mode::drain) {
      EXPECT_EQ(report.skipped, 0u);
      EXPECT_EQ(task.get(), 7);
    } else {
      EXPECT_THROW(task.get(), scheduler_stopped);
    }
  }
}

TEST(fifo_pool, CancelFreesAPoolWhoseWorkersAllWaitForQueuedTasks) {  // E5: recursion on a FIFO queue
  fifo_pool pool({.workers = 1, .on_recursion = coppice::recursion::block});
  auto parent = pool.submit([&pool] { return pool.submit(seven).get(); });
  yield_until([&pool] { return pool.stats().submitted == 2; });
  const auto report = pool.stop(stop_mode::cancel);
  EXPECT_EQ(report.skipped, 1u);
  EXPECT_EQ(report.still_running.size(), 1u);
  EXPECT_THROW(parent.get(), scheduler_stopped);
}

TEST(fifo_pool, StopFreesAWorkerThatIsBlockedInItsOwnSubmit) {  // E5
  fifo_pool pool({.workers = 1, .queue_capacity = 1, .on_recursion = coppice::recursion::block});
  std::atomic<pid_t> worker = 0;
  fifo_task<int> first;
  auto parent = pool.submit([&] {
    first = pool.submit(seven);
    worker = gettid();
    pool.submit(seven);
  });
  yield_until([&worker] { return worker != 0 && asleep(worker); });
  const auto report = pool.stop(stop_mode::drain);
  EXPECT_THROW(parent.get(), scheduler_stopped);
  EXPECT_EQ(first.get(), 7);
  EXPECT_EQ(report.ran, 2u);
  EXPECT_EQ(report.rejected, 1u);
}

TEST(fifo_pool, AStopReportPrintsItsCountsAndWhatWasRunning) {
  stop_report report{12, 16, 984, {}};
  std::ostringstream out;
  out << std::hex << report;
  EXPECT_EQ(out.str(), "stop: ran 12, skipped 16, rejected 984");
  EXPECT_NE(out.flags() & std::ios::hex, std::ios::fmtflags{});

  using namespace std::chrono_literals;
  report.still_running = {
      {"17", "", 3, 250ms}, {"root/3/1", "load", 0, 12s}, {"18", "", 1, 9999ns}, {"19", "", 2, 10us}};
  std::ostringstream more;
  more << report;
  EXPECT_EQ(more.str(),
            "stop: ran 12, skipped 16, rejected 984, still running 4\n"
            "  17 on worker 3, for 250 ms\n"
            "  root/3/1 \"load\" on worker 0, for 12 s\n"
            "  18 on worker 1, for 9999 ns\n"
            "  19 on worker 2, for 10 us");
}

// ---- bad input and options -------------------------------------------------------------------------

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
  const rlimit limit{8, 8};
  if (setrlimit(RLIMIT_NPROC, &limit) != 0) return 77;
  const auto before = threads_of_this_process();  // may count one that has just been joined
  try {
    fifo_pool pool({.workers = 64});
    return 1;
  } catch (const std::system_error&) {
  }
  yield_until([before] { return threads_listed() <= before; });
  return 0;
}

TEST(fifo_pool, AThreadThatCannotBeCreatedIsASystemErrorAndLeavesNoThread) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto as_told = [](int status) {
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
  };
  EXPECT_EXIT(_exit(start_a_pool_beyond_the_thread_limit()), as_told, "");
}

// ---- with 1, 2, 3, 8 and 64 workers ----------------------------------------------------------------

class fifo_pool_of : public testing::TestWithParam<unsigned> {
 protected:
  void TearDown() override {
    EXPECT_EQ(alive_, 0) << "closures are alive";
    yield_until([this] { return threads_listed() <= threads_before_; });
  }

  std::atomic<int> alive_ = 0;

 private:
  std::ptrdiff_t threads_before_ = threads_of_this_process();
};

TEST_P(fifo_pool_of, EachTaskRunsExactlyOnce) {
  constexpr std::size_t each = 1000, submitters = 3, total = each * submitters;
  std::vector<std::atomic<int>> ledger(total);
  std::atomic<std::uint64_t> sum = 0;
  fifo_pool pool({.workers = GetParam(), .queue_capacity = 7});
  std::vector<std::thread> threads;
  for (std::size_t s = 0; s < submitters; ++s) {
    threads.emplace_back([&, s] {
      std::vector<fifo_task<std::size_t>> tasks;
      for (std::size_t i = 0; i < each; ++i) {
        tasks.push_back(pool.submit([&, id = s * each + i, counted = living(alive_)] {
          ++ledger[id];
          sum += id;
          return id;
        }));
      }
      for (std::size_t i = 0; i < each; ++i) EXPECT_EQ(tasks[i].get(), s * each + i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t id = 0; id < total; ++id) ASSERT_EQ(ledger[id], 1) << id;
  EXPECT_EQ(sum, total * (total - 1) / 2);
  const auto stats = pool.stats();
  EXPECT_EQ(stats.submitted, total);
  EXPECT_EQ(stats.ran, total);
  EXPECT_EQ(stats.workers, GetParam());
}

TEST_P(fifo_pool_of, EveryTwentyNinthOfAThousandTasksFailsAndExactlyThose) {  // C2, C5
  fifo_pool pool({.workers = GetParam()});
  std::vector<fifo_task<int>> tasks;
  for (int id = 0; id < 1000; ++id) {
    tasks.push_back(pool.submit([id, counted = living(alive_)] {
      if (id % 29 == 0) throw std::runtime_error("id " + std::to_string(id));
      return id;
    }));
  }
  std::vector<std::string> errors, expected;
  for (int id = 0; id < 1000; ++id) {
    if (id % 29 == 0) expected.push_back("id " + std::to_string(id));
    try {
      EXPECT_EQ(tasks[static_cast<std::size_t>(id)].get(), id);
    } catch (const std::runtime_error& error) {
      errors.push_back(error.what());
    }
  }
  EXPECT_EQ(errors.size(), 35u);
  EXPECT_EQ(errors, expected);
  EXPECT_EQ(pool.stats().ran, 1000u);
}

TEST_P(fifo_pool_of, TasksMayBeAddedAtAnyTimeUntilTheStop) {  // C4, A6
  fifo_pool pool({.workers = GetParam(), .queue_capacity = 10});
  for (int wave = 0; wave < 20; ++wave) {
    std::vector<fifo_task<int>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(pool.submit([i] { return 2 * i; }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(tasks[static_cast<std::size_t>(i)].get(), 2 * i);
  }
  const auto report = pool.stop();
  EXPECT_EQ(report.ran, 0u) << "nothing was left to drain";
  EXPECT_EQ(report.skipped, 0u);
}

TEST_P(fifo_pool_of, CancelStartsNothingMoreAndEachTaskHasOneOutcome) {  // A5
  fifo_pool pool({.workers = GetParam()});
  std::atomic<unsigned> ran = 0;
  std::vector<fifo_task<void>> tasks;
  for (int i = 0; i < 300; ++i) tasks.push_back(pool.submit([&ran, counted = living(alive_)] { ++ran; }));
  const auto report = pool.stop(stop_mode::cancel);
  const unsigned ran_at_return = ran;
  unsigned skipped = 0;
  for (auto& task : tasks) {
    try {
      task.get();
    } catch (const scheduler_stopped&) {
      ++skipped;
    }
  }
  EXPECT_EQ(ran, ran_at_return);
  EXPECT_EQ(ran + skipped, 300u);
  EXPECT_EQ(report.skipped, skipped);
  EXPECT_LE(report.still_running.size(), GetParam());
  EXPECT_LE(report.ran, GetParam()) << "only what was running may end";
}

TEST_P(fifo_pool_of, TheDestructorDrains) {
  std::vector<int> ran(100, 0);
  {
    fifo_pool pool({.workers = GetParam()});
    for (int& each : ran) pool.submit([&each, counted = living(alive_)] { each = 1; });
  }
  EXPECT_EQ(std::accumulate(ran.begin(), ran.end(), 0), 100);
}

INSTANTIATE_TEST_SUITE_P(workers, fifo_pool_of, testing::Values(1u, 2u, 3u, 8u, 64u),
                         [](const auto& instance) { return std::to_string(instance.param); });

}  // namespace
