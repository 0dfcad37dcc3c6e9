// No memory while jobs are submitted, waited for, cancelled and let go.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "allocation_faults.hpp"

namespace {

using namespace std::chrono_literals;
using faults::complaint;
using faults::long_text;
using faults::survives_each_fault;

TEST(allocation, SubmitGivesTheValueOrThrowsBadAllocAndLeavesTheCallableUntouched) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto closure = [v = std::make_unique<int>(5)] { return *v; };
    try {
      return s.submit(std::move(closure), {.name = long_text}).get() == 5 ? nullptr : "another value";
    } catch (const coppice::job_error&) {
      return "a job whose body allocates nothing failed";
    }
  });
}

TEST(allocation, TrySubmitGivesTheValueOrThrowsBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto answer = s.try_submit([] { return std::string(long_text); });
    if (answer.status != coppice::admission::accepted) return "not accepted";
    return answer.job.get() == long_text ? nullptr : "another value";
  });
}

TEST(allocation, ARefusalIsSchedulerStoppedOrBadAlloc) {
  coppice::scheduler stopped(faults::two_workers());
  stopped.stop();
  survives_each_fault([&](coppice::scheduler&) -> complaint {
    try {
      stopped.submit([] {});
    } catch (const coppice::scheduler_stopped&) {
      return nullptr;
    }
    return "it was not refused";
  });
}

TEST(allocation, AJobWithinAJobGivesItsValueOrAnError) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    const int value = s.run([&s] {
      auto inner = s.submit([] { return 3; }, {.name = long_text});
      auto other = s.submit([] { return 4; });
      return inner.get() + other.get();
    });
    return value == 7 ? nullptr : "another value";
  });
}

TEST(allocation, AWaitThatCouldNeverEndIsWouldDeadlockOrBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::optional<coppice::job<bool>> own;
    std::latch known{1};
    own = s.submit([&] {
      known.wait();
      try {
        own->wait();
      } catch (const coppice::would_deadlock&) {
        return true;
      }
      return false;
    });
    known.count_down();
    return own->get() ? nullptr : "it waited";
  });
}

// The job stands until it is stopped, by whatever.
struct standing {
  std::latch stands{1};
  std::atomic<bool> left{false};
  coppice::job<void> job;

  standing(coppice::scheduler& s, coppice::job_options options = {})
      : job(s.submit(
            [this] {
              stands.count_down();
              while (!coppice::this_task::stop_requested()) std::this_thread::yield();
              // Long enough for whoever does not wait to be seen not waiting.
              for (int i = 0; i < 100; ++i) std::this_thread::yield();
              left = true;
            },
            std::move(options))) {
    stands.wait();
  }
};

TEST(allocation, CancelWithAReasonCancelsOrThrowsBadAllocAndChangesNothing) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    standing one(s);
    bool did = false;
    try {
      did = one.job.cancel(long_text);
    } catch (const std::bad_alloc&) {
      if (!one.job.cancel()) return "the one that threw has cancelled it";
    }
    const coppice::job_report& r = one.job.wait();
    // It ran to its end: nothing was lost.
    if (r.result != coppice::outcome::completed) return "another outcome";
    if (!r.cancel || (did && r.cancel->reason != long_text)) return "another reason";
    return faults::judged(r);
  });
}

TEST(allocation, AStopTokenTellsItsCallbackOrThrowsBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    standing one(s);
    std::atomic<bool> told{false};
    const std::stop_callback callback(one.job.stop_token(), [&] { told = true; });
    one.job.cancel();
    one.job.wait();
    return told ? nullptr : "the callback was not called";
  });
}

// C-07, C-27: whatever is missing, the job must not outlive what its handle was declared after.
TEST(allocation, AHandleThatIsDestroyedHasJoinedItsJob) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::atomic<bool> left{false};
    {
      standing one(s);
      { const auto gone = std::exchange(one.job, {}); }
      left = one.left.load();
    }
    return left ? nullptr : "the job still ran when its handle was gone";
  });
}

TEST(allocation, AHandleThatIsDestroyedInATaskHasJoinedItsJob) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    const bool joined = s.run([&s] {
      standing one(s, {.name = long_text});
      { const auto gone = std::exchange(one.job, {}); }
      return one.left.load();
    });
    return joined ? nullptr : "the job still ran when its handle was gone";
  });
}

TEST(allocation, ADetachedJobRunsOrWasNeverAccepted) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::latch ran{1};
    s.submit([&] { ran.count_down(); }).detach();
    ran.wait();
    return nullptr;
  });
}

// A deadline that cannot be watched stops the job at once: it is never silently without one.
TEST(allocation, AJobWithADeadlineMeetsItOrIsStoppedOrThrowsBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job =
        s.submit([] { return std::string(long_text); }, {.deadline = std::chrono::steady_clock::now() + 1h});
    const coppice::job_report& r = job.wait();
    if (r.result == coppice::outcome::deadline_exceeded) return r.skipped == 1 ? nullptr : "nothing was lost";
    return faults::judged(r);
  });
}

TEST(allocation, AJobThatPassesItsDeadlineIsStopped) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit(
        [] {
          while (!coppice::this_task::stop_requested()) std::this_thread::yield();
          coppice::this_task::throw_if_stopped();
        },
        {.deadline = std::chrono::steady_clock::now() + 1ms});
    const coppice::job_report& r = job.wait();
    if (r.result != coppice::outcome::deadline_exceeded) return "another outcome";
    return faults::judged(r);
  });
}

}  // namespace
