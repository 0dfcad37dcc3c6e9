// The checker checked: an observation that was falsified in one place is found out, one that was not is not.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "checker.hpp"
#include "observation.hpp"
#include "oracle.hpp"
#include "program.hpp"
#include "runner.hpp"

namespace {

using fuzz::kind;
using fuzz::node;

// Small programs by hand. Numbers are given in the order of for_each.
node make(kind what, std::vector<node> children = {}) {
  node n;
  n.what = what;
  n.children = std::move(children);
  return n;
}
void number(node& n, std::uint32_t& next) {
  n.id = next++;
  for (node& c : n.children) number(c, next);
}
fuzz::program program_of(node body, bool collect_all = true) {
  fuzz::program p;
  p.workers = 2;
  p.look_at_paths = true;
  node root = make(kind::job, {std::move(body)});
  root.job.collect_all = collect_all;
  std::uint32_t next = 0;
  number(root, next);
  p.roots.push_back(std::move(root));
  p.cancel_after = {fuzz::never};
  return p;
}

// 0 job, 1 group, 2 raise, 3 join, 4 leaf, 5 raise, 6 leaf.
fuzz::program two_errors(bool collect_all = true) {
  return program_of(
      make(kind::group,
           {make(kind::raise), make(kind::join, {make(kind::leaf), make(kind::raise)}), make(kind::leaf)}),
      collect_all);
}

class falsified : public testing::Test {
 protected:
  void SetUp() override {
    seen_ = fuzz::run(program_, stage_);
    ASSERT_EQ(fuzz::complaints(program_, seen_), std::vector<std::string>{});
  }
  coppice::job_report& report() { return *seen_.jobs[0].report; }
  bool found_out() const { return !fuzz::complaints(program_, seen_).empty(); }

  fuzz::stage stage_;
  fuzz::program program_ = two_errors();
  fuzz::observation seen_;
};

TEST_F(falsified, AWrongPathIsFoundOut) {
  report().errors[1].path = "root/1/0";
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AWrongPathOfANodeIsFoundOut) {
  seen_.path[4] = "root/1/1";
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AMissingErrorIsFoundOut) {
  report().errors.pop_back();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AnErrorThatIsMissingFromTheCountTooIsFoundOut) {
  report().errors.pop_back();
  --report().errors_total;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, ErrorsInAnotherOrderAreFoundOut) {
  std::swap(report().errors[0], report().errors[1]);
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, APrimaryErrorThatIsCalledSecondaryIsFoundOut) {
  report().errors[0].secondary = true;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AnErrorWithTheTextOfAnotherIsFoundOut) {
  report().errors[0].message = report().errors[1].message;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, ANodeThatRanTwiceIsFoundOut) {
  ++seen_.entered[4];
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, ANodeThatDidNotRunIsFoundOut) {
  seen_.entered[6] = 0;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, ALostCountIsFoundOut) {
  --report().succeeded;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, ALostTaskWhoseCountsAddUpIsFoundOut) {
  --report().succeeded;
  --report().spawned;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AnotherOutcomeIsFoundOut) {
  report().result = coppice::outcome::completed;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AClosureThatLivesIsFoundOut) {
  seen_.closures_left = 1;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AReportThatNobodySawIsFoundOut) {
  seen_.jobs[0].report.reset();
  EXPECT_TRUE(found_out());
}
TEST_F(falsified, AHandlerThatWasToldOfASeenJobIsFoundOut) {
  seen_.jobs[0].told.push_back(report());
  EXPECT_TRUE(found_out());
}

TEST(falsified_value, IsFoundOut) {
  fuzz::program p = program_of(make(kind::join, {make(kind::leaf), make(kind::leaf)}));
  fuzz::stage stage;
  fuzz::observation seen = fuzz::run(p, stage);
  ASSERT_TRUE(seen.jobs[0].value.has_value());
  ASSERT_EQ(fuzz::complaints(p, seen), std::vector<std::string>{});
  ++*seen.jobs[0].value;
  EXPECT_FALSE(fuzz::complaints(p, seen).empty());
}

// The same for a program that an error may cut short, of which only bounds are known.
class falsified_in_bounds : public falsified {
 protected:
  falsified_in_bounds() { program_ = two_errors(false); }
};

TEST_F(falsified_in_bounds, AWrongPathIsFoundOut) {
  report().errors[0].path = "root/7";
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds, ALostErrorIsFoundOut) {
  report().errors.clear();
  report().errors_total = 0;
  report().result = coppice::outcome::cancelled;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds, AnErrorThatIsThereTwiceIsFoundOut) {
  report().errors.push_back(report().errors.back());
  ++report().errors_total;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds, AnErrorOfANodeThatDidNotRunIsFoundOut) {
  report().errors[0].message = fuzz::label(6);
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds, ALostTaskWhoseCountsAddUpIsFoundOut) {
  --report().spawned;
  if (report().succeeded != 0)
    --report().succeeded;
  else
    --report().skipped;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds, AChildThatRanWithoutItsParentIsFoundOut) {
  seen_.entered[3] = 0;
  seen_.entered[4] = 1;
  EXPECT_TRUE(found_out());
}
TEST_F(falsified_in_bounds, ANodeThatRanTwiceIsFoundOut) {
  seen_.entered[1] = 2;
  EXPECT_TRUE(found_out());
}

// What the oracle says, against what the contract's own examples say.
TEST(the_oracle, C05NumbersBranchesAndChildrenWithOneCount) {
  // 2 join(3, 4), 5 spawn(6), 7 group(8: join(9, 10)), 11 join(12, 13)
  const fuzz::program p = program_of(
      make(kind::sequence,
           {make(kind::join, {make(kind::leaf), make(kind::leaf)}), make(kind::spawn, {make(kind::leaf)}),
            make(kind::group, {make(kind::join, {make(kind::leaf), make(kind::leaf)})}),
            make(kind::join, {make(kind::leaf), make(kind::leaf)})}));
  const fuzz::future f = fuzz::foresee(p);
  EXPECT_EQ(f.path[3], "root/0");
  EXPECT_EQ(f.path[4], "root/1");
  EXPECT_EQ(f.path[6], "root/2");
  EXPECT_EQ(f.path[8], "root/3");
  EXPECT_EQ(f.path[10], "root/3/1");
  EXPECT_EQ(f.path[11], "root");
  EXPECT_EQ(f.path[13], "root/5");
}

TEST(the_oracle, C12DropsWhatWasCaughtAndKeepsTheRestInSerialOrder) {
  // 2 attempt(3 join(4 raise, 5 raise)), 6 raise: the second branch's error is the task's, because it fails.
  const fuzz::program p = program_of(make(
      kind::sequence,
      {make(kind::attempt, {make(kind::join, {make(kind::raise), make(kind::raise)})}), make(kind::raise)}));
  const fuzz::foreseen_job job = *fuzz::foresee(p).jobs[0];
  ASSERT_EQ(job.errors.size(), 2U);
  EXPECT_EQ(fuzz::to_text(job.errors[0].where), "root/1");
  EXPECT_TRUE(job.errors[0].secondary);
  EXPECT_EQ(fuzz::to_text(job.errors[1].where), "root");
  EXPECT_FALSE(job.errors[1].secondary);
  EXPECT_EQ(job.failed, 1U);
}

TEST(the_oracle, C05CountsTheMiddleOfALongPath) {
  EXPECT_EQ(fuzz::to_text({}), "root");
  EXPECT_EQ(fuzz::to_text({3, 1}), "root/3/1");
  const std::string longer = fuzz::to_text(fuzz::route(70, 5));
  EXPECT_NE(longer.find("/5/(+6)/5"), std::string::npos) << longer;
}

}  // namespace
