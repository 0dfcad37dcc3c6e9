// The handle of a job: empty, moved, asked twice, given up, let go of (C-06, C-07, C-23, C-27).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using coppice::job;
using coppice::outcome;
using support::checked;
using support::failure;
using support::tracked;

class handles : public support::on_workers {};

// Hears of errors that nobody looked at.
class listener {
 public:
  listener() {
    heard().clear();
    coppice::set_unobserved_error_handler([](const coppice::job_report& r) {
      const std::lock_guard hold(lock());
      support::check(r);
      heard().push_back(r.name);
    });
  }
  ~listener() { coppice::set_unobserved_error_handler(nullptr); }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  std::vector<std::string> names() const {
    const std::lock_guard hold(lock());
    return heard();
  }

 private:
  static std::vector<std::string>& heard() {
    static std::vector<std::string> names;
    return names;
  }
  static std::mutex& lock() {
    static std::mutex mutex;
    return mutex;
  }
};

template <class T>
void expect_empty(job<T>& empty) {
  EXPECT_FALSE(empty.valid());
  EXPECT_FALSE(empty.done());
  EXPECT_THROW(empty.wait(), std::logic_error);
  EXPECT_THROW(empty.get(), std::logic_error);
  EXPECT_THROW(empty.wait_until(clock_type::now()), std::logic_error);
  EXPECT_THROW(empty.cancel(), std::logic_error);
  EXPECT_THROW(empty.stop_token(), std::logic_error);
  EXPECT_THROW(empty.detach(), std::logic_error);
}

TEST_ON_WORKERS(handles, AnEmptyOrMovedFromOrDetachedHandleSaysSo) {
  job<int> empty;
  expect_empty(empty);
  auto first = scheduler().submit([] { return 1; });
  EXPECT_TRUE(first.valid());
  job<int> second = std::move(first);
  expect_empty(first);
  first = std::move(second);
  expect_empty(second);
  EXPECT_EQ(first.get(), 1);
  auto third = scheduler().submit([] { return 3; });
  third.detach();
  expect_empty(third);
  try {
    empty.wait();
  } catch (const std::logic_error& e) {
    EXPECT_NE(std::string(e.what()).find("no state"), std::string::npos) << e.what();
  }
}

// What the handler asks of the scheduler takes its locks.
TEST_ON_WORKERS(handles, C28TheHandlerOfUnobservedErrorsIsCalledUnderNoLock) {
  static coppice::scheduler* asked = nullptr;  // the handler is a plain function
  static std::atomic<int> heard;
  asked = &scheduler();
  heard = 0;
  coppice::set_unobserved_error_handler([](const coppice::job_report&) {
    asked->stats();
    asked->describe();
    asked->submit([] { ++heard; }).detach();
  });
  for (int i = 0; i < 20; ++i) scheduler().submit([] { throw failure("unheard"); }).detach();
  while (heard != 20) std::this_thread::yield();
  coppice::set_unobserved_error_handler(nullptr);
}

TEST_ON_WORKERS(handles, AClosureIsCalledAsItWasHandedIn) {
  struct tells {
    int operator()() & { return 1; }
    int operator()() const& { return 2; }
    int operator()() && { return 3; }
  };
  struct lvalues_only {
    int operator()() & { return 4; }
    int operator()() && = delete;
  };
  tells one;
  const tells two;
  lvalues_only four;
  EXPECT_EQ(scheduler().run(one), 1);
  EXPECT_EQ(scheduler().submit(two).get(), 2);
  EXPECT_EQ(scheduler().run(std::move(one)), 3);
  EXPECT_EQ(scheduler().try_submit(four).job.get(), 4);
}

TEST_ON_WORKERS(handles, ASecondWaitGivesTheSameReport) {
  auto j = scheduler().submit([] { throw failure("once"); });
  const coppice::job_report* const first = &j.wait();
  EXPECT_EQ(first, &j.wait());
  EXPECT_TRUE(j.done());
  EXPECT_TRUE(j.wait_until(clock_type::now()));
  EXPECT_THROW(j.get(), coppice::job_error);
  EXPECT_EQ(first, &j.wait());
  EXPECT_EQ(support::lines(*first), std::vector<std::string>{"root once"});
}

TEST_ON_WORKERS(handles, SeveralThreadsThatWaitGetTheSameReport) {
  coppice::scheduler& pool = scheduler();
  for (int i = 0; i < support::scaled(200); ++i) {
    auto job = pool.submit([] {});
    const coppice::job_report* seen[2] = {};
    std::thread other([&] { seen[0] = &job.wait(); });
    seen[1] = &job.wait();
    other.join();
    ASSERT_EQ(seen[0], seen[1]);
    EXPECT_EQ(seen[0]->succeeded, 1U);
  }
}

TEST_ON_WORKERS(handles, ASecondGetOfAMovedValueIsALogicErrorAndNotAnEmptyValue) {
  auto values = scheduler().submit([] { return std::make_unique<tracked>(1); });
  EXPECT_EQ(values.get()->value(), 1);
  EXPECT_THROW(values.get(), std::logic_error);
  auto nothing = scheduler().submit([] {});
  nothing.get();
  EXPECT_THROW(nothing.get(), std::logic_error);
  EXPECT_EQ(checked(nothing).result, outcome::completed) << "the report is still there";
}

TEST_ON_WORKERS(handles, MoveOnlyAndReferenceResultsAndMoveOnlyClosuresWork) {
  int target = 0;
  EXPECT_EQ(&scheduler().run([&]() -> int& { return target; }), &target);
  const std::string text = "constant";
  EXPECT_EQ(&scheduler().run([&]() -> const std::string& { return text; }), &text);
  EXPECT_EQ(
      *scheduler().run([value = std::make_unique<int>(4)] { return std::make_unique<int>(*value + 1); }), 5);
  std::unique_ptr<int> owned =
      scheduler().run([value = std::make_unique<int>(6)]() mutable { return std::move(value); });
  EXPECT_EQ(*owned, 6);
}

TEST_ON_WORKERS(handles, C06C07WhatTheJobWroteIsSeenAfterGetAndItsClosureIsGone) {
  for (int i = 0; i < support::scaled(100); ++i) {
    int written = 0;  // plain on purpose
    auto j = scheduler().submit([&, t = tracked(i)] {
      written = 1;
      return t.value();
    });
    EXPECT_EQ(j.get(), i);
    EXPECT_EQ(written, 1);
    EXPECT_EQ(tracked::live(), 0);
  }
}

TEST_ON_WORKERS(handles, C06WhatPrecedesCancelIsSeenByWhoSeesIt) {
  for (int i = 0; i < support::scaled(50); ++i) {
    int written = 0;  // plain on purpose
    std::latch started{1};
    auto j = scheduler().submit([&] {
      started.count_down();
      while (!coppice::this_task::stop_requested()) std::this_thread::yield();
      return written;
    });
    started.wait();
    written = 1;
    j.cancel();
    EXPECT_EQ(j.get(), 1);
  }
}

TEST_ON_WORKERS(handles, WaitUntilGivesUpAndCancelsNothing) {
  std::latch release{1};
  auto j = scheduler().submit([&] {
    release.wait();
    return coppice::this_task::stop_requested();
  });
  EXPECT_FALSE(j.wait_until(clock_type::now() - 1h));
  EXPECT_FALSE(j.wait_until(clock_type::now() + 1ms));
  EXPECT_FALSE(j.done());
  release.count_down();
  EXPECT_TRUE(j.wait_until(clock_type::now() + 1h));
  EXPECT_FALSE(j.get());
}

TEST_ON_WORKERS(handles, C27DestroyingAHandleCancelsAndJoins) {
  for (int i = 0; i < support::scaled(50); ++i) {
    bool left = false;  // plain on purpose
    std::latch started{1};
    {
      auto j = scheduler().submit([&, t = tracked()] {
        started.count_down();
        while (!coppice::this_task::stop_requested()) std::this_thread::yield();
        left = true;
      });
      started.wait();
    }
    EXPECT_TRUE(left);
    EXPECT_EQ(tracked::live(), 0);
  }
}

TEST_ON_WORKERS(handles, C27AssigningOverAHandleCancelsAndJoinsTheOldJob) {
  std::latch started{1};
  bool left = false;  // plain on purpose
  auto j = scheduler().submit([&] {
    started.count_down();
    while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    left = true;
    return 1;
  });
  started.wait();
  j = scheduler().submit([] { return 2; });
  EXPECT_TRUE(left);
  EXPECT_EQ(j.get(), 2);
}

// Runs `meanwhile(handle)` in a stop callback of a handle that is being destroyed.
template <class F>
void destroy_with_callback(coppice::scheduler& s, F meanwhile) {
  bool left = false;  // plain on purpose
  std::latch started{1};
  std::optional<job<tracked>> handle(s.submit([&] {
    started.count_down();
    while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    left = true;
    return tracked();
  }));
  started.wait();
  const std::stop_callback calls(handle->stop_token(), [&meanwhile, &going = *handle] { meanwhile(going); });
  handle.reset();
  EXPECT_TRUE(left) << "whatever the callback has done";
}

TEST_ON_WORKERS(handles, C27AHandleMayBeDetachedWhileItIsDestroyed) {
  for (int i = 0; i < support::scaled(50); ++i)
    destroy_with_callback(scheduler(), [](job<tracked>& going) {
      EXPECT_FALSE(going.cancel()) << "again";
      EXPECT_TRUE(going.stop_token().stop_requested());
      going.detach();
      expect_empty(going);
    });
  end_scheduler();
  EXPECT_EQ(tracked::live(), 0);
}

TEST_ON_WORKERS(handles, C27AJobMayBeMovedOutOfAHandleThatIsDestroyed) {
  for (int i = 0; i < support::scaled(50); ++i) {
    job<tracked> kept;
    destroy_with_callback(scheduler(), [&](job<tracked>& going) { kept = std::move(going); });
    EXPECT_EQ(kept.wait().succeeded, 1U);
    EXPECT_EQ(tracked::live(), 1) << "the value";
    kept = job<tracked>();
    EXPECT_EQ(tracked::live(), 0);
  }
}

// The value is what runs last of a job whose handle goes.
struct detaches_its_job {
  explicit detaches_its_job(job<detaches_its_job>* handle) : of(handle) {}
  detaches_its_job(detaches_its_job&& other) noexcept : of(std::exchange(other.of, nullptr)) {}
  detaches_its_job& operator=(detaches_its_job&&) = delete;
  ~detaches_its_job() {
    if (of != nullptr) of->detach();
  }
  job<detaches_its_job>* of;
};

TEST_ON_WORKERS(handles, C27AValueMayDetachTheHandleThatTakesItAlong) {
  {
    job<detaches_its_job> handle;
    handle = scheduler().submit([&] { return detaches_its_job(&handle); });
    EXPECT_EQ(handle.wait().succeeded, 1U);
  }
  end_scheduler();
}

TEST_ON_WORKERS(handles, C27ErrorsThatNobodyLookedAtGoToTheHandlerOnce) {
  const listener ears;
  {
    auto unseen = scheduler().submit([] { throw failure("x"); }, {.name = "unseen"});
    while (!unseen.done()) std::this_thread::yield();
  }
  EXPECT_EQ(ears.names(), std::vector<std::string>{"unseen"});
  {
    auto waited = scheduler().submit([] { throw failure("x"); }, {.name = "waited for"});
    checked(waited);
    auto fine = scheduler().submit([] {}, {.name = "without errors"});
  }
  EXPECT_EQ(ears.names(), std::vector<std::string>{"unseen"});
}

TEST_ON_WORKERS(handles, C27ThatAJobIsOverSaysNothingOfItsErrors) {
  const listener ears;
  {
    auto asked = scheduler().submit([] { throw failure("x"); }, {.name = "asked with a limit"});
    EXPECT_TRUE(asked.wait_until(clock_type::now() + 1h));
    auto waited = scheduler().submit([] { throw failure("x"); }, {.name = "waited for"});
    EXPECT_TRUE(waited.wait_until(clock_type::now() + 1h));
    checked(waited);
  }
  EXPECT_EQ(ears.names(), std::vector<std::string>{"asked with a limit"});
}

TEST_ON_WORKERS(handles, C27ErrorsOfADetachedJobGoToTheHandlerAndTheSchedulerJoinsIt) {
  const listener ears;
  std::latch release{1};
  bool ran = false;  // plain on purpose
  {
    auto later = scheduler().submit(
        [&, t = tracked()] {
          release.wait();
          ran = true;
          throw failure("x");
        },
        {.name = "ends after detach"});
    later.detach();
    auto before = scheduler().submit([] { throw failure("x"); }, {.name = "ended before detach"});
    while (workers() != 1 && !before.done()) std::this_thread::yield();
    before.detach();
  }
  release.count_down();
  end_scheduler();
  EXPECT_TRUE(ran);
  EXPECT_EQ(ears.names().size(), 2U);
}

TEST_ON_WORKERS(handles, C27WithoutAHandlerALineIsPrinted) {
  testing::internal::CaptureStderr();
  {
    auto j = scheduler().submit([] { throw failure("what went wrong"); }, {.name = "nobody looks"});
    while (!j.done()) std::this_thread::yield();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  for (const char* part : {"nobody looks", "what went wrong"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST_ON_WORKERS(handles, C27TheLineNamesThePrimaryErrorAsTheSummaryDoes) {
  testing::internal::CaptureStderr();
  {
    auto j = scheduler().submit(
        [] {
          try {
            coppice::join([] { throw failure("rethrown"); }, [] { throw failure("an earlier one"); });
          } catch (const failure&) {
            throw failure("what really failed");
          }
        },
        support::collecting());
    while (!j.done()) std::this_thread::yield();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(": 2 errors, the first at root: what really failed"), std::string::npos) << text;
}

TEST_ON_WORKERS(handles, AHandleMayOutliveItsScheduler) {
  auto value = scheduler().submit([] { return std::make_unique<tracked>(3); });
  auto error = scheduler().submit([] { throw failure("kept"); });
  end_scheduler();
  EXPECT_TRUE(value.done());
  EXPECT_EQ(value.get()->value(), 3);
  EXPECT_EQ(support::lines(checked(error)), std::vector<std::string>{"root kept"});
  EXPECT_FALSE(value.cancel());
  EXPECT_FALSE(value.stop_token().stop_requested());
}

TEST_ON_WORKERS(handles, ResultsThatNobodyTookAreDestroyedWithTheHandle) {
  {
    auto j = scheduler().submit([] { return tracked(1); });
    checked(j);
    EXPECT_EQ(tracked::live(), 1);
  }
  EXPECT_EQ(tracked::live(), 0);
  scheduler().submit([] { return tracked(1); }).detach();
  end_scheduler();
  EXPECT_EQ(tracked::live(), 0);
}

TEST_ON_WORKERS(handles, ATaskMayDestroyTheHandleOfItsOwnJob) {
  std::latch handed_over{1};
  std::atomic<bool> gone{false};
  auto own = std::make_unique<job<void>>();
  *own = scheduler().submit([&] {
    handed_over.wait();
    own.reset();
    gone = true;
    gone.notify_all();
  });
  handed_over.count_down();
  gone.wait(false);
  end_scheduler();
}

}  // namespace
