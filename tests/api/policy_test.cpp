// Error policies: which errors stop a job, and which one comes first (C-25).
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <latch>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::error_policy;
using coppice::outcome;
using coppice::spawn;
using support::failure;
using support::mixed;
using support::report_of;

class policies : public support::on_workers {};

// A tree of joins, groups and spawned children, some of which throw and some of which catch. What it does
// depends on its seed only.
void grow(std::uint64_t seed, int depth) {
  const auto choice = mixed(seed) % 16;
  if (choice == 0) throw failure(seed);
  if (depth == 0) return;
  const auto below = [&](std::uint64_t i) { grow(mixed(seed, i), depth - 1); };
  if (choice < 7) {
    coppice::join([&] { below(1); }, [&] { below(2); }, [&] { below(3); });
  } else if (choice < 9) {
    coppice::task_group group;
    for (std::uint64_t i = 1; i < 5; ++i) group.spawn([=] { grow(mixed(seed, i), depth - 1); });
    if (mixed(seed, 98) % 4 == 0) throw failure(seed + 2);  // leaves children behind
    group.wait();
  } else if (choice < 12) {
    for (std::uint64_t i = 1; i < 4; ++i) spawn([=] { grow(mixed(seed, i), depth - 1); });
    coppice::join([&] { below(4); }, [&] { below(5); });
  } else if (choice < 14) {
    try {
      coppice::join([&] { below(1); }, [&] { below(2); }, [&] { below(4); });
    } catch (const failure&) {
      below(3);
    }
  } else if (choice < 15) {
    try {
      coppice::task_group group;
      for (std::uint64_t i = 1; i < 4; ++i) {
        group.spawn([=] { grow(mixed(seed, i), depth - 1); });
        spawn([=] { grow(mixed(seed, i + 10), depth - 1); });
      }
      group.wait();
    } catch (const failure&) {
      below(4);
    }
  } else {
    below(1);
  }
  if (mixed(seed, 99) % 16 == 0) throw failure(seed + 1);
}

// What the same code meets first outside of a scheduler, where it runs serially. "" if nothing fails.
std::string first_of_serial_run;  // NOLINT: the handler is a plain function

std::string serial_error(std::uint64_t seed, int depth) {
  first_of_serial_run.clear();
  coppice::set_unobserved_error_handler([](const coppice::job_report& r) {
    if (first_of_serial_run.empty()) first_of_serial_run = r.errors.at(0).message;
  });
  try {
    grow(seed, depth);
  } catch (const failure& e) {
    if (first_of_serial_run.empty()) first_of_serial_run = e.what();
  }
  coppice::set_unobserved_error_handler(nullptr);
  return first_of_serial_run;
}

std::string primary_of(coppice::job<void>& job) {
  try {
    job.get();
  } catch (const coppice::job_error& e) {
    return support::failure_of([&] { e.rethrow_primary(); });
  } catch (const coppice::job_exception& e) {
    ADD_FAILURE() << e.what();
  }
  return {};
}

TEST(policies_of_random_trees, C25SerialFirstGivesTheErrorOfTheSerialRun) {
  auto random = support::random_source();
  std::vector<std::unique_ptr<coppice::scheduler>> schedulers;
  for (const unsigned n : {1U, 2U, 3U, 8U, 64U})
    schedulers.push_back(std::make_unique<coppice::scheduler>(coppice::scheduler_options{.workers = n}));
  constexpr int depth = 5;
  std::uint64_t failed = 0;
  std::uint64_t skipped = 0;
  for (std::size_t i = 0; i < support::scaled(std::size_t{10'000}); ++i) {
    const std::uint64_t seed = random();
    const std::string expected = serial_error(seed, depth);
    auto job = schedulers[i % schedulers.size()]->submit([=] { grow(seed, depth); },
                                                         {.errors = error_policy::serial_first()});
    const auto report = support::checked(job);
    skipped += report.skipped + report.cancelled;
    failed += expected.empty() ? 0U : 1U;
    ASSERT_EQ(primary_of(job), expected) << "seed " << seed << '\n' << report;
  }
  EXPECT_GT(failed, 100U) << "the test is about failures";
  EXPECT_GT(skipped, 100U) << "and about what they stop";
}

TEST_ON_WORKERS(policies, C25SerialFirstRunsWhatIsLeftOfTheFailureAndSkipsWhatIsRight) {
  for (int round = 0; round < support::scaled(20); ++round) {
    std::vector<std::atomic<int>> ran(200);
    const auto report = report_of(scheduler(),
                                  [&] {
                                    for (std::size_t i = 0; i < 200; ++i)
                                      spawn([&ran, i] {
                                        ran[i] = 1;
                                        if (i % 100 == 50) throw failure(i);
                                      });
                                  },
                                  {.errors = error_policy::serial_first()});
    EXPECT_EQ(report.result, outcome::failed);
    for (std::size_t i = 0; i <= 50; ++i) ASSERT_EQ(ran[i], 1) << i;
    ASSERT_FALSE(report.errors.empty());
    EXPECT_EQ(report.errors[0].path, "root/50");
    ASSERT_TRUE(report.cancel);
    EXPECT_EQ(report.cancel->by, "root/50");
    EXPECT_EQ(report.succeeded + report.failed + report.cancelled + report.skipped, 201U);
  }
}

TEST_ON_WORKERS(policies, C25UnderSerialFirstWhatIsRightOfAFailureIsStoppedAtItsForks) {
  const auto report = report_of(scheduler(),
                                [] {
                                  coppice::join([] { spawn([] { throw failure("first"); }); }, [] {});
                                  support::fork_until([] { return false; });  // left by `cancelled` only
                                },
                                {.errors = error_policy::serial_first()});
  EXPECT_EQ(support::lines(report), std::vector<std::string>{"root/0/0 first"});
  EXPECT_EQ(report.cancelled, 1U);
}

// The thief of a right branch spawns; then the left branch fails, and the failure is caught. The serial run
// would not have come to the right branch.
TEST(policies_of_one, C25AChildThatTheSerialRunWouldNotHaveSpawnedIsDroppedUnderSerialFirst) {
  coppice::scheduler s({.workers = 2});
  bool caught = false;
  const auto report = report_of(s,
                                [&] {
                                  std::atomic<bool> spawned{false};
                                  try {
                                    coppice::join(
                                        [&] {
                                          support::fork_until([&] { return spawned.load(); });
                                          throw failure("left");
                                        },
                                        [&] {
                                          EXPECT_TRUE(spawn([] { throw failure("right"); }));
                                          spawned = true;
                                        });
                                  } catch (const failure&) {
                                    caught = true;
                                  }
                                },
                                {.errors = error_policy::serial_first()});
  EXPECT_TRUE(caught);
  EXPECT_EQ(report.result, outcome::completed) << report;
  EXPECT_EQ(report.skipped, 1U) << "dropped, and counted";
  EXPECT_FALSE(report.cancel);
}

TEST(policies_of_one, C25AChildThatTheSerialRunWouldHaveSpawnedRunsOnceThatIsCertain) {
  coppice::scheduler s({.workers = 2});
  std::atomic<int> ran{0};
  const auto report = report_of(s,
                                [&] {
                                  std::atomic<int> spawned{0};
                                  coppice::task_group group;
                                  group.spawn([&] {  // held for the join, then for the group
                                    coppice::join(
                                        [&] {
                                          support::fork_until([&] { return spawned == 1; });
                                          EXPECT_EQ(ran, 0) << "the left branch has not ended";
                                        },
                                        [&] {
                                          spawn([&] { ++ran; });
                                          ++spawned;
                                        });
                                  });
                                  group.wait();
                                },
                                {.errors = error_policy::serial_first()});
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(report.succeeded, 3U);
}

// Its closure dies, its end is counted, and what its closure's end throws is nobody's first error.
TEST_ON_WORKERS(policies, C25C08ADroppedChildsClosureDiesBeforeTheJoinAndMayThrow) {
  struct throws_at_end {
    support::tracked t;
    bool armed = true;
    throws_at_end() = default;
    throws_at_end(throws_at_end&& other) noexcept : armed(std::exchange(other.armed, false)) {}
    ~throws_at_end() noexcept(false) {
      if (armed) throw failure("end");
    }
    void operator()() const { ADD_FAILURE() << "must not run"; }
  };
  const auto report = report_of(scheduler(),
                                [] {
                                  try {
                                    coppice::task_group group;
                                    group.spawn([] { throw failure("first"); });
                                    group.spawn([] { spawn(throws_at_end()); });
                                    group.wait();
                                  } catch (const failure& e) {
                                    EXPECT_STREQ(e.what(), "first");
                                  }
                                  EXPECT_EQ(support::tracked::live(), 0);
                                },
                                {.errors = error_policy::serial_first()});
  EXPECT_EQ(report.result, outcome::completed) << report;
}

TEST_ON_WORKERS(policies, C25ACancelAfterAFailureStopsTheRestUnderSerialFirst) {
  const auto report = report_of(scheduler(),
                                [] {
                                  auto failed = std::make_shared<std::atomic<bool>>(false);
                                  spawn([failed] {
                                    support::fork_until([&] { return failed->load(); });
                                    EXPECT_FALSE(coppice::this_task::stop_requested())
                                        << "what failed is to the right";
                                    EXPECT_TRUE(coppice::this_task::cancel_job("enough"));
                                    EXPECT_TRUE(coppice::this_task::stop_requested());
                                  });
                                  spawn([failed] {
                                    const support::at_end after([failed] { *failed = true; });
                                    throw failure("to the right");
                                  });
                                },
                                {.errors = error_policy::serial_first()});
  EXPECT_EQ(report.errors_total, 1U);
  ASSERT_TRUE(report.cancel);
  EXPECT_EQ(report.cancel->by, "root/0");
  EXPECT_EQ(report.cancel->reason, "enough");
}

// The children of the root run one after the other, so that errors come one at a time.
coppice::job_report failures_in_a_row(coppice::scheduler& s, int tasks, int every, error_policy policy) {
  return report_of(s,
                   [=] {
                     for (int i = 0; i < tasks; ++i) {
                       auto over = std::make_shared<std::atomic<bool>>(false);
                       spawn([over, i, every] {
                         const support::at_end after([over] { *over = true; });
                         if (i % every == 0) throw failure(static_cast<std::uint64_t>(i));
                       });
                       support::fork_until([&] { return over->load(); });
                     }
                   },
                   {.errors = policy});
}

TEST(policies_of_one, C24AfterStopsAtTheErrorThatUsesTheBudgetUp) {
  coppice::scheduler s({.workers = 2});
  const auto report = failures_in_a_row(s, 1000, 10, error_policy::after(5));
  EXPECT_EQ(report.result, outcome::failed);
  EXPECT_GE(report.errors_total, 5U);
  EXPECT_LE(report.errors_total, 6U) << "one task may have started before the stop was seen";
  ASSERT_TRUE(report.cancel);
  EXPECT_NE(report.cancel->reason.find("too many errors"), std::string::npos) << report.cancel->reason;
}

// One worker runs the children one after the other, once the root has ended.
void ten_failures() {
  for (int i = 0; i < 10; ++i) spawn([] { throw failure("each"); });
}

TEST(policies_of_one, C24WithOneWorkerABudgetIsUsedUpToTheError) {
  coppice::scheduler s({.workers = 1});
  for (const std::uint64_t budget : {1U, 5U, 10U}) {
    const auto report = report_of(s, ten_failures, {.errors = error_policy::after(budget)});
    EXPECT_EQ(report.errors_total, budget);
    EXPECT_EQ(report.skipped, 10U - budget);
    EXPECT_TRUE(report.cancel);
  }
  EXPECT_FALSE(report_of(s, ten_failures, {.errors = error_policy::after(11)}).cancel);
}

TEST(policies_of_one, C24ADecisionSeesTheTaskThatFailedCounted) {
  static std::vector<coppice::error_count> seen;
  seen.clear();
  coppice::scheduler s({.workers = 1});
  const auto report =
      report_of(s, ten_failures,
                {.errors = error_policy::when([](const coppice::task_error&, const coppice::error_count& n) {
                   seen.push_back(n);
                   return n.errors == 3;
                 })});
  ASSERT_EQ(seen.size(), 3U) << "not asked again once it has stopped the job";
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(seen[i].errors, i + 1);
    EXPECT_EQ(seen[i].ended, i + 2) << "the root and the failed ones";
    EXPECT_EQ(seen[i].spawned, 11U);
  }
  EXPECT_EQ(report.skipped, 7U);
}

TEST_ON_WORKERS(policies, AfterRunsEveryBranchAndTaskWhileTheBudgetLasts) {
  std::atomic<int> ran{0};
  const auto report = report_of(scheduler(),
                                [&] {
                                  for (int i = 0; i < 100; ++i)
                                    spawn([&ran, i] {
                                      try {
                                        coppice::join([] { throw failure("a"); }, [&] { ++ran; });
                                      } catch (const failure&) {
                                      }
                                      if (i % 10 == 0) throw failure("b");
                                    });
                                },
                                {.errors = error_policy::after(11)});
  EXPECT_EQ(ran, 100);
  EXPECT_EQ(report.errors_total, 10U);
  EXPECT_FALSE(report.cancel);
  EXPECT_EQ(report.skipped, 0U);
}

TEST(policies_of_one, FractionStopsWhenTooManyOfThoseThatEndedHaveFailed) {
  coppice::scheduler s({.workers = 2});
  const auto too_many = failures_in_a_row(s, 1000, 5, error_policy::fraction(0.1, 20));
  EXPECT_EQ(too_many.result, outcome::failed);
  ASSERT_TRUE(too_many.cancel);
  EXPECT_GE(too_many.failed + too_many.succeeded, 20U) << "not before there are so many";
  EXPECT_LT(too_many.spawned, 100U);
  const auto few = failures_in_a_row(s, 200, 20, error_policy::fraction(0.1, 20));
  EXPECT_FALSE(few.cancel);
  EXPECT_EQ(few.errors_total, 10U);
}

TEST_ON_WORKERS(policies, WhenIsAskedForEachErrorAndDecides) {
  const auto policy = error_policy::when([](const coppice::task_error& e, const coppice::error_count& n) {
    EXPECT_GE(n.errors, 1U);
    EXPECT_GE(n.spawned, n.ended);
    return e.type == "std::bad_alloc";
  });
  const auto tolerated = report_of(scheduler(),
                                   [] {
                                     for (int i = 0; i < 20; ++i)
                                       spawn([] { throw failure("of the usual kind"); });
                                   },
                                   {.errors = policy});
  EXPECT_FALSE(tolerated.cancel);
  EXPECT_EQ(tolerated.errors_total, 20U);
  const auto stopped = report_of(scheduler(),
                                 [] {
                                   coppice::join([] { spawn([] { throw std::bad_alloc(); }); }, [] {});
                                   support::fork_until([] { return false; });
                                 },
                                 {.errors = policy});
  EXPECT_EQ(stopped.result, outcome::failed);
  EXPECT_TRUE(stopped.cancel);
}

// What a decision asks of its job and of its scheduler takes their locks.
TEST_ON_WORKERS(policies, C28ADecisionIsMadeUnderNoLock) {
  static coppice::scheduler* asked = nullptr;  // the decision is a plain function
  static coppice::job<void> job;
  static std::atomic<std::uint64_t> decisions;
  asked = &scheduler();
  decisions = 0;
  std::latch known{1};
  job = scheduler().submit(
      [&] {
        known.wait();
        for (int i = 0; i < 50; ++i) spawn([] { throw failure("counted"); });
      },
      {.errors = error_policy::when([](const coppice::task_error&, const coppice::error_count&) {
         ++decisions;
         EXPECT_FALSE(job.done());
         static_cast<void>(job.stop_token().stop_requested());
         asked->stats();
         asked->describe();
         asked->submit([] {}).detach();
         job.cancel("decided");
         return false;
       })});
  known.count_down();
  const coppice::job_report report = job.wait();
  job = {};
  ASSERT_TRUE(report.cancel);
  EXPECT_EQ(report.cancel->reason, "decided");
  EXPECT_GE(decisions, 1U);
  EXPECT_GE(report.errors_total, decisions) << "there is nothing to decide after the cancel";
}

TEST(policies_refused, PoliciesThatMakeNoSenseAreRefusedByName) {
  const auto text_of = [](auto&& make) -> std::string {
    try {
      make();
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_NE(text_of([] { error_policy::after(0); }).find("after"), std::string::npos);
  EXPECT_NE(text_of([] { error_policy::fraction(1.5, 1); }).find("fraction"), std::string::npos);
  EXPECT_NE(text_of([] { error_policy::fraction(-1, 1); }).find("fraction"), std::string::npos);
  EXPECT_NE(text_of([] { error_policy::when(nullptr); }).find("null"), std::string::npos);
  EXPECT_EQ(error_policy::after(3), error_policy::after(3));
  EXPECT_NE(error_policy::after(3), error_policy::after(4));
}

}  // namespace
