// Short runs of the streams' fuzzer on each number of workers. scripts and people run fuzz_streams for
// longer.
#include <gtest/gtest.h>

#include <iostream>
#include <set>
#include <string>

#include "streams/campaign.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"

namespace {

namespace streams = fuzz::streams;

// Below the limit that ctest sets, so that a hang names its seed.
constexpr unsigned seconds_for_one = 100;

class random_streams : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override { fuzz::arm(streams::campaign_name, seconds_for_one, GetParam()); }
  void TearDown() override { fuzz::arm(streams::campaign_name, 0, 0); }

  streams::tally run(std::uint64_t seed, std::size_t plans) {
    const streams::tally done = streams::run_campaign(
        {.seed = seed, .programs = static_cast<std::uint64_t>(support::scaled(plans)), .workers = GetParam()},
        std::cout);
    std::cout << streams::summary(done, seed) << std::endl;
    EXPECT_EQ(support::tracked::live(), 0);
    return done;
  }
};
INSTANTIATE_TEST_SUITE_P(workers, random_streams, testing::Values(1U, 2U, 3U, 8U, 64U),
                         testing::PrintToStringParamName());

TEST_P(random_streams, DoWhatTheOracleForesees) {
  const std::uint64_t seed = support::random_source()();
  const streams::tally done = run(seed, 50);
  EXPECT_FALSE(done.failed) << "workers " << GetParam() << ", the first seed was " << seed;
}

TEST_P(random_streams, OfKnownSeedsDoSoTooAndHaveEveryKindOfAct) {
  const streams::tally done = run(1, 60);
  EXPECT_FALSE(done.failed);
  EXPECT_EQ(done.acts.size(), streams::acts);
  EXPECT_NE(done.exact, 0U);
  EXPECT_LT(done.exact, done.streams);
  EXPECT_NE(done.errors, 0U);
}

TEST(random_plans_made, AreTheSameForTheSameSeedAndKeepTheRules) {
  std::set<std::string> texts;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const streams::plan p = streams::make_plan(seed);
    ASSERT_TRUE(streams::is_valid(p)) << streams::to_text(p);
    EXPECT_EQ(streams::to_text(p), streams::to_text(streams::make_plan(seed)));
    texts.insert(streams::to_text(p));
  }
  EXPECT_EQ(texts.size(), 500U);
}

}  // namespace
