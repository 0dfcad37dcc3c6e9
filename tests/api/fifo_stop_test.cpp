// How a FIFO pool ends: drains, cancels, several who stop it, submitters and workers that are blocked then.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <coppice/fifo_pool.hpp>
#include <coppice/stop.hpp>
#include <cstdint>
#include <iomanip>
#include <latch>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fifo.hpp"
#include "support/scale.hpp"

namespace {

using coppice::admission;
using coppice::fifo_pool;
using coppice::fifo_task;
using coppice::scheduler_stopped;
using coppice::stop_mode;
using coppice::stop_report;
using support::asleep;
using support::gate;
using support::living;
using support::message_of;
using support::seven;
using support::yield_until;

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

// Whoever was blocked may not have run since.
TEST(fifo_pool, C35AReportCountsEachSubmissionThatTheStopWakes) {
  constexpr std::size_t blocked = 8;
  for (int round = 0; round < support::scaled(50); ++round) {
    fifo_pool pool({.workers = 1, .queue_capacity = 1});
    std::latch begun(1), filled(1);
    pool.submit([&] {
      begun.count_down();
      filled.wait();
      yield_until([&pool] { return pool.try_submit([] {}).status == admission::stopped; });
    });
    begun.wait();
    pool.submit([] {});
    filled.count_down();
    std::vector<std::thread> submitters;
    std::vector<std::atomic<pid_t>> ids(blocked);
    for (std::atomic<pid_t>& id : ids) {
      submitters.emplace_back([&pool, &id] {
        id = gettid();
        EXPECT_THROW(pool.submit([] {}), scheduler_stopped);
      });
    }
    for (const auto& id : ids) yield_until([&id] { return id != 0 && asleep(id); });
    const auto report = pool.stop();
    const auto in_all = pool.stats().rejected;
    EXPECT_EQ(report.rejected, blocked + 1);
    for (std::thread& submitter : submitters) submitter.join();
    EXPECT_EQ(pool.stats().rejected, in_all);
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

// What a cancel reads about a running task, its worker writes anew when that has ended. Relaxed: the test
// must not order what the pool has to.
TEST(fifo_pool, C35ACancelLooksAtATaskThatEndsMeanwhile) {
  for (int round = 0; round < 20; ++round) {
    fifo_pool pool({.workers = 1, .queue_capacity = 1});
    std::atomic<bool> running{false}, over{false};
    auto task = pool.submit([&] {
      running.store(true, std::memory_order_relaxed);
      while (!over.load(std::memory_order_relaxed)) std::this_thread::yield();
    });
    while (!running.load(std::memory_order_relaxed)) std::this_thread::yield();
    std::thread ends([&] {
      while (pool.try_submit([] {}).status != admission::stopped) std::this_thread::yield();
      over.store(true, std::memory_order_relaxed);
    });
    const stop_report report = pool.stop(stop_mode::cancel);
    ends.join();
    ASSERT_EQ(report.still_running.size(), 1U);
    EXPECT_GE(report.still_running[0].age.count(), 0);
    task.get();
  }
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

}  // namespace
