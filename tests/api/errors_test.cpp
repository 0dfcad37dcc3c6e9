// Errors at the edge of a job: what is recorded of them, how many are kept, which are secondary (C-03, C-04,
// C-08, C-12, C-23, C-24, C-26).
#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "support/check.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::outcome;
using coppice::spawn;
using support::collecting;
using support::failure;
using support::lines;
using support::report_of;

class failing : public support::on_workers {};

enum class plain_value { seven = 7 };
struct derived_text : std::string {
  using std::string::string;
};
struct textless : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

TEST_ON_WORKERS(failing, C03AnyTypeIsAcceptedAndItsTypeAndTextAreKept) {
  const auto report = report_of(
      scheduler(),
      [] {
        spawn([] { throw std::out_of_range("standard"); });
        spawn([] { throw 42; });
        spawn([] { throw "text"; });
        spawn([] { throw std::string("string"); });
        spawn([] { throw plain_value::seven; });
        spawn([] { throw std::make_unique<int>(1); });
        spawn([] { throw failure("ours"); }, "named");
      },
      collecting());
  ASSERT_EQ(report.errors.size(), 7U);
  EXPECT_EQ(report.errors[0].type, "std::out_of_range");
  EXPECT_EQ(report.errors[0].message, "standard");
  EXPECT_EQ(report.errors[1].type, "int");
  EXPECT_EQ(report.errors[1].message, "int") << "the type, where there is no what()";
  EXPECT_EQ(report.errors[2].message, "text");
  EXPECT_EQ(report.errors[3].message, "string");
  EXPECT_NE(report.errors[4].type.find("plain_value"), std::string::npos) << report.errors[4].type;
  EXPECT_NE(report.errors[5].type.find("unique_ptr"), std::string::npos) << report.errors[5].type;
  EXPECT_EQ(report.errors[6].type, "support::failure");
  EXPECT_EQ(report.errors[6].name, "named");
  for (const auto& e : report.errors) {
    EXPECT_LT(e.worker, workers());
    EXPECT_FALSE(e.secondary);
    EXPECT_FALSE(e.after_cancel);
  }
  try {
    std::rethrow_exception(report.errors[1].exception);
  } catch (int value) {
    EXPECT_EQ(value, 42) << "the original";
  }
}

TEST_ON_WORKERS(failing, C03AnErrorAndItsKindNameTheSameType) {
  static char text[] = "text";
  const auto types_of = [&](auto thrown) {
    const auto report = report_of(scheduler(), [&] { throw thrown; });
    return std::pair(report.errors.at(0).type, report.kinds.at(0).type);
  };
  const auto same = [](const char* type) { return std::pair(std::string(type), std::string(type)); };
  EXPECT_EQ(types_of(std::string("string")), same("std::string"));
  EXPECT_EQ(types_of(static_cast<const char*>(text)), same("char const*"));
  EXPECT_EQ(types_of(static_cast<char*>(text)), same("char*"));
  EXPECT_EQ(types_of(nullptr), same("decltype(nullptr)"));
  EXPECT_EQ(types_of(derived_text{"derived"}).first.find("std::string"), std::string::npos);
  EXPECT_EQ(types_of(std::out_of_range("standard")), same("std::out_of_range"));
  EXPECT_EQ(types_of(42), same("int"));
}

TEST_ON_WORKERS(failing, C03AnExceptionWithoutATextIsToldByItsType) {
  auto job = scheduler().submit([] { throw textless(); });
  const auto& error = job.wait().errors.at(0);
  EXPECT_NE(error.type.find("textless"), std::string::npos) << error.type;
  EXPECT_EQ(error.message, error.type);
  try {
    job.get();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const coppice::job_error& e) {
    EXPECT_NE(std::string(e.what()).find(error.type), std::string::npos) << e.what();
  }
  const auto throws = [](int) -> int { throw textless(); };
  const auto message_of = [](auto stream) { return stream.next()->error().message; };
  EXPECT_EQ(message_of(scheduler().map(std::views::iota(0, 1), throws)), error.type);
  coppice::fifo_pool pool({.workers = 1});
  EXPECT_EQ(message_of(pool.map(std::views::iota(0, 1), throws)), error.type);
}

TEST_ON_WORKERS(failing, C04FailRecordsAFailureAndTheBodyGoesOn) {
  bool went_on = false;  // plain on purpose
  const auto report = report_of(scheduler(), [&] {
    coppice::this_task::fail(std::make_error_code(std::errc::timed_out), "slow");
    went_on = true;
    return 1;
  });
  EXPECT_TRUE(went_on);
  EXPECT_EQ(report.result, outcome::failed);
  EXPECT_EQ(report.failed, 1U);
  ASSERT_EQ(report.errors.size(), 1U);
  EXPECT_EQ(report.errors[0].path, "root");
  EXPECT_NE(report.errors[0].message.find("slow"), std::string::npos);
  EXPECT_EQ(report.errors[0].type, "std::system_error");
}

TEST_ON_WORKERS(failing, C04AFailBeforeAThrowIsThePrimaryErrorAndTheThrowIsSecondary) {
  for (int i = 0; i < support::scaled(20); ++i) {
    const auto report = report_of(
        scheduler(),
        [] {
          spawn([] {
            coppice::this_task::fail(std::make_error_code(std::errc::io_error), "a");
            coppice::this_task::fail(std::make_error_code(std::errc::io_error), "b");
            throw failure("c");
          });
        },
        collecting());
    ASSERT_EQ(report.errors.size(), 3U);
    EXPECT_EQ(report.failed, 1U);
    const auto& e = report.errors;
    EXPECT_TRUE(!e[0].secondary && e[0].message.starts_with("a")) << report;
    EXPECT_TRUE(e[1].secondary && e[1].message.starts_with("b")) << report;
    EXPECT_TRUE(e[2].secondary && e[2].message == "c") << report;
  }
}

TEST_ON_WORKERS(failing, C04AGroupThatWaitsForATaskThatCalledFailThrowsSystemError) {
  const auto report = report_of(
      scheduler(),
      [] {
        coppice::task_group group;
        group.spawn(
            [] { coppice::this_task::fail(std::make_error_code(std::errc::no_space_on_device), "full"); });
        try {
          group.wait();
          ADD_FAILURE() << "nothing was thrown";
        } catch (const std::system_error& e) {
          EXPECT_EQ(e.code(), std::errc::no_space_on_device);
        }
      },
      collecting());
  EXPECT_EQ(report.result, outcome::completed) << "C-12: handled is handled";
}

TEST(failing_serially, C04FailOutsideOfATaskThrowsSystemError) {
  try {
    coppice::this_task::fail(std::make_error_code(std::errc::timed_out), "outside");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::timed_out);
  }
}

TEST_ON_WORKERS(failing, C04FailWithoutAMessageSaysTheCodeInWords) {
  const std::error_code code = std::make_error_code(std::errc::io_error);
  const auto report = report_of(scheduler(), [&] { coppice::this_task::fail(code); });
  EXPECT_EQ(report.errors.at(0).message, code.message());
  try {
    coppice::this_task::fail(code);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), code);
    EXPECT_EQ(e.what(), code.message()) << "outside of a task";
  }
}

// A closure whose destructor throws, once, if it was not moved from.
class bursting {
 public:
  explicit bursting(bool body_throws = false) : body_throws_(body_throws) {}
  bursting(bursting&& other) noexcept
      : body_throws_(other.body_throws_),
        armed_(std::exchange(other.armed_, false)),
        counted_(std::move(other.counted_)) {}
  bursting(const bursting&) = delete;
  bursting& operator=(const bursting&) = delete;
  bursting& operator=(bursting&&) = delete;
  ~bursting() noexcept(false) {
    if (armed_) throw failure("burst");
  }
  void operator()() {
    if (body_throws_) throw failure("body");
  }

 private:
  bool body_throws_;
  bool armed_ = true;
  support::tracked counted_{1};
};

struct large_bursting : bursting {
  char room[1000] = {};
};

TEST_ON_WORKERS(failing, C08ADestructorOfAClosureMayThrowAndIsRecorded) {
  const auto by_submit = report_of(scheduler(), bursting());
  ASSERT_EQ(by_submit.errors.size(), 1U);
  EXPECT_EQ(by_submit.failed, 1U);
  EXPECT_NE(by_submit.errors[0].message.find("destructor"), std::string::npos);
  EXPECT_NE(by_submit.errors[0].message.find("burst"), std::string::npos);

  const auto by_spawn = report_of(
      scheduler(),
      [] {
        spawn(bursting());
        spawn(large_bursting());
        coppice::task_group group;
        group.spawn(bursting());
        EXPECT_EQ(support::failure_of([&] { group.wait(); }), "burst");
      },
      collecting());
  EXPECT_EQ(by_spawn.errors_total, 2U);
  EXPECT_EQ(by_spawn.failed, 3U);
  EXPECT_EQ(support::tracked::live(), 0) << "also of a closure on the heap";
}

TEST_ON_WORKERS(failing, C08WhatADestructorThrewIsToldAsThatAlsoWhenAGroupHasThrownItOn) {
  const auto message_of = [&](auto body) {
    return report_of(scheduler(), body, collecting()).errors.at(0).message;
  };
  const auto waits = [] {
    coppice::task_group group;
    group.spawn(bursting());
    group.wait();
  };
  const std::string told = "destructor of the closure: burst";
  EXPECT_EQ(message_of(waits), told);
  EXPECT_EQ(message_of([&] { coppice::join(waits, [] {}); }), told);
  EXPECT_EQ(message_of([&] {
              coppice::task_group group;
              group.spawn(waits);
              group.wait();
            }),
            told);
}

TEST_ON_WORKERS(failing, C08ABodyAndADestructorThatBothThrowAreOnePrimaryAndOneSecondaryError) {
  const auto report = report_of(
      scheduler(), [] { spawn(bursting(true)); }, collecting());
  ASSERT_EQ(report.errors.size(), 2U);
  EXPECT_EQ(report.failed, 1U);
  EXPECT_EQ(report.errors[0].message, "body");
  EXPECT_FALSE(report.errors[0].secondary);
  EXPECT_TRUE(report.errors[1].secondary);
}

TEST_ON_WORKERS(failing, C08ADestructorOfASkippedChildMayThrowToo) {
  const auto report = report_of(scheduler(), [] {
    spawn(bursting());
    throw failure("parent");
  });
  EXPECT_EQ(report.result, outcome::failed);
  EXPECT_EQ(report.errors_total, 2U);
}

TEST_ON_WORKERS(failing, C12SecondaryErrorsOfATaskAreReportedIfItFailsAndHandledIfItSucceeds) {
  for (const bool fails_in_the_end : {true, false}) {
    const auto report = report_of(
        scheduler(),
        [fails_in_the_end] {
          try {
            coppice::join([] { throw failure("a"); }, [] { throw failure("b"); });
          } catch (const failure&) {
            if (fails_in_the_end) throw failure("in the end");
          }
        },
        collecting());
    if (fails_in_the_end) {
      EXPECT_EQ(lines(report), (std::vector<std::string>{"root/1 b secondary", "root in the end"}));
    } else {
      EXPECT_EQ(report.errors_total, 0U);
    }
  }
}

TEST_ON_WORKERS(failing, C23GetThrowsJobErrorAlsoForASingleErrorAndWaitNever) {
  auto job = scheduler().submit([]() -> int { throw failure("only one"); }, {.name = "single"});
  EXPECT_NO_THROW(job.wait());
  try {
    job.get();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const coppice::job_error& e) {
    support::check(e.report());
    EXPECT_EQ(e.report().errors_total, 1U);
    const std::string what = e.what();
    for (const char* part : {"single", "only one", "root"})
      EXPECT_NE(what.find(part), std::string::npos) << what;
    EXPECT_THROW(e.rethrow_primary(), failure);
    static_assert(std::is_base_of_v<std::exception, coppice::job_exception>);
    static_assert(std::is_nothrow_copy_constructible_v<coppice::job_error>);
    const coppice::job_exception& base = e;
    EXPECT_EQ(&base.report(), &coppice::job_error(e).report()) << "shared, not copied";
  }
  EXPECT_THROW(job.get(), coppice::job_error) << "each time";
}

template <class Thrown>
std::string what_of(coppice::job<void>& job) {
  try {
    job.get();
  } catch (const Thrown& e) {
    return e.what();
  }
  return "nothing was thrown";
}

// One worker: which tasks were not run is known.
TEST(failing_in_words, C23TheSummarySaysWhatFailedWhereHowManyAndWhatWasNotRun) {
  coppice::scheduler s({.workers = 1});
  auto failed = s.submit(
      [] {
        for (const char* name : {"read", "sort", "parse"})
          coppice::spawn([] { throw std::runtime_error("bad header"); }, name);
      },
      {.name = "index"});
  EXPECT_EQ(
      what_of<coppice::job_error>(failed),
      "job \"index\" failed: 1 error in 4 tasks, at root/2 (parse): bad header [std::runtime_error]; 2 tasks "
      "were not run because of it");
  auto several = s.submit(
      [] {
        for (int i = 0; i < 3; ++i) coppice::spawn([] { throw 42; });
      },
      support::collecting());
  EXPECT_EQ(what_of<coppice::job_error>(several),
            "job failed: 3 errors in 4 tasks, the first at root/0: int");
  auto cancelled = s.submit(
      [] {
        coppice::spawn([] {});
        coppice::this_task::cancel_job("the window was closed");
        coppice::this_task::throw_if_stopped();
      },
      {.name = "preview"});
  EXPECT_EQ(what_of<coppice::job_cancelled>(cancelled),
            "job \"preview\" cancelled by root: the window was closed; 1 task was not run because of it; 1 "
            "was left "
            "half done");
}

TEST_ON_WORKERS(failing, C23TheReportOutlivesTheJobInTheException) {
  std::unique_ptr<coppice::job_error> kept;
  try {
    scheduler().run([] { throw failure("kept"); });
  } catch (const coppice::job_error& e) {
    kept = std::make_unique<coppice::job_error>(e);
  }
  end_scheduler();
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(lines(kept->report()), std::vector<std::string>{"root kept"});
}

TEST_ON_WORKERS(failing, AReportIsPrintedForPeople) {
  const auto report = report_of(scheduler(), [] { spawn([] { throw failure("broken pipe"); }, "writer"); },
                                {.name = "copy", .errors = coppice::error_policy::collect_all()});
  std::ostringstream out;
  out << report;
  for (const char* part : {"copy", "failed", "root/0", "writer", "broken pipe"})
    EXPECT_NE(out.str().find(part), std::string::npos) << out.str();
}

TEST_ON_WORKERS(failing, C24OfManyFailuresAllAreCountedAndTheFirst64AreKeptTheSameEachTime) {
  const std::size_t n = support::sanitized ? 3'000 : 100'000;
  std::vector<std::string> wanted;
  for (std::size_t i = 0; i < 64; ++i)
    wanted.push_back("root/" + std::to_string(i) + ' ' + std::to_string(i));
  for (int round = 0; round < 3; ++round) {
    const auto report = report_of(
        scheduler(),
        [&] {
          for (std::size_t i = 0; i < n; ++i)
            spawn([i] {
              if (i % 1000 < 900) throw failure(i);
              coppice::this_task::fail(std::make_error_code(std::errc::io_error), "late");
            });
        },
        collecting());
    EXPECT_EQ(report.errors_total, n);
    EXPECT_EQ(report.failed, n);
    EXPECT_EQ(lines(report), wanted);
  }
}

TEST_ON_WORKERS(failing, C24KeepErrorsBoundsTheListAndNotTheCount) {
  for (const std::size_t keep : {std::size_t{0}, std::size_t{1}, std::size_t{5}}) {
    auto job = scheduler().submit(
        [] {
          for (unsigned i = 0; i < 20; ++i) spawn([i] { throw failure(i); });
          coppice::task_group group;
          group.spawn([] { throw failure("group"); });
          group.wait();
        },
        collecting(keep));
    const auto& report = job.wait();
    EXPECT_EQ(report.errors_total, 21U);
    EXPECT_EQ(report.result, outcome::failed);
    ASSERT_EQ(report.errors.size(), keep);
    for (std::size_t i = 0; i < keep; ++i) EXPECT_EQ(report.errors[i].message, std::to_string(i));
    EXPECT_THROW(job.get(), coppice::job_error);
  }
}

}  // namespace
