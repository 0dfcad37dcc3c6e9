// Cancellation: what it stops, who may do it, what it says, how far it reaches (C-13 to C-20, C-22).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <latch>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/check.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::join;
using coppice::outcome;
using coppice::spawn;
using support::checked;
using support::collecting;
using support::failure;
using support::report_of;
using support::tracked;
namespace this_task = coppice::this_task;

class cancelling : public support::on_workers {};

TEST_ON_WORKERS(cancelling, C13NestedJoinAndGroupInACancelledJobThrow) {
  for (int i = 0; i < support::scaled(20); ++i) {
    bool first = false, second = false, third = false;  // plain on purpose
    const auto report = report_of(scheduler(), [&] {
      EXPECT_TRUE(this_task::cancel_job("test"));
      const auto never = [] { ADD_FAILURE() << "a branch of a cancelled job started"; };
      try {
        join(never, never, never);
      } catch (const coppice::cancelled&) {
        first = true;
      }
      try {
        coppice::task_group group;
        group.spawn(never);
        group.wait();
      } catch (const coppice::cancelled&) {
        second = true;
      }
      try {
        this_task::throw_if_stopped();
      } catch (const coppice::cancelled&) {
        third = true;
      }
    });
    EXPECT_TRUE(first && second && third);
    EXPECT_EQ(report.result, outcome::cancelled);
  }
}

TEST_ON_WORKERS(cancelling, C13AJoinWhoseBranchWasSkippedThrowsAndDoesNotReturn) {
  for (int i = 0; i < support::scaled(50); ++i) {
    std::atomic<bool> ran{false};
    bool returned = false;  // plain on purpose
    const auto report = report_of(scheduler(), [&] {
      join([] { this_task::cancel_job("by the first branch"); }, [&] { ran = true; });
      returned = true;
    });
    EXPECT_TRUE(!returned || ran) << "it returned as if the work were done";
    EXPECT_EQ(report.result, returned ? outcome::completed : outcome::cancelled);
  }
}

TEST_ON_WORKERS(cancelling, C13AGroupWhoseChildrenWereSkippedThrows) {
  for (int i = 0; i < support::scaled(50); ++i) {
    bool thrown = false;  // plain on purpose
    report_of(scheduler(), [&] {
      coppice::task_group group;
      for (int k = 0; k < 20; ++k) group.spawn([] {});
      this_task::cancel_job("now");
      try {
        group.wait();
      } catch (const coppice::cancelled&) {
        thrown = true;
      }
    });
    EXPECT_TRUE(thrown);
  }
}

TEST_ON_WORKERS(cancelling, C14AfterCancelHasReturnedAtMostOneFurtherTaskPerWorkerStarts) {
  for (int i = 0; i < support::scaled(20); ++i) {
    std::atomic<unsigned> started{0};
    std::latch release{1};
    auto job = scheduler().submit([&] {
      for (int k = 0; k < 500; ++k)
        spawn([&] {
          ++started;
          started.notify_all();
          release.wait();
        });
    });
    started.wait(0);
    EXPECT_TRUE(job.cancel());
    const unsigned before = started;
    release.count_down();
    const auto report = checked(job);
    EXPECT_LE(started, before + workers());
    EXPECT_EQ(report.result, outcome::cancelled);
    EXPECT_GE(report.skipped, 500U - before - workers()) << "C-15";
  }
}

TEST_ON_WORKERS(cancelling, C14TheStopIsLevelTriggered) {
  report_of(scheduler(), [] {
    EXPECT_FALSE(this_task::stop_requested());
    this_task::cancel_job("for good");
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(this_task::stop_requested());
      EXPECT_TRUE(this_task::stop_token().stop_requested());
      EXPECT_THROW(this_task::throw_if_stopped(), coppice::cancelled);
      EXPECT_THROW(join([] {}, [] {}), coppice::cancelled);
    }
    this_task::throw_if_stopped();
  });
}

TEST_ON_WORKERS(cancelling, C14C28StopCallbacksAreCalledUnderNoLock) {
  std::latch started{1};
  std::atomic<bool> called{false};
  auto job = scheduler().submit([&] {
    started.count_down();
    called.wait(false);
  });
  started.wait();
  // Each of these takes a lock of the job: under it the callback would stand still for ever.
  const std::stop_callback react(job.stop_token(), [&] {
    EXPECT_FALSE(job.cancel("again"));
    EXPECT_FALSE(job.done());
    EXPECT_TRUE(job.stop_token().stop_requested());
    called = true;
    called.notify_all();
  });
  EXPECT_TRUE(job.cancel("first"));
  EXPECT_TRUE(called);
  checked(job);
}

// One job's end takes the others along: by a callback of its stop, by a task of it, by the task itself.
TEST_ON_WORKERS(cancelling, C19AJobMayBeCancelledByAStopCallbackAndByATaskOfAnotherJob) {
  std::latch running{3};
  const auto until_stopped = [&] {
    running.count_down();
    support::fork_until([] { return false; });  // left by `cancelled` only
  };
  coppice::scheduler other({.workers = 3});
  auto first = other.submit(until_stopped, {.name = "first"});
  auto second = other.submit(until_stopped, {.name = "second"});
  auto third = other.submit(until_stopped, {.name = "third"});
  running.wait();
  const std::stop_callback take_along(first.stop_token(),
                                      [&] { EXPECT_TRUE(second.cancel("with the first")); });
  scheduler().run([&] { EXPECT_TRUE(third.cancel("by a task")); });
  EXPECT_TRUE(first.cancel("enough"));
  EXPECT_EQ(checked(second).cancel->reason, "with the first");
  EXPECT_EQ(checked(third).cancel->reason, "by a task");
  EXPECT_EQ(checked(first).result, coppice::outcome::cancelled);
  EXPECT_EQ(second.wait().result, coppice::outcome::cancelled);
}

TEST_ON_WORKERS(cancelling, C14AWaitInACancelledJobThrowsAlsoIfItLostNothing) {
  const auto report = report_of(scheduler(), [] {
    coppice::task_group group;
    EXPECT_NO_THROW(group.wait());
    coppice::this_task::cancel_job("enough");
    EXPECT_THROW(group.wait(), coppice::cancelled);
  });
  EXPECT_EQ(report.result, coppice::outcome::completed);
}

TEST_ON_WORKERS(cancelling, C15ARunningTaskFinishesAndAQueuedJobNeverStarts) {
  std::latch release{1};
  std::atomic<unsigned> standing{0};
  std::vector<coppice::job<int>> holders;
  for (unsigned i = 0; i < workers(); ++i)
    holders.push_back(scheduler().submit([&] {
      ++standing;
      release.wait();
      return 7;
    }));
  while (standing != workers()) std::this_thread::yield();
  auto queued = scheduler().submit([t = tracked()] { ADD_FAILURE() << "must not start"; });
  EXPECT_TRUE(queued.cancel("not wanted"));
  for (auto& h : holders) EXPECT_TRUE(h.cancel());
  release.count_down();
  const auto report = checked(queued);
  EXPECT_EQ(tracked::live(), 0) << "C-07";
  EXPECT_EQ(report.skipped, 1U);
  EXPECT_EQ(report.result, outcome::cancelled);
  for (auto& h : holders) {
    EXPECT_EQ(checked(h).result, outcome::completed) << "nothing of it was lost";
    EXPECT_EQ(h.get(), 7);
  }
}

TEST_ON_WORKERS(cancelling, C16CancelledIsNoStdExceptionAndCountsAsCancelled) {
  static_assert(!std::is_base_of_v<std::exception, coppice::cancelled>);
  const auto report = report_of(scheduler(), [] {
    this_task::cancel_job("test");
    try {
      this_task::throw_if_stopped();
    } catch (const std::exception&) {
      ADD_FAILURE() << "eaten";
    }
  });
  EXPECT_EQ(report.result, outcome::cancelled);
  EXPECT_EQ(report.cancelled, 1U);
  EXPECT_EQ(report.errors_total, 0U);
}

TEST_ON_WORKERS(cancelling, C16CancelledThrownInAJobThatIsNotIsAnOrdinaryError) {
  const auto report = report_of(scheduler(), [] { throw coppice::cancelled{}; });
  EXPECT_EQ(report.result, outcome::failed);
  EXPECT_EQ(report.errors_total, 1U);
}

TEST_ON_WORKERS(cancelling, C17TheRecordNamesWhoWhyAndWhen) {
  const auto before = std::chrono::steady_clock::now();
  const auto inside = report_of(scheduler(), [] {
    spawn([] {});
    coppice::task_group group;
    group.spawn([] { join([] {}, [] { this_task::cancel_job("found it"); }); });
    group.wait();
  });
  const auto after = std::chrono::steady_clock::now();
  ASSERT_TRUE(inside.cancel.has_value());
  EXPECT_EQ(inside.cancel->by, "root/1/1");
  EXPECT_EQ(inside.cancel->reason, "found it");
  EXPECT_TRUE(before <= inside.cancel->when && inside.cancel->when <= after);

  std::latch started{1};
  auto job = scheduler().submit([&] {
    started.count_down();
    support::fork_until([] { return false; });
  });
  started.wait();
  EXPECT_TRUE(job.cancel("enough"));
  const auto outside = checked(job);
  ASSERT_TRUE(outside.cancel.has_value());
  EXPECT_EQ(outside.cancel->by, "outside");
  EXPECT_EQ(outside.cancel->reason, "enough");
  EXPECT_EQ(outside.cancel->running, 1U);
  try {
    job.get();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const coppice::job_cancelled& e) {
    EXPECT_NE(std::string(e.what()).find("enough"), std::string::npos) << e.what();
    EXPECT_THROW(e.rethrow_primary(), coppice::job_cancelled);
  }
}

TEST_ON_WORKERS(cancelling, C17TheRecordCountsTheTasksThatWereRunning) {
  std::atomic<unsigned> standing{0};
  std::latch release{1};
  auto job = scheduler().submit([&] {
    for (unsigned k = 0; k < workers(); ++k)
      spawn([&] {
        ++standing;
        support::fork_until([&] { return standing == workers(); });
        release.wait();
      });
  });
  while (standing != workers()) std::this_thread::yield();
  EXPECT_TRUE(job.cancel());
  release.count_down();
  const auto report = checked(job);
  EXPECT_EQ(report.cancel->running, workers());
}

TEST_ON_WORKERS(cancelling, C17UnderFailFastTheErrorIsRecordedBeforeTheStopIsSeen) {
  for (int i = 0; i < support::scaled(20); ++i) {
    const auto report = report_of(scheduler(), [] {
      for (int k = 0; k < 20; ++k) spawn([] { throw failure("first"); });
    });
    ASSERT_TRUE(report.cancel.has_value());
    ASSERT_FALSE(report.errors.empty());
    const auto& by = report.cancel->by;
    const auto at =
        std::find_if(report.errors.begin(), report.errors.end(), [&](const auto& e) { return e.path == by; });
    ASSERT_NE(at, report.errors.end()) << report;
    EXPECT_FALSE(at->after_cancel);
  }
}

TEST_ON_WORKERS(cancelling, C18ErrorsAfterACancelAreKeptAndFlagged) {
  for (const auto& policy : {coppice::error_policy::fail_fast(), coppice::error_policy::collect_all()}) {
    const auto report = report_of(scheduler(),
                                  [] {
                                    this_task::cancel_job("before");
                                    throw failure("after");
                                  },
                                  {.errors = policy});
    EXPECT_EQ(report.result, outcome::failed) << "C-22: an error goes before a cancel";
    EXPECT_EQ(support::lines(report), std::vector<std::string>{"root after after_cancel"});
    EXPECT_EQ(report.cancel->reason, "before") << "the first cancel wins";
  }
}

TEST_ON_WORKERS(cancelling, C19OfManyWhoCancelExactlyOneIsTold) {
  for (int i = 0; i < support::scaled(20); ++i) {
    std::atomic<int> told{0};
    std::latch together{6};
    auto job = scheduler().submit([&] {
      together.arrive_and_wait();
      told += this_task::cancel_job("itself") ? 1 : 0;
    });
    std::vector<std::thread> threads;
    for (int t = 0; t < 5; ++t)
      threads.emplace_back([&] {
        together.arrive_and_wait();
        told += job.cancel("another") ? 1 : 0;
      });
    for (auto& t : threads) t.join();
    checked(job);
    EXPECT_EQ(told, 1);
  }
}

TEST_ON_WORKERS(cancelling, C19CancellingAJobThatHasEndedSaysFalseAndChangesNothing) {
  auto job = scheduler().submit([] { return 3; });
  checked(job);
  EXPECT_FALSE(job.cancel("late"));
  EXPECT_FALSE(job.wait().cancel.has_value());
  EXPECT_EQ(job.get(), 3);
}

TEST_ON_WORKERS(cancelling, C22LosingNothingIsCompletedAlthoughItWasCancelled) {
  const auto report = report_of(scheduler(), [] { this_task::cancel_job("at the very end"); });
  EXPECT_EQ(report.result, outcome::completed);
  EXPECT_EQ(report.succeeded, 1U);
  EXPECT_TRUE(report.cancel.has_value());
}

}  // namespace
