// What fuzzed trees have found, in its smallest form.
#include <gtest/gtest.h>

#include <chrono>
#include <coppice/coppice.hpp>
#include <latch>
#include <string>
#include <vector>

#include "support/check.hpp"
#include "support/workers.hpp"

namespace {

using coppice::join;
using support::collecting;
using support::failure;
using support::failure_of;
using support::lines;
using support::report_of;

class found_by_fuzzing : public support::on_workers {};

TEST_ON_WORKERS(found_by_fuzzing, C36AWorkerThatWaitsElsewhereRunsWhatAJobThatComesBackHasSpawned) {
  coppice::scheduler other({.workers = 1});
  bool ran = false;  // plain on purpose
  scheduler().run([&] { other.run([&] { scheduler().run([&] { coppice::spawn([&] { ran = true; }); }); }); });
  EXPECT_TRUE(ran);
}

TEST_ON_WORKERS(found_by_fuzzing, AWaitAfterAWaitThatGaveUpRunsWhatTheJobHasSpawned) {
  bool ran = false;  // plain on purpose
  scheduler().run([&] {
    auto job = scheduler().submit([&] { coppice::spawn([&] { ran = true; }); });
    job.wait_until(std::chrono::steady_clock::now());
    job.wait();
    EXPECT_TRUE(ran);
  });
}

TEST_ON_WORKERS(found_by_fuzzing, C31AnotherSchedulersWorkerDoesNotBlockInSubmitEither) {
  coppice::scheduler home({.workers = 1, .injection_capacity = 1});
  std::latch begun{1};
  std::latch full{1};
  auto outer = home.submit([&] {
    begun.count_down();
    scheduler().run([&] {
      full.wait();
      home.run([] {});
    });
  });
  begun.wait();
  auto queued = home.submit([] {});
  full.count_down();
  EXPECT_EQ(support::checked(outer).result, coppice::outcome::completed);
}

TEST_ON_WORKERS(found_by_fuzzing, C12AGroupRethrowsWhatTheChildThrewNotWhatTheChildHasHandled) {
  report_of(
      scheduler(),
      [] {
        coppice::task_group group;
        group.spawn([] {
          EXPECT_EQ(failure_of([] { join([] { throw failure("a"); }, [] { throw failure("b"); }); }), "a");
          throw failure("own");
        });
        EXPECT_EQ(failure_of([&] { group.wait(); }), "own");
      },
      collecting(1));
}

TEST_ON_WORKERS(found_by_fuzzing,
                C24TheSmallestPathsAndThePrimaryErrorAreKeptAlsoOfErrorsThatAGroupHasLeftBehind) {
  const auto report = report_of(
      scheduler(),
      [] {
        coppice::task_group group;
        for (int i = 0; i < 3; ++i) group.spawn([i] { throw failure(static_cast<std::uint64_t>(i)); });
        EXPECT_EQ(failure_of([&] { group.wait(); }), "0");
        throw failure("own");
      },
      collecting(2));
  EXPECT_EQ(report.errors_total, 3U);
  EXPECT_EQ(lines(report), (std::vector<std::string>{"root/1 1 secondary", "root own"}));
}

TEST_ON_WORKERS(found_by_fuzzing, ErrorsOfOnePlaceStayInTheOrderInWhichTheyHappened) {
  const auto report = report_of(
      scheduler(),
      [] {
        coppice::task_group outer;
        outer.spawn([] { throw failure("first"); });
        outer.spawn([] {
          coppice::task_group inner;
          inner.spawn([] {
            coppice::this_task::fail(std::make_error_code(std::errc::io_error), "one");
            coppice::this_task::fail(std::make_error_code(std::errc::io_error), "two");
          });
          inner.wait();
        });
        outer.wait();
      },
      collecting());
  ASSERT_EQ(report.errors.size(), 3U);
  EXPECT_TRUE(report.errors[1].message.starts_with("one")) << report;
  EXPECT_TRUE(report.errors[2].message.starts_with("two")) << report;
}

TEST_ON_WORKERS(found_by_fuzzing, C05AChildThatAStoppedGroupRefusesHasItsOrdinalAllTheSame) {
  scheduler().run([] {
    coppice::task_group group;
    std::uint32_t spawned = 0;
    group.spawn([] { throw failure("first"); });
    // With one worker nothing is refused here, with more as soon as the first child has failed.
    for (++spawned; spawned < 5000; ++spawned) {
      coppice::this_task::throw_if_stopped();
      if (!group.spawn([] {})) break;
    }
    EXPECT_EQ(failure_of([&] { group.wait(); }), "first");
    const std::string next = "root/" + std::to_string(spawned < 5000 ? spawned + 1 : spawned);
    join([&] { EXPECT_EQ(coppice::this_task::path(), next); }, [] {});
  });
}

}  // namespace
