// task_group in other hands than those of the tasks of its scheduler: outside of any task (C-01, C-07, C-08,
// C-27), by threads outside and by tasks of another scheduler (C-11, C-15, C-36).
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <coppice/coppice.hpp>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::task_group;
using support::failure;
using support::lines;
using support::report_of;
using support::tracked;

class grouping_from_outside : public support::on_workers {};

TEST(grouping_serially, OutsideOfASchedulerChildrenRunAtOnceInOrder) {
  std::vector<int> order;
  task_group group;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(group.spawn([&order, i] { order.push_back(i); }));
    EXPECT_EQ(order.size(), static_cast<std::size_t>(i) + 1);
  }
  group.wait();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
}

TEST(grouping_serially, OutsideOfASchedulerTheFirstFailureStopsTheRestAndComesOutOfWaitOnce) {
  int ran = 0;
  task_group group;
  EXPECT_TRUE(group.spawn([] { throw failure("first"); }));
  EXPECT_FALSE(group.spawn([&] { ++ran; }));
  EXPECT_EQ(support::failure_of([&] { group.wait(); }), "first");
  EXPECT_NO_THROW(group.wait());
  EXPECT_TRUE(group.spawn([&] { ++ran; })) << "a group can be used again";
  group.wait();
  EXPECT_EQ(ran, 1);
}

TEST(grouping_serially, C27AFailureThatNobodyWaitedForGoesToTheHandlerUnlessAnotherIsUnderWay) {
  static std::vector<std::string> heard;  // NOLINT: the handler is a plain function
  heard.clear();
  coppice::set_unobserved_error_handler(
      [](const coppice::job_report& r) { heard.push_back(r.errors.at(0).message); });
  {
    coppice::task_group group;
    group.spawn([] { throw support::failure("alone"); });
  }
  EXPECT_EQ(heard, std::vector<std::string>{"alone"});
  try {
    coppice::task_group group;
    group.spawn([] { throw support::failure("first"); });
    throw support::failure("second");
  } catch (const support::failure& e) {
    EXPECT_STREQ(e.what(), "second");
  }
  EXPECT_EQ(heard.size(), 1U);
  coppice::set_unobserved_error_handler(nullptr);
}

// A task of another scheduler spawns into the group: the child is that one's, and so is what it forks. Nobody
// there is idle but the worker that has taken the child, so what is forked could go to the waiter alone.
TEST_ON_WORKERS(grouping_from_outside, C36AWaitTakesNothingFromAnotherScheduler) {
  coppice::scheduler other({.workers = 2});
  for (int i = 0; i < support::scaled(20) && !HasFailure(); ++i) {
    std::latch taken{1}, over{1};
    coppice::job<void> theirs;
    scheduler().run([&] {
      task_group group;
      theirs = other.submit([&] {
        group.spawn([&] {
          const auto self = std::this_thread::get_id();
          taken.count_down();
          for (int fork = 0; fork < 500 && !HasFailure(); ++fork)
            coppice::join([] { std::this_thread::yield(); },
                          [&] { EXPECT_EQ(std::this_thread::get_id(), self); });
          over.count_down();
        });
        support::fork_until([&] { return taken.try_wait(); });
        over.wait();
      });
      taken.wait();
      group.wait();
    });
    support::checked(theirs);
  }
}

// Of two threads that fail at the same time. That both write the error only the thread sanitizer sees for
// sure.
TEST(grouping_serially, TwoThreadsOutsideWhoseChildrenFailLeaveOneErrorToTheWait) {
  struct error {
    tracked t;
  };
  std::optional<task_group> group;
  std::barrier both{2};
  const int rounds = support::scaled(2000);
  const auto fails = [&] {
    both.arrive_and_wait();
    group->spawn([] { throw error(); });
    both.arrive_and_wait();
  };
  std::thread other([&] {
    for (int i = 0; i < rounds; ++i) fails();
  });
  int wrong = 0;
  for (int i = 0; i < rounds; ++i) {
    const long before = tracked::live();
    group.emplace();
    fails();
    EXPECT_THROW(group->wait(), error);
    EXPECT_NO_THROW(group->wait());
    wrong += tracked::live() != before;
  }
  other.join();
  EXPECT_EQ(wrong, 0);
}

// Throws when it is called, if it is to, and when it ends.
class throws_as_it_ends {
 public:
  explicit throws_as_it_ends(bool also_before) : also_before_(also_before) {}
  throws_as_it_ends(throws_as_it_ends&& other) noexcept
      : also_before_(other.also_before_), lives_(std::exchange(other.lives_, false)) {}
  void operator()() {
    if (also_before_) throw failure("the body");
  }
  ~throws_as_it_ends() noexcept(false) {
    if (lives_) throw failure("the end");
  }

 private:
  bool also_before_, lives_ = true;
};

TEST(grouping_serially, C07C08OutsideOfASchedulerAClosureIsMovedOrCopiedAndDiesBeforeWaitReturns) {
  task_group group;
  auto moved = [t = std::make_unique<tracked>()] {};
  const long before = tracked::live();
  group.spawn(std::move(moved));
  group.wait();
  EXPECT_EQ(tracked::live(), before - 1);

  int sum = 0;
  auto copied = [&sum, n = 0]() mutable { sum += ++n; };
  for (int i = 0; i < 3; ++i) group.spawn(copied);
  group.wait();
  EXPECT_EQ(sum, 3) << "each child has a copy of its own";

  EXPECT_TRUE(group.spawn(throws_as_it_ends(false)));
  EXPECT_EQ(support::failure_of([&] { group.wait(); }), "the end");
  EXPECT_TRUE(group.spawn(throws_as_it_ends(true)));
  EXPECT_EQ(support::failure_of([&] { group.wait(); }), "the body");
}

TEST(grouping_serially, C01OutsideOfASchedulerAClosureThatCannotBeCopiedInIsNoChild) {
  struct refuses_copies {
    refuses_copies() = default;
    refuses_copies(const refuses_copies&) { throw failure("the copy"); }
    void operator()() const {}
  };
  task_group group;
  const refuses_copies f;
  EXPECT_EQ(support::failure_of([&] { group.spawn(f); }), "the copy");
  EXPECT_NO_THROW(group.wait());
  EXPECT_EQ(support::failure_of([&] { coppice::spawn(f); }), "the copy");
}

TEST(grouping_serially, C07C08OutsideOfASchedulerAChildOfNoGroupHasAClosureOfItsOwnToo) {
  static std::vector<std::string> heard;  // NOLINT: the handler is a plain function
  heard.clear();
  coppice::set_unobserved_error_handler(
      [](const coppice::job_report& r) { heard.push_back(r.errors.at(0).message); });
  auto moved = [t = std::make_unique<tracked>()] {};
  const long before = tracked::live();
  coppice::spawn(std::move(moved));
  EXPECT_EQ(tracked::live(), before - 1);
  EXPECT_TRUE(coppice::spawn(throws_as_it_ends(true)));
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(heard, (std::vector<std::string>{"the body", "the end"}));
}

// A child that a thread outside runs ends when its group's owner waits for it, or has not waited.
class child_outside {
 public:
  explicit child_outside(task_group& group)
      : thread_([this, &group] {
          EXPECT_TRUE(group.spawn([this, t = tracked()] {
            runs_.count_down();
            support::wait_until_asleep(owner_, [&] { return owner_is_back_.load(); });
            EXPECT_FALSE(owner_is_back_);
            throw failure("outside");
          }));
        }) {
    runs_.wait();
  }
  void owner_is_back() { owner_is_back_ = true; }
  ~child_outside() { thread_.join(); }

 private:
  const pid_t owner_ = support::this_thread_number();
  std::latch runs_{1};
  std::atomic<bool> owner_is_back_{false};
  std::thread thread_;
};

TEST_ON_WORKERS(grouping_from_outside, C11AWaitWaitsForAChildThatAThreadOutsideRuns) {
  const auto report = report_of(scheduler(), [] {
    task_group group;
    for (int i = 0; i < 3; ++i) {
      child_outside child(group);
      if (i == 1) group.spawn([] { coppice::spawn([] {}); });
      EXPECT_EQ(support::failure_of([&] { group.wait(); }), "outside");
      child.owner_is_back();
    }
    EXPECT_NO_THROW(group.wait());
  });
  EXPECT_EQ(lines(report), std::vector<std::string>{});
}

TEST_ON_WORKERS(grouping_from_outside, AScopeIsNotLeftBeforeAChildThatAThreadOutsideRunsHasEnded) {
  const auto report = report_of(scheduler(), [] {
    std::optional<task_group> group(std::in_place);
    child_outside child(*group);
    group.reset();
    child.owner_is_back();
  });
  EXPECT_EQ(lines(report), std::vector<std::string>{"root outside"});
}

TEST_ON_WORKERS(grouping_from_outside, AWaitAmongChildrenThatAThreadOutsideSpawnsLosesCountOfNone) {
  scheduler().run([] {
    task_group group;
    std::atomic<bool> over{false};
    int ran = 0;  // plain on purpose
    std::thread outside([&] {
      for (int i = 0; i < support::scaled(2000); ++i) group.spawn([&] { ++ran; });
      over = true;
    });
    while (!over) {
      group.spawn([] {});
      group.wait();
    }
    outside.join();
    group.wait();
    EXPECT_EQ(ran, support::scaled(2000));
  });
}

// After a failure the group takes no child until it was waited for, so each failure has a wait of its own.
TEST_ON_WORKERS(grouping_from_outside, C11AWaitAmongChildrenThatFailOutsideThrowsEachFailureOnce) {
  task_group* theirs = nullptr;
  std::latch made{1};
  std::atomic<bool> over{false};
  int failed = 0, thrown = 0;
  std::thread outside([&] {  // on any core: a thread that a task makes stays on that of its worker
    made.wait();
    while (failed < support::scaled(2000)) {
      failed += theirs->spawn([] { throw failure("outside"); });
      std::this_thread::yield();
    }
    over = true;
  });
  scheduler().run([&] {
    task_group group;
    theirs = &group;
    made.count_down();
    for (bool last = false; !last;) {
      last = over;
      try {
        group.wait();
      } catch (const failure&) {
        ++thrown;
      }
      std::this_thread::yield();
    }
  });
  outside.join();
  EXPECT_EQ(thrown, failed);
}

// What a serial_first job holds back waits for a failure of its own, and not for the wait of another job's
// group: that runs elsewhere, and may come after the job.
TEST_ON_WORKERS(grouping_from_outside, C36AWaitGoesOnWithNothingThatAnotherJobHasHeldBack) {
  coppice::scheduler other({.workers = 1});
  for (const bool fails : {false, true})
    for (coppice::scheduler* const its : {&other, &scheduler()}) {
      std::thread::id waiter, runner;
      int ran = 0;
      scheduler().run([&] {
        waiter = std::this_thread::get_id();
        task_group group;
        auto inner = its->submit(
            [&] {
              if (fails) group.spawn([] { throw failure("earlier"); });
              group.spawn([&] {
                coppice::spawn([&] {
                  runner = std::this_thread::get_id();
                  ++ran;
                });
              });
            },
            {.errors = coppice::error_policy::serial_first()});
        const coppice::job_report report = inner.wait();
        EXPECT_EQ(report.succeeded + report.failed + report.skipped, report.spawned);
        EXPECT_EQ(support::failure_of([&] { group.wait(); }), fails ? "earlier" : "");
      });
      if (!fails) {
        EXPECT_EQ(ran, 1);
      }
      if (its == &other) {
        EXPECT_NE(runner, waiter);
      }
    }
}

TEST_ON_WORKERS(grouping_from_outside, C15AThreadOutsideSpawnsNothingIntoTheGroupOfACancelledJob) {
  std::atomic<bool> ran{false};
  report_of(scheduler(), [&] {
    task_group group;
    coppice::this_task::cancel_job("enough");
    std::thread([&] { EXPECT_FALSE(group.spawn([&] { ran = true; })); }).join();
  });
  EXPECT_FALSE(ran);
}

}  // namespace
