// The streams' checker checked: an observation that was falsified in one place is found out, one that was not
// is not.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "observation.hpp"
#include "streams/checker.hpp"
#include "streams/oracle.hpp"
#include "streams/runner.hpp"
#include "streams/shrinker.hpp"
#include "streams/work.hpp"

namespace {

using namespace fuzz::streams;

action make(act what, std::uint32_t every = 1, std::uint32_t phase = 0) {
  action a;
  a.what = what;
  a.every = every;
  a.phase = phase;
  return a;
}

// Of 20 inputs 2, 9 and 16 throw, as what the second stage, which is on a FIFO pool, hears of.
plan two_stages() {
  stage one, two;
  one.acts = {make(act::raise, 7, 2)};
  two.where = place::fifo;
  two.acts = {make(act::caught_join)};
  stream s;
  s.inputs = 20;
  s.stages = {one, two};
  plan p;
  p.workers = 2;
  p.streams = {s};
  return p;
}

class falsified_streams : public testing::Test {
 protected:
  void SetUp() override {
    seen_ = run(plan_, on_);
    ASSERT_EQ(complaints(plan_, seen_), std::vector<std::string>{});
  }
  bool found_out() const { return !complaints(plan_, seen_).empty(); }
  seen_stream& seen() { return seen_.streams[0]; }
  coppice::job_report& report() { return *seen().report; }
  seen_result& at(std::size_t index) {
    return *std::find_if(seen().results.begin(), seen().results.end(),
                         [&](const seen_result& r) { return r.index == index; });
  }

  explicit falsified_streams(plan p = two_stages()) : plan_(std::move(p)), on_(plan_) {}
  plan plan_;
  world on_;
  observation seen_;
};

TEST_F(falsified_streams, ALostInputIsFoundOut) {
  seen().results.pop_back();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, ALostInputOfWhichTheReportKnowsNothingIsFoundOut) {
  const seen_result last = seen().results.back();
  seen().results.pop_back();
  --report().spawned;
  if (last.end.what == fate::value)
    --report().succeeded;
  else
    --report().failed, --report().errors_total;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AnInputThatIsThereTwiceIsFoundOut) {
  seen().results.push_back(at(3));
  ++report().spawned;
  ++report().succeeded;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, IndicesThatAreExchangedAreFoundOut) {
  std::swap(at(3).index, at(4).index);
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AnotherValueIsFoundOut) {
  ++at(3).end.number;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AnErrorWithTheNameOfAnotherStageIsFoundOut) {
  at(9).end.name = name_of(0, 1);
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AnErrorThatTheReportDoesNotCountIsFoundOut) {
  --report().errors_total;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AnErrorThatTheReportDoesNotKeepIsFoundOut) {
  report().errors.pop_back();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AnErrorThatIsKeptTwiceIsFoundOut) {
  seen().kept[1] = seen().kept[0];
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, ErrorsOfAnotherKindAreFoundOut) {
  ++report().kinds[0].count;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AnotherOutcomeIsFoundOut) {
  report().result = coppice::outcome::completed;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, ACancelThatNobodyAskedForIsFoundOut) {
  report().cancel.emplace();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AFunctionThatRanTwiceIsFoundOut) {
  ++seen().entered[0][5];
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AFunctionThatRanForAnErrorIsFoundOut) {
  ++seen().entered[1][9];
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AReportOfWhatWasReadIsFoundOut) {
  seen().told.push_back(report());
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AMissingEndIsFoundOut) {
  seen().report.reset();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, AValueThatLivesIsFoundOut) {
  seen_.values_left = 1;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_streams, WhatTheRunSawItselfIsFoundOut) {
  seen_.trouble.emplace_back("something");
  EXPECT_TRUE(found_out());
}

// One at a time, the second error stops it: inputs 2 and 9, and none after it.
plan in_order() {
  plan p = two_stages();
  p.streams[0].stages.pop_back();
  stage& only = p.streams[0].stages[0];
  only.concurrency = 1;
  only.ordered = true;
  only.errors = {policy::after, 2};
  return p;
}

class falsified_in_order : public falsified_streams {
 protected:
  falsified_in_order() : falsified_streams(in_order()) {}
};

TEST_F(falsified_in_order, ThePolicyStopsAtTheErrorThatItSays) {
  const foreseen f = foresee(plan_.streams[0], 0);
  EXPECT_TRUE(f.exact);
  EXPECT_TRUE(f.stopped);
  EXPECT_EQ(f.total, 10U);
  EXPECT_EQ(seen().results.size(), 10U);
}
TEST_F(falsified_in_order, ResultsInAnotherOrderAreFoundOut) {
  std::swap(seen().results[3], seen().results[4]);
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_order, AnInputBehindTheStopIsFoundOut) {
  seen().results.push_back({10, {fate::not_run, 0, name_of(0, 0)}});
  ++report().spawned;
  ++report().skipped;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_order, AStopThatIsNotRecordedIsFoundOut) {
  report().cancel.reset();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_order, AnErrorWithTheWrongPlaceIsFoundOut) {
  report().errors[1].path = "root/8";
  EXPECT_TRUE(found_out());
}

// The reader cancels it: of that only bounds are known.
plan cancelled() {
  plan p = two_stages();
  p.streams[0].stages.pop_back();
  p.streams[0].end = stop::cancel;
  p.streams[0].stop_at = 5;
  return p;
}

class falsified_in_bounds_of_a_stop : public falsified_streams {
 protected:
  falsified_in_bounds_of_a_stop() : falsified_streams(cancelled()) {}
};

TEST_F(falsified_in_bounds_of_a_stop, AHoleIsFoundOut) {
  at(0).index = seen().results.size();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds_of_a_stop, AnErrorThatCannotBeIsFoundOut) {
  at(2).end.number = error_of(0, 0, 3);
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds_of_a_stop, AnUncountedInputIsFoundOut) {
  --report().spawned;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds_of_a_stop, AValueWithoutACallIsFoundOut) {
  seen().entered[0][0] = 0;
  EXPECT_TRUE(found_out());
}

// Jobs within inputs are judged where they run.
class falsified_job : public testing::Test {
 protected:
  void SetUp() override {
    report_.spawned = 7;
    report_.succeeded = 5;
    report_.failed = report_.errors_total = 2;
    report_.result = coppice::outcome::failed;
    for (const std::uint32_t i : {1U, 4U}) {
      coppice::task_error e;
      e.path = "root/" + std::to_string(i);
      e.message = fuzz::label(i);
      report_.errors.push_back(e);
    }
    job_.what = act::job;
    job_.amount = 6;
    ASSERT_FALSE(found_out());
  }
  bool found_out() {
    troubles wrong;
    judge_job(job_, report_, ran_, false, wrong);
    return !wrong.take().empty();
  }
  action job_;
  coppice::job_report report_;
  std::vector<unsigned> ran_ = std::vector<unsigned>(6, 1);
};

TEST_F(falsified_job, AChildThatRanTwiceIsFoundOut) {
  ran_[0] = 2;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_job, ALostChildIsFoundOut) {
  ran_[0] = 0;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_job, AChildThatWasSkippedForNothingIsFoundOut) {
  ran_[0] = 0;
  --report_.succeeded;
  ++report_.skipped;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_job, AWrongPlaceIsFoundOut) {
  report_.errors[0].path = "root/2";
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_job, APolicyThatStopsTooEarlyIsFoundOut) {
  job_.errors = {policy::after, 2};
  ran_[4] = 0;
  --report_.failed;
  --report_.errors_total;
  ++report_.skipped;
  report_.errors.pop_back();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_job, AFirstErrorThatIsNotTheSerialOneIsFoundOut) {
  job_.errors = {policy::serial_first};
  ASSERT_FALSE(found_out());
  ran_[1] = 0;
  --report_.failed;
  --report_.errors_total;
  ++report_.skipped;
  report_.errors.erase(report_.errors.begin());
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_job, ATaskBehindItsDeadlineIsFoundOut) {
  job_.deadline = fuzz::limit::passed;
  EXPECT_TRUE(found_out());
}

TEST(plans_made_smaller, KeepWhatFails) {
  const auto has_fail = [](const plan& p) {
    for (const stream& s : p.streams)
      for (const stage& g : s.stages)
        for (const action& a : g.acts)
          if (a.what == act::fail && s.inputs > 3) return true;
    return false;
  };
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const plan big = make_plan(seed);
    if (!has_fail(big)) continue;
    const plan small = shrink(big, has_fail);
    ASSERT_TRUE(is_valid(small));
    ASSERT_TRUE(has_fail(small));
    EXPECT_EQ(small.streams.size(), 1U);
    EXPECT_EQ(small.streams[0].stages.size(), 1U);
    EXPECT_EQ(small.streams[0].stages[0].acts.size(), 1U);
    EXPECT_EQ(small.streams[0].inputs, 4U);
  }
}

}  // namespace
