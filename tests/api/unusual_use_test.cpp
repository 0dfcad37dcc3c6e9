// Uses that are allowed and unusual, each of which once went wrong: code of users at the end of an exception
// or of a value, groups in other hands, jobs that outlive the one between.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using support::collecting;
using support::failure;
using support::report_of;

// Calls f when the last copy dies.
struct ending {
  explicit ending(std::function<void()> f) : last(nullptr, [f = std::move(f)](void*) { f(); }) {}
  std::shared_ptr<void> last;
};

class unusual_use : public support::on_workers {};

// ---- the end of an exception --------------------------------------------------------------------

TEST_ON_WORKERS(unusual_use, C19AnExceptionCancelsItsJobWhenItDies) {
  std::latch known{1};
  std::atomic<bool> lives{true};
  coppice::job<void> job;
  job = scheduler().submit(
      [&] {
        known.wait();
        for (int i = 0; i < 4; ++i)
          coppice::spawn([&] {
            throw ending([&] {
              if (lives) job.cancel("an error has died");
            });
          });
      },
      collecting(1));
  known.count_down();
  EXPECT_GE(support::checked(job).errors_total, 1U);
  lives = false;
}

TEST_ON_WORKERS(unusual_use, C24ExceptionsThatAreNotKeptTakeTheirJobsAlong) {
  struct with_job {
    std::shared_ptr<coppice::job<int>> inner;
  };
  const auto report = report_of(
      scheduler(),
      [&] {
        for (int i = 0; i < 100; ++i)
          coppice::spawn([&] {
            throw with_job{std::make_shared<coppice::job<int>>(scheduler().submit([] { return 1; }))};
          });
      },
      collecting());
  EXPECT_EQ(report.errors_total, 100U);
  EXPECT_EQ(report.errors.size(), 64U);
}

// Errors of children that are not kept die at the ends of these, and the others at the end of the root, which
// waits for the children or has ended: they are no part of it.
TEST_ON_WORKERS(unusual_use, WhatDiesAtTheEndOfATaskIsInNone) {
  namespace this_task = coppice::this_task;
  std::atomic<int> dead{0};
  const auto dies = [&] {
    ++dead;
    EXPECT_EQ(this_task::path(), "");
    EXPECT_FALSE(this_task::stop_requested());
    EXPECT_FALSE(this_task::stop_token().stop_possible());
    EXPECT_FALSE(this_task::cancel_job("an error has died"));
    EXPECT_EQ(this_task::remaining(), std::chrono::nanoseconds::max());
    EXPECT_THROW(this_task::fail(std::make_error_code(std::errc::io_error)), std::system_error);
  };
  std::exception_ptr thrown;
  auto options = collecting(1);
  options.deadline = clock_type::now() + std::chrono::hours(1);
  const auto report = report_of(
      scheduler(),
      [&] {
        coppice::task_group group;
        for (int i = 0; i < 4; ++i) group.spawn([&] { throw ending(dies); });
        try {
          group.wait();
        } catch (const ending&) {
          thrown = std::current_exception();
        }
      },
      options);
  EXPECT_EQ(report.result, coppice::outcome::completed);
  thrown = nullptr;
  EXPECT_EQ(dead, 4);
}

TEST_ON_WORKERS(unusual_use, AnExceptionThatWasHandledSpawnsWhenItDies) {
  std::atomic<int> ran{0};
  scheduler().run([&] {
    try {
      coppice::join([&] { throw ending([&] { coppice::spawn([&] { ++ran; }); }); }, [] {});
    } catch (const ending&) {
      // Handled.
    }
  });
  EXPECT_EQ(ran, 1);
}

TEST_ON_WORKERS(unusual_use, C23WhatLeftTheRootIsThePrimaryErrorHoweverManyWereHandledBefore) {
  auto job = scheduler().submit(
      [] {
        coppice::task_group g;
        for (int i = 0; i < 70; ++i) g.spawn([i] { throw failure("handled " + std::to_string(i)); });
        try {
          g.wait();
        } catch (const failure&) {
          // Handled.
        }
        throw std::logic_error("what really failed");
      },
      collecting());
  try {
    job.get();
    FAIL() << "it failed";
  } catch (const coppice::job_error& e) {
    EXPECT_NE(std::string(e.what()).find("what really failed"), std::string::npos) << e.what();
    EXPECT_EQ(e.report().errors.size(), 64U);
    EXPECT_THROW(e.rethrow_primary(), std::logic_error);
  }
}

TEST_ON_WORKERS(unusual_use, C05AnErrorKeepsItsPlaceWhateverItsHandlerRunsBeforeItThrowsOn) {
  const auto fails = [] { throw failure("deep"); };
  const auto report_after = [&](auto clean_up) {
    return report_of(
        scheduler(),
        [&] {
          try {
            coppice::join([] {}, [&] { coppice::join(fails, [] {}); });
          } catch (const failure&) {
            clean_up();
            throw;
          }
        },
        collecting());
  };
  const std::vector<std::string> deep{"root/1/0 deep"};
  EXPECT_EQ(support::lines(report_after([] {})), deep);
  EXPECT_EQ(support::lines(report_after([] {
              coppice::task_group g;
              for (int i = 0; i < 10; ++i) g.spawn([] { coppice::join([] {}, [] {}); });
              g.wait();
            })),
            deep);
  EXPECT_EQ(support::lines(report_after([&] {
              coppice::task_group g;
              g.spawn([&] {
                try {
                  coppice::join(fails, [] {});
                } catch (const failure&) {
                  // Handled, in another task.
                }
              });
            })),
            deep);
  EXPECT_EQ(support::lines(report_after([&] { scheduler().run([] { coppice::spawn([] {}); }); })), deep);
}

TEST_ON_WORKERS(unusual_use, C05AnExceptionThatTwoTasksThrowHasThePlaceOfEach) {
  const auto same = std::make_exception_ptr(failure("the same"));
  const auto report = report_of(
      scheduler(),
      [&] {
        try {
          coppice::join([&] { std::rethrow_exception(same); }, [] {});
        } catch (const failure&) {
          // Handled.
        }
        coppice::task_group g;
        g.spawn([&] { std::rethrow_exception(same); });
        g.wait();
      },
      collecting());
  EXPECT_EQ(support::lines(report), std::vector<std::string>{"root/2 the same"});
}

TEST_ON_WORKERS(unusual_use, ATextOfAnErrorHasABound) {
  const auto report = report_of(scheduler(), [] { throw failure(std::string(100'000, 'x')); });
  ASSERT_EQ(report.errors.size(), 1U);
  EXPECT_LT(report.errors[0].message.size(), 5000U);
  EXPECT_TRUE(report.errors[0].message.ends_with("xxx... (and 95904 characters)"));
}

TEST_ON_WORKERS(unusual_use, OfATaskThatFailsOnlyTheErrorThatLeftItCountsForAFraction) {
  const auto report = report_of(scheduler(),
                                [] {
                                  coppice::task_group well;
                                  for (int i = 0; i < 20; ++i) well.spawn([] {});
                                  well.wait();
                                  coppice::task_group ill;
                                  ill.spawn([] {
                                    const auto fails = [] { throw failure("a branch"); };
                                    coppice::join(fails, fails, fails, fails, fails, fails);
                                  });
                                  try {
                                    ill.wait();
                                  } catch (const failure&) {
                                    throw;  // with five secondary ones
                                  }
                                },
                                {.errors = coppice::error_policy::fraction(0.1, 10)});
  EXPECT_EQ(report.errors_total, 6U);
  EXPECT_FALSE(report.cancel) << "one of 22 tasks has failed";
}

// ---- code that belongs to no task ---------------------------------------------------------------

TEST_ON_WORKERS(unusual_use, AValueThatNobodyTakesFreesItselfInParallel) {
  struct tree {
    std::atomic<int>& freed;
    std::unique_ptr<tree> left, right;
    tree(std::atomic<int>& f, int depth) : freed(f) {
      if (depth == 0) return;
      left = std::make_unique<tree>(f, depth - 1);
      right = std::make_unique<tree>(f, depth - 1);
    }
    ~tree() {
      coppice::task_group g;
      g.spawn([this] { left.reset(); });
      g.wait();
      coppice::join([this] { right.reset(); }, [this] { ++freed; });
    }
  };
  std::atomic<int> freed{0};
  {
    coppice::scheduler own({.workers = workers()});
    own.submit([&] { return std::make_unique<tree>(freed, 6); }).detach();
  }
  EXPECT_EQ(freed, 127);
}

TEST_ON_WORKERS(unusual_use, AStopCallbackSpawns) {
  std::atomic<int> ran{0};
  auto job = scheduler().submit([] { coppice::spawn([] { throw failure("stops the job"); }); });
  {
    const std::stop_callback told(job.stop_token(), [&] { coppice::spawn([&] { ++ran; }); });
    EXPECT_EQ(job.wait().result, coppice::outcome::failed);
    EXPECT_EQ(ran, 1);  // if the job was stopped before there was a callback, it ran here
  }
}

std::atomic<int> heard{0};
TEST_ON_WORKERS(unusual_use, C27TheHandlerOfUnobservedErrorsForks) {
  heard = 0;
  coppice::set_unobserved_error_handler([](const coppice::job_report&) {
    coppice::join([] { ++heard; }, [] { ++heard; });
    coppice::spawn([] { ++heard; });
  });
  {
    coppice::scheduler own({.workers = workers()});
    own.submit([] { throw failure("nobody looks"); }).detach();
  }
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(heard, 3);
}

TEST_ON_WORKERS(unusual_use, C27AWaitThatIsRefusedHasNotLookedAtTheErrors) {
  heard = 0;
  coppice::set_unobserved_error_handler([](const coppice::job_report&) { ++heard; });
  {
    std::latch known{1};
    coppice::job<void> job;
    job = scheduler().submit([&] {
      known.wait();
      EXPECT_THROW(job.wait(), coppice::would_deadlock);
      throw failure("nobody looks");
    });
    known.count_down();
    while (!job.done()) std::this_thread::yield();
  }
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(heard, 1);
}

TEST_ON_WORKERS(unusual_use, C27OfTwoJobsThatWaitForEachOtherOneHasNotLookedAtTheErrors) {
  heard = 0;
  coppice::set_unobserved_error_handler([](const coppice::job_report&) { ++heard; });
  {
    std::latch known{1};
    std::atomic<int> told{0};
    coppice::job<void> first, second;
    const auto waits_for = [&](coppice::job<void>& other) {
      known.wait();
      try {
        other.wait();
      } catch (const coppice::would_deadlock&) {
        ++told;
      }
      throw failure("nobody looks, unless the other one has");
    };
    first = scheduler().submit([&] { waits_for(second); });
    second = scheduler().submit([&] { waits_for(first); });
    known.count_down();
    while (!first.done() || !second.done()) std::this_thread::yield();
    EXPECT_EQ(told, 1);
  }
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(heard, 1);
}

TEST_ON_WORKERS(unusual_use, AHandleHasLetGoOfItsJobBeforeTheJobsCallbacksRun) {
  coppice::job<void> job = scheduler().submit([] { support::fork_until([] { return false; }); });
  bool told = false;  // plain on purpose
  const std::stop_callback assigns(job.stop_token(), [&] {
    told = true;
    EXPECT_FALSE(job.valid());
    job = scheduler().submit([] {});
  });
  job = coppice::job<void>();
  EXPECT_TRUE(told);
  EXPECT_TRUE(job.valid()) << "the callback's";
  support::checked(job);
}

// ---- closures -----------------------------------------------------------------------------------

struct with_memory_of_its_own {
  std::array<std::byte, 4096> data{};
  void operator()() {}
  static void* operator new(std::size_t n) { return static_cast<std::byte*>(std::malloc(n + 64)) + 64; }
  static void operator delete(void* at) { std::free(static_cast<std::byte*>(at) - 64); }
};

TEST_ON_WORKERS(unusual_use, ALargeClosureHasAnOperatorNew) {
  EXPECT_EQ(report_of(scheduler(), [] { coppice::spawn(with_memory_of_its_own{}); }).succeeded, 2U);
}

// ---- groups in other hands ----------------------------------------------------------------------

TEST_ON_WORKERS(unusual_use, C11AThreadOutsideRunsAChildWhichFails) {
  const auto report = report_of(scheduler(), [] {
    coppice::task_group g;
    std::thread([&] { g.spawn([] { throw failure("outside"); }); }).join();
    g.wait();
  });
  EXPECT_EQ(support::lines(report), std::vector<std::string>{"root outside"});
}

TEST_ON_WORKERS(unusual_use, C30AChildThatWaitsForItsOwnGroupIsTold) {
  scheduler().run([] {
    coppice::task_group g;
    g.spawn([&] { EXPECT_THROW(g.wait(), coppice::would_deadlock); });
    g.spawn([&] { coppice::join([&] { EXPECT_THROW(g.wait(), coppice::would_deadlock); }, [] {}); });
    g.wait();
    coppice::task_group other;
    other.spawn([&] { EXPECT_THROW(g.wait(), std::logic_error); });
    other.wait();
  });
}

TEST_ON_WORKERS(unusual_use, AGroupThatWasMadeOutsideTakesNoChildrenOfTasks) {
  coppice::task_group g;
  EXPECT_TRUE(g.spawn([] {}));
  std::atomic<int> ran{0};
  const auto report = report_of(scheduler(), [&] {
    const auto spawn_is_refused = [&] {
      EXPECT_THROW(g.spawn([&, t = support::tracked()] { ++ran; }), std::logic_error);
      EXPECT_THROW(g.spawn([&] { throw failure("has nobody who waits"); }, "named"), std::logic_error);
    };
    spawn_is_refused();
    coppice::join(spawn_is_refused, spawn_is_refused);
  });
  EXPECT_EQ(report.spawned, 1U);
  EXPECT_TRUE(g.spawn([&] { ++ran; })) << "outside it goes on";
  EXPECT_TRUE(g.spawn([] { throw failure("outside"); }));
  EXPECT_FALSE(g.spawn([&] { ++ran; }));
  EXPECT_EQ(support::failure_of([&] { g.wait(); }), "outside");
  EXPECT_TRUE(g.spawn([&] { ++ran; }));
  g.wait();
  EXPECT_EQ(ran, 2);
}

// ---- jobs within jobs ---------------------------------------------------------------------------

TEST_ON_WORKERS(unusual_use, C20ACancelReachesWhatAJobThatHasEndedLeftBehind) {
  std::latch runs{1};
  auto outer = scheduler().submit([&] {
    auto grandchild = scheduler().run([&] {
      return scheduler().submit([&] {
        runs.count_down();
        while (!coppice::this_task::stop_requested()) std::this_thread::yield();
      });
    });
    grandchild.wait();
  });
  runs.wait();
  EXPECT_TRUE(outer.cancel());
  support::checked(outer);
}

TEST_ON_WORKERS(unusual_use, AWaitWithALimitForAJobThatHasEndedReturnsAlsoBelowIt) {
  std::latch ended{1};
  coppice::job<void> outer, inner;
  outer = scheduler().submit([&] {
    inner = scheduler().submit([&] {
      ended.wait();
      EXPECT_TRUE(outer.wait_until(clock_type::now()));
    });
  });
  support::checked(outer);
  ended.count_down();
  EXPECT_EQ(support::checked(inner).result, coppice::outcome::completed);
}

TEST_ON_WORKERS(unusual_use, AWaitWithALimitGivesUpThoughWhatItWaitsForWaitsForIt) {
  std::latch known{1};
  coppice::job<void> waits;
  auto gives_up = scheduler().submit([&] {
    known.wait();
    EXPECT_FALSE(waits.wait_until(clock_type::now()));
  });
  waits = scheduler().submit([&] {
    known.wait();
    gives_up.wait();
  });
  known.count_down();
  support::checked(gives_up);
  support::checked(waits);
}

}  // namespace
