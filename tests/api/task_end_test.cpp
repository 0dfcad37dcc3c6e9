// Code of users that a worker runs at the end of a task, when the task's own code is over and its end is not
// counted yet: stop callbacks, decisions of a policy, the ends of exceptions that nobody keeps. The job is
// not over before that code returns, so it may not wait for it (C-30), and may let go of its handle (C-27).
// And at the end of a job without a handle, the end of its value, which may wait for any other job.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <functional>
#include <latch>
#include <memory>
#include <stop_token>
#include <thread>
#include <utility>

#include "support/check.hpp"
#include "support/process.hpp"
#include "support/workers.hpp"

namespace {

using support::collecting;
using support::failure;
using void_job = coppice::job<void>;

// A wait that is not refused never returns, and the test with it.
class ends_of_tasks : public support::on_workers {
 protected:
  void SetUp() override {
    support::on_workers::SetUp();
    coppice::set_unobserved_error_handler([](const coppice::job_report&) {});
  }
  void TearDown() override {
    coppice::set_unobserved_error_handler(nullptr);
    support::on_workers::TearDown();
  }
};

// An exception that carries the job of the task that throws it.
struct with_own_job {
  std::shared_ptr<void_job> own;
};

// Submits body(own), where `own` is the only handle of the job that runs it, and waits for the job's end. The
// handle is gone then.
template <class Body>
void run_with_own_job(coppice::scheduler& s, Body body, coppice::job_options options) {
  std::latch known{1};
  auto own = std::make_shared<void_job>();
  const std::weak_ptr<void_job> left = own;
  *own = s.submit(
      [&known, own, body]() mutable {
        known.wait();
        body(std::move(own));
      },
      std::move(options));
  own.reset();
  known.count_down();
  s.stop();
  EXPECT_TRUE(left.expired());
}

TEST_ON_WORKERS(ends_of_tasks, C30AStopCallbackThatWaitsForTheJobWhoseTaskEndsIsTold) {
  std::latch known{1};
  auto job = scheduler().submit([&] {
    known.wait();
    throw failure("stops the job");
  });
  int told = 0;  // plain on purpose
  const std::stop_callback waits(job.stop_token(), [&] {
    EXPECT_THROW(job.wait(), coppice::would_deadlock);
    EXPECT_THROW(job.wait_until(std::chrono::steady_clock::time_point::max()), coppice::would_deadlock);
    ++told;
  });
  known.count_down();
  EXPECT_EQ(support::checked(job).errors_total, 1U);
  EXPECT_EQ(told, 1);
}

TEST_ON_WORKERS(ends_of_tasks, C27AStopCallbackDestroysTheHandleOfTheJobWhoseTaskEnds) {
  std::latch known{1};
  auto job = std::make_unique<void_job>();
  *job = scheduler().submit([&] {
    known.wait();
    throw failure("stops the job");
  });
  const std::stop_callback destroys(job->stop_token(), [&] { job.reset(); });
  known.count_down();
  scheduler().stop();
  EXPECT_EQ(job, nullptr);
}

void_job* decided = nullptr;
TEST_ON_WORKERS(ends_of_tasks, C30ADecisionThatWaitsForItsJobIsTold) {
  std::latch known{1};
  void_job job;
  decided = &job;
  job = scheduler().submit(
      [&] {
        known.wait();
        throw failure("is decided about");
      },
      {.errors = coppice::error_policy::when([](const coppice::task_error&, const coppice::error_count&) {
         EXPECT_THROW(decided->wait(), coppice::would_deadlock);
         return false;
       })});
  known.count_down();
  const auto report = support::checked(job);
  EXPECT_EQ(report.errors_total, 1U);
  EXPECT_FALSE(report.cancel);
}

TEST_ON_WORKERS(ends_of_tasks, C30OfAStopCallbackAndAJobThatWaitForEachOtherOneIsTold) {
  std::latch known{1}, both_run{2};
  std::atomic<int> told{0};
  const auto wait_for = [&told](void_job& other) {
    try {
      other.wait();
    } catch (const coppice::would_deadlock&) {
      ++told;
    }
  };
  void_job failing, waiting;
  waiting = scheduler().submit([&] {
    both_run.count_down();
    known.wait();
    wait_for(failing);
  });
  failing = scheduler().submit([&] {
    both_run.count_down();
    known.wait();
    throw failure("stops the job");
  });
  if (workers() > 1) both_run.wait();  // else the one runs the other
  const std::stop_callback waits(failing.stop_token(), [&] { wait_for(waiting); });
  known.count_down();
  support::checked(failing);
  support::checked(waiting);
  EXPECT_EQ(told, 1);
}

TEST_ON_WORKERS(ends_of_tasks, C27AnExceptionThatIsNotKeptTakesTheLastHandleOfItsJobAlong) {
  run_with_own_job(
      scheduler(),
      [](std::shared_ptr<void_job> own) {
        coppice::spawn([] { throw failure("kept"); });
        coppice::spawn([] { throw failure("kept as well"); });
        coppice::spawn([own = std::move(own)]() mutable { throw with_own_job{std::move(own)}; });
      },
      collecting(1));
}

TEST_ON_WORKERS(ends_of_tasks, C27AnErrorThatAChildHasHandledTakesTheLastHandleOfItsJobAlong) {
  run_with_own_job(
      scheduler(),
      [](std::shared_ptr<void_job> own) {
        coppice::spawn([own = std::move(own)]() mutable {
          try {
            coppice::join([] { throw failure("rethrown"); }, [&] { throw with_own_job{std::move(own)}; });
          } catch (const failure&) {
            // Handled.
          }
        });
      },
      collecting());
}

TEST_ON_WORKERS(ends_of_tasks, C27AnErrorThatTheRootHasHandledTakesTheLastHandleOfItsJobAlong) {
  run_with_own_job(
      scheduler(),
      [](std::shared_ptr<void_job> own) {
        try {
          coppice::join([] { throw failure("rethrown"); }, [&] { throw with_own_job{std::move(own)}; });
        } catch (const failure&) {
          // Handled.
        }
      },
      collecting());
}

// Spawns when the last copy dies, and counts that.
struct spawns_at_its_end {
  explicit spawns_at_its_end(std::atomic<int>& ran)
      : last(nullptr, [&ran](void*) { coppice::spawn([&ran] { ++ran; }); }) {}
  std::shared_ptr<void> last;
};

void respawn(std::atomic<int>& ran, int generations) {
  try {
    coppice::join([] { throw failure("rethrown"); }, [&] { throw spawns_at_its_end(ran); });
  } catch (const failure&) {
    // Handled.
  }
  if (generations != 0) coppice::spawn([&ran, generations] { respawn(ran, generations - 1); });
}

// The chain takes over its ended ancestors, and with them go the errors that they have handled.
TEST_ON_WORKERS(ends_of_tasks, AnErrorThatAnAncestorHasHandledMaySpawnWhenItDies) {
  std::atomic<int> ran{0};
  const auto report = support::report_of(
      scheduler(), [&] { respawn(ran, 2000); }, collecting());
  EXPECT_EQ(report.succeeded, 2001U);
  EXPECT_EQ(ran, 2001);
}

// A value that calls a function when it dies.
class at_its_end {
 public:
  explicit at_its_end(std::function<void()> f) : f_(std::move(f)) {}
  at_its_end(at_its_end&& other) noexcept : f_(std::exchange(other.f_, nullptr)) {}
  at_its_end& operator=(at_its_end&&) = delete;
  ~at_its_end() {
    if (f_) f_();
  }

 private:
  std::function<void()> f_;
};

class ends_of_jobs : public support::without_leaks {
 protected:
  // Two schedulers, so that a worker of the one can wait elsewhere. Nobody else takes what it has.
  static coppice::scheduler_options with_workers(unsigned n) {
    return {.workers = n, .max_spare_workers = 0};
  }
};

TEST_F(ends_of_jobs, MayWaitForTheJobThatIsTheNextOfAWorkerThatWaitsElsewhere) {
  coppice::scheduler one(with_workers(1)), two(with_workers(1));
  std::latch detached{1}, queued{1};
  bool waited = false;  // plain on purpose
  one.run([&] {
    two.run([&] {
      // One after the other on the worker that waits for this one.
      auto first = one.submit([&] {
        detached.wait();
        auto next = std::make_shared<void_job>(one.submit([] {}));
        queued.count_down();
        return at_its_end([&waited, next] {
          next->wait();
          waited = true;
        });
      });
      first.detach();
      detached.count_down();
      queued.wait();
      one.run([] {});
    });
  });
  EXPECT_TRUE(waited);
}

// Submitted by a job of `two` to the waiting worker of `one`, and left behind there: its root ends only when
// the wait is over, and its child lies in the worker's deque yet.
void leave_behind(coppice::scheduler& one, coppice::scheduler& two, std::function<void()> end_of_value) {
  void_job between;
  std::atomic<bool> runs{false};
  std::latch known{1};
  between = two.submit([&] {
    auto left = one.submit(
        [&] {
          runs = true;
          known.wait();
          while (!between.done()) std::this_thread::yield();
          coppice::spawn([] {});
          return at_its_end(std::move(end_of_value));
        },
        {.shield = true});
    left.detach();
    while (!runs) std::this_thread::yield();
  });
  known.count_down();
  between.wait();
}

TEST_F(ends_of_jobs, MayWaitForTheJobThatTheWorkerIsAboutToBegin) {
  coppice::scheduler one(with_workers(1)), two(with_workers(1));
  auto next = std::make_shared<void_job>();
  bool waited = false;  // plain on purpose
  one.run([&] {
    coppice::join(
        [&] {
          leave_behind(one, two, [&] {
            next->wait();
            waited = true;
          });
        },
        [&] {
          *next = one.submit([] {});
          next->wait();
        });
  });
  EXPECT_TRUE(waited);
}

TEST_F(ends_of_jobs, C30ThatWaitForTheJobOfATaskWhichIsSkippedNextAreTold) {
  coppice::scheduler one(with_workers(2)), two(with_workers(1));
  std::latch shared{1}, told{1};
  std::atomic<bool> other_is_busy{false};
  auto other = one.submit([&] {
    other_is_busy = true;
    shared.wait();
  });
  while (!other_is_busy) std::this_thread::yield();
  void_job job;
  std::latch known{1};
  job = one.submit([&] {
    known.wait();
    leave_behind(one, two, [&] {
      EXPECT_THROW(job.wait(), coppice::would_deadlock);
      told.count_down();
    });
    coppice::spawn([] {});
    // The other worker takes both, the one right after the other.
    const pid_t waits = support::this_thread_number();
    two.run([&] {
      support::wait_until_asleep(waits, [] { return false; });
      job.cancel();
      shared.count_down();
      told.wait();
    });
  });
  known.count_down();
  told.wait();
  EXPECT_EQ(job.wait().skipped, 1U);
}

TEST_F(ends_of_jobs, MayWaitForTheOuterJobAlsoWhereAnInnerOneIsLeft) {
  coppice::scheduler one(with_workers(2));
  std::latch known{1}, ends{1}, waited{1};
  void_job outer;
  outer = one.submit([&] {
    known.wait();
    auto left = one.submit([&] {
      one.submit([] {}).detach();  // queued until a worker is free
      return at_its_end([&] {
        ends.count_down();
        EXPECT_NO_THROW(outer.wait());
        waited.count_down();
      });
    });
    left.detach();
    ends.wait();
  });
  known.count_down();
  waited.wait();
  EXPECT_TRUE(outer.done());
}

}  // namespace
