// Jobs submitted from within jobs: cancellation and deadlines go down, errors go up only by being thrown
// (C-20, C-21), waits inside tasks do not stand still (C-30, C-31, C-36).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <exception>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/busy.hpp"
#include "support/check.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using coppice::outcome;
using support::checked;
using support::failure;
using support::report_of;
namespace this_task = coppice::this_task;

class inner_jobs : public support::on_workers {};

void poll_until_stopped() {
  while (!this_task::stop_requested()) std::this_thread::yield();
  this_task::throw_if_stopped();
}

TEST_ON_WORKERS(inner_jobs, RunAndGetInsideOfATaskDoNotStandStill) {
  for (int i = 0; i < support::scaled(20); ++i)
    EXPECT_EQ(scheduler().run([&] {
      int sum = scheduler().run([] { return 1; });
      std::vector<coppice::job<int>> jobs;
      for (int k = 0; k < 10; ++k)
        jobs.push_back(scheduler().submit([&, k] { return k + scheduler().run([] { return 100; }); }));
      for (auto& j : jobs) sum += j.get();
      return sum;
    }),
              1 + 45 + 1000);
}

long nested_fib(coppice::scheduler& s, int n) {
  if (n < 2) return n;
  auto a = s.submit([&s, n] { return nested_fib(s, n - 1); });
  const long b = s.run([&s, n] { return nested_fib(s, n - 2); });
  return a.get() + b;
}

TEST_ON_WORKERS(inner_jobs, C31ATreeOfNestedJobsRunsThroughAQueueWithOnePlace) {
  coppice::scheduler narrow({.workers = workers(), .injection_capacity = 1});
  EXPECT_EQ(narrow.run([&] { return nested_fib(narrow, 12); }), 144);
}

TEST_ON_WORKERS(inner_jobs, ATaskThatWaitsForAnInnerJobSeesWhatItWrote) {
  for (int i = 0; i < support::scaled(50); ++i)
    scheduler().run([&] {
      int written = 0;  // plain on purpose
      auto inner = scheduler().submit([&] { coppice::spawn([&, t = support::tracked()] { written = 1; }); });
      checked(inner);
      EXPECT_EQ(written, 1);
      EXPECT_EQ(support::tracked::live(), 0) << "C-07";
    });
}

TEST_ON_WORKERS(inner_jobs, C20CancellingTheOuterJobCancelsTheInnerOneUnlessItIsShielded) {
  std::latch started{1};
  std::atomic<bool> outer_is_cancelled{false};
  coppice::job_report inner_report, shielded_report;
  auto outer = scheduler().submit([&] {
    {
      auto shielded = scheduler().submit(
          [&] {
            started.count_down();
            while (!outer_is_cancelled) std::this_thread::yield();
            EXPECT_FALSE(this_task::stop_requested());
          },
          {.shield = true});
      shielded_report = checked(shielded);
    }
    auto inner = scheduler().submit(poll_until_stopped);
    inner_report = checked(inner);
  });
  started.wait();
  EXPECT_TRUE(outer.cancel("outer"));
  outer_is_cancelled = true;
  checked(outer);
  EXPECT_EQ(shielded_report.result, outcome::completed);
  EXPECT_FALSE(shielded_report.cancel.has_value());
  EXPECT_EQ(inner_report.result, outcome::cancelled) << "submitted after the cancel";
}

TEST_ON_WORKERS(inner_jobs, C20ACancelReachesInnerJobsThatRun) {
  std::latch started{1};
  auto outer = scheduler().submit([&] {
    auto inner = scheduler().submit([&] {
      scheduler().run([&] {
        started.count_down();
        poll_until_stopped();
      });
    });
    EXPECT_EQ(checked(inner).result, outcome::failed) << "it let job_cancelled pass";
    EXPECT_TRUE(this_task::stop_requested());
    this_task::throw_if_stopped();
  });
  started.wait();
  EXPECT_TRUE(outer.cancel());
  EXPECT_EQ(checked(outer).result, outcome::cancelled);
}

TEST_ON_WORKERS(inner_jobs, C20NothingGoesUpUnlessItIsThrown) {
  const auto report = report_of(scheduler(), [&] {
    auto cancelled = scheduler().submit([] {
      this_task::cancel_job("inner");
      this_task::throw_if_stopped();
    });
    EXPECT_EQ(checked(cancelled).result, outcome::cancelled);
    auto failed = scheduler().submit([] { throw failure("inner"); });
    EXPECT_EQ(checked(failed).result, outcome::failed);
    EXPECT_FALSE(this_task::stop_requested());
    coppice::join([] {}, [] {});
  });
  EXPECT_EQ(report.result, outcome::completed);
  EXPECT_FALSE(report.cancel.has_value());

  const auto thrown = report_of(scheduler(), [&] { scheduler().run([] { throw failure("inner"); }); });
  EXPECT_EQ(thrown.result, outcome::failed);
  ASSERT_EQ(thrown.errors.size(), 1U);
  EXPECT_NE(thrown.errors[0].type.find("job_error"), std::string::npos);
}

// Two inner jobs fail, and the outer one meets both errors: a group hands up one, and keeps the other.
void fail_in_inner_jobs(coppice::scheduler& s, const std::shared_ptr<int>& held) {
  struct holding : std::runtime_error {
    explicit holding(std::shared_ptr<int> h) : std::runtime_error("inner"), kept(std::move(h)) {}
    std::shared_ptr<int> kept;
  };
  coppice::task_group g;
  for (int i = 0; i < 2; ++i) g.spawn([&s, &held] { s.submit([&held] { throw holding(held); }).get(); });
  g.wait();
}

TEST_ON_WORKERS(inner_jobs, ErrorsThatAnOuterJobHasHandledDieWithItsHandle) {
  const auto held = std::make_shared<int>(0);
  {
    auto job = scheduler().submit([&] {
      try {
        fail_in_inner_jobs(scheduler(), held);
      } catch (const coppice::job_error&) {
        return true;
      }
      return false;
    });
    EXPECT_TRUE(job.get());
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_ON_WORKERS(inner_jobs, ErrorsOfInnerJobsDieWithTheReportThatHoldsThem) {
  const auto held = std::make_shared<int>(0);
  {
    auto job = scheduler().submit([&] { fail_in_inner_jobs(scheduler(), held); },
                                  {.errors = coppice::error_policy::collect_all()});
    EXPECT_EQ(job.wait().errors_total, 2u);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_ON_WORKERS(inner_jobs, AnErrorOfAnInnerJobHandedOutAsTheValueDiesWithAHandleThatIsLetGoLate) {
  const auto held = std::make_shared<int>(0);
  auto job = scheduler().submit([&] {
    try {
      fail_in_inner_jobs(scheduler(), held);
    } catch (...) {
      return std::current_exception();
    }
    return std::exception_ptr();
  });
  EXPECT_EQ(job.wait().result, outcome::completed);
  job.detach();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_ON_WORKERS(inner_jobs, C21AnInnerDeadlineIsNeverLaterThanTheOuterOne) {
  const auto now = std::chrono::steady_clock::now();
  report_of(scheduler(),
            [&] {
              const auto limit = this_task::remaining();
              EXPECT_GT(limit, 0ns);
              EXPECT_LE(limit, 1h);
              const auto of_inner = [&](coppice::job_options o) {
                return scheduler().run([] { return this_task::remaining(); }, std::move(o));
              };
              EXPECT_LE(of_inner({}), limit);
              EXPECT_LE(of_inner({.deadline = now + 2h}), limit);
              EXPECT_LE(of_inner({.deadline = now + 2h, .shield = true}), limit);
              EXPECT_LE(of_inner({.deadline = now + 30min}), 30min);
              EXPECT_GT(of_inner({.deadline = now + 30min}), 0ns);
            },
            {.deadline = now + 1h});
}

TEST_ON_WORKERS(inner_jobs, C30AWaitForTheOwnJobThrowsWouldDeadlock) {
  std::latch handed_over{1};
  coppice::job<void> job;
  job = scheduler().submit(
      [&] {
        handed_over.wait();
        EXPECT_THROW(job.wait(), coppice::would_deadlock);
        coppice::join([&] { EXPECT_THROW(job.get(), coppice::would_deadlock); },
                      [&] { EXPECT_THROW(job.wait(), coppice::would_deadlock); });
        coppice::spawn([&] {
          try {
            job.wait();
            ADD_FAILURE() << "waited for itself";
          } catch (const coppice::would_deadlock& e) {
            EXPECT_NE(std::string(e.what()).find("mine"), std::string::npos)
                << "it names the job: " << e.what();
          }
        });
      },
      {.name = "mine"});
  handed_over.count_down();
  while (!job.done()) std::this_thread::yield();
  EXPECT_EQ(checked(job).result, outcome::completed);
}

TEST_ON_WORKERS(inner_jobs, C30AWaitForAnAncestorThrowsWouldDeadlockAlsoThroughAnotherScheduler) {
  coppice::scheduler other({.workers = 2, .name = "other"});
  std::latch handed_over{1};
  coppice::job<void> job;
  job = scheduler().submit(
      [&] {
        handed_over.wait();
        const auto wait_for_outer = [&] {
          try {
            job.wait();
            ADD_FAILURE() << "waited for an ancestor";
          } catch (const coppice::would_deadlock& e) {
            const std::string chain = e.what();
            for (const char* part : {"grandchild", "child", "ancestor"})
              EXPECT_NE(chain.find(part), std::string::npos) << chain;
          }
        };
        scheduler().run([&] { scheduler().run(wait_for_outer, {.name = "grandchild"}); }, {.name = "child"});
        other.run([&] { other.run(wait_for_outer, {.name = "grandchild"}); }, {.name = "child"});
      },
      {.name = "ancestor"});
  handed_over.count_down();
  while (!job.done()) std::this_thread::yield();
  EXPECT_EQ(checked(job).result, outcome::completed);
}

TEST_ON_WORKERS(inner_jobs, C36TwoSchedulersAreIndependentAndMayCallEachOther) {
  coppice::scheduler other({.workers = workers(), .name = "other"});
  const auto here = [] { return std::pair(std::this_thread::get_id(), this_task::worker()); };
  EXPECT_EQ(scheduler().run([&] {
    const auto mine = here();
    const int sum = 1 + other.run([&] {
      const auto theirs = here();
      const int back_again = 2 + scheduler().run([&] { return 3 + other.run([] { return 4; }); });
      EXPECT_EQ(here(), theirs);
      return back_again;
    });
    EXPECT_EQ(here(), mine);
    return sum;
  }),
            10);
  other.stop();
  EXPECT_THROW(other.run([] {}), coppice::scheduler_stopped);
  EXPECT_EQ(scheduler().run([] { return 2; }), 2);
}

TEST_ON_WORKERS(inner_jobs, C36AJobRunsOnTheWorkersOfItsOwnSchedulerWhoeverWaitsForIt) {
  coppice::scheduler other({.workers = workers(), .name = "other"});
  // Nobody else lends a hand while all its workers are busy: the waiter counts for another scheduler.
  support::busy_workers busy(other);
  std::atomic<pid_t> waiter{0};
  std::atomic<bool> ran{false};
  auto outer = scheduler().submit([&] {
    const auto mine = std::this_thread::get_id();
    auto job = other.submit([&] {
      ran = true;
      EXPECT_NE(std::this_thread::get_id(), mine);
    });
    EXPECT_FALSE(job.wait_until(std::chrono::steady_clock::now()));
    EXPECT_FALSE(ran);
    waiter = support::this_thread_number();
    checked(job);
  });
  while (waiter == 0) std::this_thread::yield();
  support::wait_until_asleep(waiter, [&] { return ran.load(); });
  EXPECT_FALSE(ran);
  busy.release();
  checked(outer);
  EXPECT_TRUE(ran);
}

TEST_ON_WORKERS(inner_jobs, C14C36ACancelReachesAJobThatATaskOfAnotherSchedulerWaitsFor) {
  coppice::scheduler other({.workers = workers(), .name = "other"});
  support::busy_workers busy(other);
  std::atomic<pid_t> waiter{0};
  std::atomic<bool> started{false}, given_up{false};
  coppice::job<void> inner;
  auto outer = scheduler().submit([&] {
    inner = other.submit([&] {
      started = true;
      support::fork_until([&] { return given_up.load(); });
    });
    waiter = support::this_thread_number();
    checked(inner);
  });
  while (waiter == 0) std::this_thread::yield();
  support::wait_until_asleep(waiter, [&] { return started.load(); });
  busy.release();
  while (!started) std::this_thread::yield();
  EXPECT_TRUE(inner.cancel());
  // So many that a fork which sees the cancel has seen it.
  for (int i = 0; i < 100'000 && !inner.done(); ++i) std::this_thread::yield();
  EXPECT_TRUE(inner.done()) << "its forks do not hear of the cancel";
  given_up = true;
  checked(outer);
}

}  // namespace
