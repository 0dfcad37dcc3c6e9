// No memory while a scheduler starts, describes itself or stops.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "allocation_faults.hpp"

namespace {

using faults::complaint;
using faults::scope;

// A scheduler that could not be made leaves nothing behind; one that could be made works.
void starts_or_throws(const coppice::scheduler_options& options) {
  const auto before = faults::faults_injected();
  coppice::scheduler{options};
  for (const scope who : {scope::this_thread, scope::any_thread})
    faults::with_each_fault(who, [&](const auto& inject) {
      std::unique_ptr<coppice::scheduler> s;
      inject([&]() -> complaint {
        s = std::make_unique<coppice::scheduler>(options);
        return nullptr;
      });
      if (s != nullptr) {
        EXPECT_EQ(s->run([] { return 1; }), 1);
      }
    });
  std::printf("faults injected: %llu\n", static_cast<unsigned long long>(faults::faults_injected() - before));
}

TEST(allocation, ASchedulerOfThisMachineStartsOrThrowsBadAlloc) { starts_or_throws({}); }

TEST(allocation, ASchedulerOfASimulatedMachineStartsOrThrowsBadAlloc) {
  starts_or_throws({.name = "a name of more than fifteen characters", .topology = "pack:2 core:2 pu:2"});
}

TEST(allocation, ASchedulerThatMayNotRunUnpinnedThrowsItsErrorOrBadAlloc) {
  faults::with_each_fault(scope::any_thread, [](const auto& inject) {
    inject([]() -> complaint {
      try {
        coppice::scheduler({.require_pinning = true, .topology = "core:2 pu:1"});
      } catch (const std::system_error&) {
        return nullptr;
      }
      return "it started";
    });
  });
}

TEST(allocation, AWorkerThatHasNoMemoryToSayWhyItIsUnpinnedRunsUnpinned) {
  // Each worker's binding is refused, and the text of the refusal is made on the worker's own thread.
  setenv("HWLOC_THISSYSTEM", "1", 1);
  starts_or_throws({.topology = "core:4 pu:1(indexes=40000,40001,40002,40003)"});
  unsetenv("HWLOC_THISSYSTEM");
}

TEST(allocation, DescribeGivesItsTextOrThrowsBadAlloc) {
  faults::survives_each_fault([](coppice::scheduler& s) -> complaint {
    const std::string text = s.describe();
    return text.find("workers: 2") != std::string::npos ? nullptr : "half a text";
  });
}

// Each worker has a job that runs until it is told to stop, and one more waits for a worker.
struct busy {
  std::latch running{2};
  coppice::job<void> first, second, queued;

  explicit busy(coppice::scheduler& s)
      : first(s.submit([this] { stand(); })), second(s.submit([this] { stand(); })), queued(s.submit([] {})) {
    running.wait();
  }
  void stand() {
    running.count_down();
    while (!coppice::this_task::stop_requested()) std::this_thread::yield();
  }
};

TEST(allocation, StopCancelsOrThrowsBadAllocAndCanBeAskedAgain) {
  const auto before = faults::faults_injected();
  for (const scope who : {scope::this_thread, scope::any_thread})
    faults::with_each_fault(who, [&](const auto& inject) {
      coppice::scheduler s(faults::two_workers());
      busy jobs(s);
      inject([&]() -> complaint {
        try {
          return s.stop(coppice::stop_mode::cancel).still_running.size() <= 2 ? nullptr : "who is running?";
        } catch (const std::bad_alloc&) {
          // The door is closed all the same.
          return s.try_submit([] {}).status == coppice::admission::stopped ? nullptr : "it is open";
        }
      });
      EXPECT_LE(s.stop(coppice::stop_mode::cancel).skipped, 1U);
      EXPECT_TRUE(jobs.first.done() && jobs.second.done() && jobs.queued.done());
    });
  std::printf("faults injected: %llu\n", static_cast<unsigned long long>(faults::faults_injected() - before));
}

TEST(allocation, DrainNeedsNoMemory) {
  std::atomic<int> ran{0};
  coppice::scheduler s(faults::two_workers());
  std::vector<coppice::job<void>> jobs;
  for (int i = 0; i < 10; ++i)
    jobs.push_back(s.submit([&] { coppice::join([&] { ++ran; }, [&] { ++ran; }); }));
  {
    const faults::no_memory now;
    s.stop(coppice::stop_mode::drain);
  }
  EXPECT_EQ(ran, 20);
}

TEST(allocation, TheDestructorNeedsNoMemoryAlsoAfterAStopThatSaysWhatWasRunning) {
  std::optional<coppice::scheduler> s(std::in_place, faults::two_workers());
  busy jobs(*s);
  ASSERT_FALSE(s->stop(coppice::stop_mode::cancel).still_running.empty());
  const faults::no_memory now;
  s.reset();
}

}  // namespace
