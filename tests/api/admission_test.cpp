// Who is let in: the bound on submitters from outside (C-31), and what a stop means for those under way
// (C-34).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "support/busy.hpp"
#include "support/check.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using coppice::admission;
using coppice::outcome;
using coppice::stop_mode;
using support::checked;
using support::tracked;

class admitting : public support::on_workers {};

TEST_ON_WORKERS(admitting, C31SubmittersFromOutsideBlockWhileTheQueueIsFullAndThenGoOn) {
  coppice::scheduler narrow({.workers = workers(), .injection_capacity = 2});
  support::busy_workers busy(narrow);
  std::atomic<int> ran{0};
  std::vector<coppice::job<void>> queued;
  for (int i = 0; i < 2; ++i) queued.push_back(narrow.submit([&] { ++ran; }));
  auto closure = [v = std::make_unique<int>(8)] { return *v; };
  auto answer = narrow.try_submit(std::move(closure));
  EXPECT_EQ(answer.status, admission::full);
  EXPECT_FALSE(answer.job.valid());
  EXPECT_EQ(closure(), 8) << "untouched";
  support::submitters blocked(narrow, 5, [&] { ++ran; });
  EXPECT_TRUE(blocked.all_blocked());
  EXPECT_EQ(narrow.stats().jobs, workers() + 2U);
  EXPECT_EQ(ran, 0);
  busy.release();
  const auto ends = blocked.join();
  for (auto& q : queued) checked(q);
  EXPECT_EQ(ends.refused + ends.unfinished, 0);
  EXPECT_EQ(ran, 7);
  EXPECT_EQ(narrow.run([&] { return narrow.try_submit([] { return 3; }).job.get(); }), 3)
      << "there is room again";
}

TEST_ON_WORKERS(admitting, C31ASubmissionWithADeadlineDoesNotBlockBeyondIt) {
  coppice::scheduler narrow({.workers = workers(), .injection_capacity = 1});
  support::busy_workers busy(narrow);
  auto queued = narrow.submit([] {});
  auto late = narrow.submit([] { ADD_FAILURE() << "must not run"; }, {.deadline = clock_type::now() + 2ms});
  busy.release();
  EXPECT_EQ(checked(late).result, outcome::deadline_exceeded);
  EXPECT_EQ(checked(queued).result, outcome::completed);
}

TEST_ON_WORKERS(admitting, C31AWorkerNeverBlocksInSubmit) {
  coppice::scheduler narrow({.workers = workers(), .injection_capacity = 1});
  EXPECT_EQ(narrow.run([&] {
    std::vector<coppice::job<int>> jobs;
    for (int i = 0; i < 100; ++i) jobs.push_back(narrow.submit([] { return 1; }));
    int sum = 0;
    for (auto& j : jobs) sum += j.get();
    return sum;
  }),
            100);
}

TEST_ON_WORKERS(admitting, C34BlockedSubmittersWakeWithSchedulerStopped) {
  for (const auto mode : {stop_mode::drain, stop_mode::cancel}) {
    coppice::scheduler narrow({.workers = workers(), .injection_capacity = 1});
    support::busy_workers busy(narrow);
    auto queued = narrow.submit([t = tracked()] {});
    support::submitters blocked(narrow, 4, [] { ADD_FAILURE() << "must not run"; });
    std::thread stopper([&] { narrow.stop(mode); });
    EXPECT_EQ(blocked.join().refused, 4);
    while (mode == stop_mode::cancel && !queued.stop_token().stop_requested()) std::this_thread::yield();
    busy.release();
    stopper.join();
    EXPECT_TRUE(queued.done());
    EXPECT_EQ(checked(queued).result, mode == stop_mode::drain ? outcome::completed : outcome::cancelled);
    EXPECT_EQ(narrow.stop().rejected, 4U);
  }
}

// A closure that lets time pass while it is moved in.
struct slow_to_move {
  slow_to_move(std::function<void()> while_moving) : moving(std::move(while_moving)) {}
  slow_to_move(slow_to_move&& other) : moving(std::exchange(other.moving, nullptr)) {
    if (moving != nullptr) std::exchange(moving, nullptr)();
  }
  slow_to_move(const slow_to_move&) = delete;
  slow_to_move& operator=(const slow_to_move&) = delete;
  slow_to_move& operator=(slow_to_move&&) = delete;
  ~slow_to_move() = default;
  int operator()() const { return 1; }
  std::function<void()> moving;
};

TEST_ON_WORKERS(admitting, C34ASubmissionThatStopOvertakesEitherRunsOrIsRefused) {
  std::atomic<bool> stopped{false};
  std::thread stopper;
  slow_to_move closure([&] {
    stopper = std::thread([&] {
      scheduler().stop();
      stopped = true;
    });
    support::wait_until_closed(scheduler());
    // A stop that does not wait for this submission is over soon; one that does waits for it.
    for (int i = 0; i < 1000 && !stopped; ++i) std::this_thread::yield();
  });
  std::optional<coppice::job<int>> accepted;
  try {
    accepted = scheduler().submit(std::move(closure));
  } catch (const coppice::scheduler_stopped&) {
    stopper.join();
    return;
  }
  if (accepted->wait_until(clock_type::now() + 20s)) {
    EXPECT_EQ(accepted->get(), 1);
    stopper.join();
  } else {
    // Nothing can be cleaned up: nobody is left who could end the job.
    std::fputs("a job was accepted and nobody runs it\n", stderr);
    std::abort();
  }
}

}  // namespace
