// Deadlines: a cancel with its own reason (C-21, C-22). No test measures time: a task polls until the stop
// comes.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/check.hpp"
#include "support/process.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using coppice::outcome;
using support::checked;
using support::failure;
using support::report_of;
namespace this_task = coppice::this_task;

class deadlines : public support::on_workers {};

// Runs f in jobs with ever later deadlines until one of them was reached after f had begun, and gives that
// one's report: how long a busy machine takes to begin is nobody's promise.
template <class F>
coppice::job_report report_of_a_late(coppice::scheduler& s, F f, coppice::job_options options = {}) {
  for (auto limit = 5ms;; limit *= 4) {
    bool begun = false;  // plain on purpose
    options.deadline = clock_type::now() + limit;
    auto report = report_of(
        s,
        [&] {
          begun = true;
          f();
        },
        options);
    if (begun) return report;
    EXPECT_EQ(report.result, outcome::deadline_exceeded);
    EXPECT_EQ(report.skipped, 1U);
  }
}

void poll() {
  while (!this_task::stop_requested()) std::this_thread::yield();
}

// The timer sleeps until the first of them, whatever comes and goes before.
TEST(timers, C21AreNotWokenByEachJobOfManyWithTheSameTimeLimit) {
  coppice::scheduler s({.workers = 1, .name = "limited"});
  const auto run_one = [&] { s.submit([] {}, {.deadline = clock_type::now() + 1h}).get(); };
  run_one();
  const pid_t timer = support::thread_named("limited-timer");
  support::wait_until_asleep(timer, [] { return false; });
  const auto before = support::sleeps_of(timer);
  ASSERT_GT(before, 0U);
  for (int i = 0; i < 200; ++i) run_one();
  EXPECT_LE(support::sleeps_of(timer), before + 10);  // 1, and what the system does to it
}

TEST_ON_WORKERS(deadlines, C21AFarDeadlineChangesNothing) {
  std::chrono::nanoseconds left{0};
  const auto report =
      report_of(scheduler(), [&] { left = this_task::remaining(); }, {.deadline = clock_type::now() + 1h});
  EXPECT_EQ(report.result, outcome::completed);
  EXPECT_FALSE(report.cancel.has_value());
  EXPECT_GT(left, 0ns);
  EXPECT_LE(left, 1h);
}

TEST_ON_WORKERS(deadlines, WithoutADeadlineTheTimeLeftIsTheLongestThereIs) {
  EXPECT_EQ(this_task::remaining(), std::chrono::nanoseconds::max());
  EXPECT_EQ(scheduler().run([] { return this_task::remaining(); }), std::chrono::nanoseconds::max());
}

TEST_ON_WORKERS(deadlines, C21APastDeadlineRunsNoBody) {
  for (const auto when : {clock_type::now() - 1h, clock_type::now(), clock_type::time_point::min()}) {
    auto job =
        scheduler().submit([t = support::tracked()] { ADD_FAILURE() << "must not run"; }, {.deadline = when});
    const auto report = checked(job);
    EXPECT_EQ(support::tracked::live(), 0) << "C-07";
    EXPECT_EQ(report.result, outcome::deadline_exceeded);
    EXPECT_EQ(report.skipped, 1U);
    EXPECT_THROW(job.get(), coppice::job_deadline_exceeded);
  }
}

TEST_ON_WORKERS(deadlines, C21ADeadlineReachedWhileATaskPollsIsSeen) {
  std::chrono::nanoseconds left{1};
  const auto report = report_of_a_late(scheduler(),
                                       [&] {
                                         for (int i = 0; i < 100; ++i) coppice::spawn(poll);
                                         poll();
                                         left = this_task::remaining();
                                         this_task::throw_if_stopped();
                                       },
                                       {.name = "slow"});
  EXPECT_EQ(left, 0ns);
  EXPECT_EQ(report.result, outcome::deadline_exceeded);
  ASSERT_TRUE(report.cancel.has_value());
  EXPECT_NE(report.cancel->reason.find("deadline"), std::string::npos) << report.cancel->reason;
  EXPECT_GE(report.cancel->running, 1U);
}

// Of what it takes, each page is touched from the top on, as a deep call does it.
void use_half_a_mebibyte_of_stack() {
  volatile char room[512 * 1024];
  for (std::size_t i = sizeof room; i > 0; i -= 1024) room[i - 1] = 1;
}

TEST_ON_WORKERS(deadlines, ACallbackHasAsMuchStackWhenTheDeadlineIsReachedAsInACancel) {
  std::atomic<int> called{0};
  const auto ends_in_the_callback = [&] {
    const std::stop_callback react(this_task::stop_token(), [&] {
      use_half_a_mebibyte_of_stack();
      ++called;
    });
    while (called == 0) std::this_thread::yield();
  };
  report_of(scheduler(), [&] {
    const std::stop_callback react(this_task::stop_token(), use_half_a_mebibyte_of_stack);
    EXPECT_TRUE(this_task::cancel_job("by hand"));
  });
  report_of_a_late(scheduler(), ends_in_the_callback);
}

TEST_ON_WORKERS(deadlines, C21ADeadlineIsSeenAtAFork) {
  const auto report = report_of_a_late(scheduler(), [] { support::fork_until([] { return false; }); });
  EXPECT_EQ(report.result, outcome::deadline_exceeded);
  EXPECT_EQ(report.cancelled, 1U);
}

TEST_ON_WORKERS(deadlines, C21IfNothingWasLostTheOutcomeIsCompleted) {
  const auto report = report_of_a_late(scheduler(), poll);
  EXPECT_EQ(report.result, outcome::completed);
  EXPECT_TRUE(report.cancel.has_value());
}

TEST_ON_WORKERS(deadlines, C23GetThrowsJobDeadlineExceededWithASummary) {
  auto job = scheduler().submit([] {}, {.name = "slow", .deadline = clock_type::now()});
  try {
    job.get();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const coppice::job_deadline_exceeded& e) {
    for (const char* part : {"slow", "deadline"})
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_EQ(&e.report(), &job.wait());
    EXPECT_THROW(e.rethrow_primary(), coppice::job_deadline_exceeded);
  }
}

TEST_ON_WORKERS(deadlines, C22AnErrorGoesBeforeTheDeadline) {
  const auto report = report_of_a_late(scheduler(), [] {
    poll();
    throw failure("after the deadline");
  });
  EXPECT_EQ(report.result, outcome::failed);
  EXPECT_EQ(support::lines(report), std::vector<std::string>{"root after the deadline after_cancel"});
}

TEST_ON_WORKERS(deadlines, C22TheFirstReasonNamesTheOutcome) {
  bool first = false;  // plain on purpose
  coppice::job_report report;
  while (!first)
    report = report_of_a_late(scheduler(), [&] {
      first = this_task::cancel_job("before the deadline");
      while (this_task::remaining() > 0ns) std::this_thread::yield();
      this_task::throw_if_stopped();
    });
  EXPECT_EQ(report.result, outcome::cancelled);
  EXPECT_EQ(report.cancel->reason, "before the deadline");
}

TEST_ON_WORKERS(deadlines, C21ManyDeadlinesAreWatchedAtATime) {
  std::vector<coppice::job<void>> jobs;
  const auto now = clock_type::now();
  for (int i = 0; i < 50; ++i) {
    const auto when = i % 2 == 0 ? now + std::chrono::milliseconds(50 - i) : now + 1h;
    jobs.push_back(scheduler().submit(
        [near = i % 2 == 0] {
          if (near) poll();
          this_task::throw_if_stopped();
        },
        {.deadline = when}));
  }
  for (std::size_t i = 0; i < jobs.size(); ++i)
    EXPECT_EQ(checked(jobs[i]).result, i % 2 == 0 ? outcome::deadline_exceeded : outcome::completed);
}

}  // namespace
