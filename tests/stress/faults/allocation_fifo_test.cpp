// No memory in the FIFO pool.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "allocation_faults.hpp"

namespace {

using faults::complaint;
using faults::long_text;
using faults::scope;

// As with_each_fault, with a pool in a scheduler's place.
template <class Operation>
void pool_survives_each_fault(const Operation& operation) {
  const auto before = faults::faults_injected();
  for (const scope who : {scope::this_thread, scope::any_thread})
    faults::with_each_fault(who, [&](const auto& inject) {
      coppice::fifo_pool pool({.workers = 2});
      inject([&] { return operation(pool); });
      EXPECT_EQ(pool.submit([] { return 1; }).get(), 1) << "the pool is not usable afterwards";
    });
  std::printf("faults injected: %llu\n", static_cast<unsigned long long>(faults::faults_injected() - before));
}

TEST(allocation, AFifoPoolStartsOrThrowsBadAlloc) {
  for (const scope who : {scope::this_thread, scope::any_thread})
    faults::with_each_fault(who, [](const auto& inject) {
      std::optional<coppice::fifo_pool> pool;
      inject([&]() -> complaint {
        pool.emplace(coppice::fifo_options{.workers = 3, .name = long_text});
        return nullptr;
      });
      if (pool) {
        EXPECT_EQ(pool->submit([] { return 1; }).get(), 1);
      }
    });
}

TEST(allocation, AFifoTaskGivesItsValueOrBadAlloc) {
  pool_survives_each_fault([](coppice::fifo_pool& pool) -> complaint {
    return pool.submit([] { return std::string(long_text); }).get() == long_text ? nullptr : "another value";
  });
}

TEST(allocation, AFifoTaskThatIsMovedInIsUntouchedWhenThereIsNoRoomForIt) {
  pool_survives_each_fault([](coppice::fifo_pool& pool) -> complaint {
    auto closure = [v = std::make_unique<int>(5)] { return *v; };
    try {
      return pool.submit(std::move(closure)).get() == 5 ? nullptr : "another value";
    } catch (const std::bad_alloc&) {
      return closure() == 5 ? nullptr : "another value";
    }
  });
}

TEST(allocation, AFifoTaskThatThrowsGivesItsErrorOrBadAlloc) {
  pool_survives_each_fault([](coppice::fifo_pool& pool) -> complaint {
    auto task = pool.submit([] { throw support::failure(long_text); });
    try {
      task.get();
    } catch (const support::failure&) {
      return nullptr;
    }
    return "get() returned";
  });
}

// A pool whose only worker stands until it is let go, with tasks behind it.
struct full {
  std::latch stands{1}, go{1};
  coppice::fifo_task<void> running, queued;

  explicit full(coppice::fifo_pool& pool)
      : running(pool.submit([this] {
          stands.count_down();
          go.wait();
        })),
        queued(pool.submit([] {})) {
    stands.wait();
  }
};

TEST(allocation, AFifoPoolStopsOrThrowsBadAllocAndCanBeAskedAgain) {
  for (const scope who : {scope::this_thread, scope::any_thread})
    faults::with_each_fault(who, [](const auto& inject) {
      coppice::fifo_pool pool({.workers = 1});
      full tasks(pool);
      // The stop skips what is queued and then waits for what runs.
      std::thread releaser([&] {
        try {
          tasks.queued.get();
        } catch (...) {
          // Skipped, with or without memory for the reason.
        }
        tasks.go.count_down();
      });
      inject([&]() -> complaint {
        try {
          pool.stop(coppice::stop_mode::cancel);
          return nullptr;
        } catch (const std::bad_alloc&) {
          return pool.stop(coppice::stop_mode::cancel).skipped == 1 ? nullptr : "another count";
        }
      });
      releaser.join();
      EXPECT_EQ(pool.stop().skipped, 1U);
    });
}

TEST(allocation, TheDestructorOfAFifoPoolNeedsNoMemoryAlsoAfterAStopThatSaysWhatWasRunning) {
  std::optional<coppice::fifo_pool> pool(std::in_place, coppice::fifo_options{.workers = 1});
  full tasks(*pool);
  std::thread releaser([&] {
    EXPECT_THROW(tasks.queued.get(), coppice::scheduler_stopped);
    tasks.go.count_down();
  });
  ASSERT_FALSE(pool->stop(coppice::stop_mode::cancel).still_running.empty());
  releaser.join();
  const faults::no_memory now;
  pool.reset();
}

}  // namespace
