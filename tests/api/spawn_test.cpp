// spawn: children that nobody waits for but the job; what accepting promises (C-01, C-02), what follows a
// throw (C-09).
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/ledger.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::spawn;
using support::collecting;
using support::failure;
using support::report_of;
using support::tracked;

class spawning : public support::on_workers {};

// A closure that cannot be moved in.
struct immovable_in_practice {
  immovable_in_practice() = default;
  immovable_in_practice(const immovable_in_practice&) { throw failure("copied"); }
  immovable_in_practice(immovable_in_practice&& other) : count(other.count) { throw failure("moved"); }
  immovable_in_practice& operator=(const immovable_in_practice&) = delete;
  immovable_in_practice& operator=(immovable_in_practice&&) = delete;
  ~immovable_in_practice() = default;
  void operator()() const { ADD_FAILURE() << "must not run"; }
  int count = 1;
};

struct large_immovable : immovable_in_practice {
  char room[4096] = {};
};

TEST_ON_WORKERS(spawning, C01AClosureThatCannotBeMovedInLeavesTheJobUnchanged) {
  const auto report = report_of(scheduler(), [] {
    immovable_in_practice small;
    EXPECT_EQ(support::failure_of([&] { spawn(small); }), "copied");
    EXPECT_EQ(support::failure_of([&] { spawn(std::move(small)); }), "moved");
    EXPECT_EQ(support::failure_of([&] { spawn(large_immovable(), "large"); }), "moved");
    coppice::task_group group;
    EXPECT_EQ(support::failure_of([&] { group.spawn(std::move(small)); }), "moved");
    group.wait();
    spawn([] {});
  });
  EXPECT_EQ(report.spawned, 2U);
  EXPECT_EQ(report.succeeded, 2U);
}

TEST_ON_WORKERS(spawning, C01ARootThatCannotBeMovedInLeavesTheSchedulerUnchanged) {
  // One place in the queue: if the refused ones kept it, the last submission would say full.
  coppice::scheduler one({.workers = workers(), .injection_capacity = 1});
  immovable_in_practice root;
  EXPECT_EQ(support::failure_of([&] { one.submit(std::move(root)); }), "moved");
  EXPECT_EQ(support::failure_of([&] { one.try_submit(root); }), "copied");
  EXPECT_EQ(one.stats().jobs, 0U);
  auto accepted = one.try_submit([] { return 1; });
  ASSERT_EQ(accepted.status, coppice::admission::accepted);
  EXPECT_EQ(accepted.job.get(), 1);
  const auto stopped = one.stop();
  EXPECT_EQ(stopped.rejected, 0U);
}

TEST_ON_WORKERS(spawning, C02AChildsErrorNeverComesOutOfSpawnAlsoWhenItRunsInline) {
  const std::size_t n = support::scaled(std::size_t{50'000});
  const auto report = report_of(
      scheduler(),
      [&] {
        for (std::size_t i = 0; i < n; ++i)
          EXPECT_NO_THROW(EXPECT_TRUE(spawn([] { throw failure("child"); })));
      },
      collecting());
  EXPECT_EQ(report.errors_total, n);
  EXPECT_EQ(report.failed, n);
  EXPECT_EQ(report.succeeded, 1U);
}

TEST_ON_WORKERS(spawning, C06C07TheJobWaitsForAllDescendantsAndTheirClosures) {
  for (int i = 0; i < support::scaled(20); ++i) {
    support::ledger book(100);
    std::vector<int> written(100);  // plain on purpose
    auto job = scheduler().submit([&] {
      for (std::size_t k = 0; k < 10; ++k)
        spawn([&, k, t = tracked()] {
          for (std::size_t m = 0; m < 10; ++m)
            spawn([&, id = k * 10 + m, u = tracked()] {
              book.enter(id);
              written[id] = 1;
            });
        });
    });
    const auto report = support::checked(job);
    EXPECT_EQ(tracked::live(), 0);
    EXPECT_TRUE(book.exactly_once());
    for (const int w : written) EXPECT_EQ(w, 1);
    EXPECT_EQ(report.succeeded, 111U);
  }
}

void split(support::ledger& book, std::uint64_t node, int levels) {
  book.enter(node);
  if (levels == 0) return;
  spawn([&book, node, levels] { split(book, 2 * node + 1, levels - 1); });
  spawn([&book, node, levels] { split(book, 2 * node + 2, levels - 1); });
}

TEST_ON_WORKERS(spawning, C31ATreeOfDepth16RunsThroughAQueueWithOnePlace) {
  constexpr int levels = support::sanitized ? 13 : 16;
  coppice::scheduler narrow({.workers = workers(), .injection_capacity = 1});
  support::ledger book((std::size_t{2} << levels) - 1);
  const auto report = report_of(narrow, [&] { split(book, 0, levels); });
  EXPECT_TRUE(book.exactly_once());
  EXPECT_EQ(report.succeeded, (std::uint64_t{2} << levels) - 1);
}

TEST_ON_WORKERS(spawning, C09ABodyThatThrowsAfterSpawningKeepsItsChildrenInTheJob) {
  for (int i = 0; i < support::scaled(50); ++i) {
    support::ledger book(20);
    auto job = scheduler().submit(
        [&] {
          for (std::size_t k = 0; k < 20; ++k) spawn([&, k] { book.enter(k); });
          throw failure("parent");
        },
        collecting());
    const auto report = support::checked(job);
    EXPECT_TRUE(book.exactly_once());
    EXPECT_EQ(support::lines(report), std::vector<std::string>{"root parent"});
    EXPECT_EQ(report.succeeded, 20U);
  }
}

TEST_ON_WORKERS(spawning, C09UnderFailFastTheUnstartedChildrenOfABodyThatThrewAreSkipped) {
  for (int i = 0; i < support::scaled(50); ++i) {
    std::atomic<unsigned> ran{0};
    const auto report = report_of(scheduler(), [&] {
      for (int k = 0; k < 20; ++k) spawn([&, t = tracked()] { ++ran; });
      throw failure("parent");
    });
    EXPECT_EQ(tracked::live(), 0);
    EXPECT_EQ(report.succeeded, ran);
    EXPECT_EQ(report.skipped, 20U - ran);
    EXPECT_EQ(report.result, coppice::outcome::failed);
    if (workers() == 1) {
      EXPECT_EQ(ran, 0U);
    }
  }
}

void stay(support::ledger& book, std::size_t first, std::size_t last) {
  const auto here = std::this_thread::get_id();
  const int worker = coppice::this_task::worker();
  thread_local int mark = 0;
  int* const address = &mark;
  if (last - first == 1) {
    book.enter(first);
  } else {
    const std::size_t middle = first + (last - first) / 2;
    coppice::task_group group;
    group.spawn([&] { stay(book, first, middle); });
    coppice::join([&] { stay(book, middle, middle + (last - middle) / 2 + 1 > last ? last : middle + 1); },
                  [&] {
                    if (middle + 1 < last) stay(book, middle + 1, last);
                  });
    group.wait();
  }
  EXPECT_EQ(std::this_thread::get_id(), here);
  EXPECT_EQ(coppice::this_task::worker(), worker);
  EXPECT_EQ(&mark, address);
}

// Two errors, of which one is handed up and the other stays with the task.
void handle_two_errors(const std::shared_ptr<int>& held) {
  struct holding {
    std::shared_ptr<int> kept;
  };
  coppice::task_group group;
  for (int i = 0; i < 2; ++i) group.spawn([&held] { throw holding{held}; });
  try {
    group.wait();
  } catch (const holding&) {
  }
}

// The inner child is its grandparent's group's; when it has spawned, what lies between is gone.
TEST_ON_WORKERS(spawning, WhatATaskKeepsIsGoneAlsoWhenItsGroupsChildTakesOverItsParent) {
  const auto held = std::make_shared<int>(0);
  scheduler()
      .submit(
          [&held] {
            spawn([&held] {
              handle_two_errors(held);
              coppice::task_group group;
              group.spawn([&group] {
                group.spawn([] {
                  // Of a size that has no node at hand.
                  spawn([room = std::array<char, 64>{}] { static_cast<void>(room); });
                });
              });
              group.wait();
            });
          },
          {.errors = coppice::error_policy::collect_all()})
      .get();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_ON_WORKERS(spawning, C38ATaskStaysOnItsThreadFromStartToEnd) {
  for (int i = 0; i < support::scaled(20); ++i) {
    support::ledger book(300);
    scheduler().run([&] { stay(book, 0, 300); });
    EXPECT_TRUE(book.exactly_once());
  }
}

TEST_ON_WORKERS(spawning, C15SpawnAfterACancelSaysFalseAndTheChildCountsAsSkipped) {
  const auto report = report_of(scheduler(), [] {
    EXPECT_TRUE(spawn([] {}));
    EXPECT_TRUE(coppice::this_task::cancel_job("enough"));
    coppice::task_group group;
    for (int i = 0; i < 10; ++i) {
      EXPECT_FALSE(spawn([] { ADD_FAILURE() << "must not run"; }));
      EXPECT_FALSE(group.spawn([] { ADD_FAILURE() << "must not run"; }));
    }
  });
  EXPECT_EQ(report.result, coppice::outcome::cancelled);
  EXPECT_GE(report.skipped, 20U);
}

TEST(spawning_serially, OutsideOfATaskAChildRunsAtOnceAndItsErrorGoesToTheHandler) {
  static int heard;
  heard = 0;
  coppice::set_unobserved_error_handler([](const coppice::job_report& report) {
    ++heard;
    EXPECT_EQ(report.errors_total, 1U);
    ASSERT_EQ(report.errors.size(), 1U);
    EXPECT_EQ(report.errors[0].message, "alone");
  });
  bool ran = false;
  EXPECT_TRUE(spawn([&] { ran = true; }));
  EXPECT_TRUE(ran);
  EXPECT_EQ(heard, 0);
  EXPECT_TRUE(spawn([] { throw failure("alone"); }));
  EXPECT_EQ(heard, 1);
  coppice::set_unobserved_error_handler(nullptr);
}

}  // namespace
