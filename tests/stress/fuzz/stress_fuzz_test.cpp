// Short runs of the fuzzer on each number of workers. scripts and people run fuzz_trees for longer.
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "campaign.hpp"
#include "program.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"

namespace {

// Below the limit that ctest sets, so that a hang names its seed.
constexpr unsigned seconds_for_one = 100;

class random_trees : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override { fuzz::arm(fuzz::trees_name, seconds_for_one, GetParam()); }
  void TearDown() override { fuzz::arm(fuzz::trees_name, 0, 0); }

  fuzz::tally run(std::uint64_t seed, std::size_t trees) {
    const fuzz::tally done = fuzz::run_campaign(
        {.seed = seed, .programs = static_cast<std::uint64_t>(support::scaled(trees)), .workers = GetParam()},
        std::cout);
    std::cout << fuzz::summary(done, seed) << std::endl;
    EXPECT_EQ(support::tracked::live(), 0);
    return done;
  }
};
INSTANTIATE_TEST_SUITE_P(workers, random_trees, testing::Values(1U, 2U, 3U, 8U, 64U),
                         testing::PrintToStringParamName());

TEST_P(random_trees, DoWhatTheOracleForesees) {
  const std::uint64_t seed = support::random_source()();
  const fuzz::tally done = run(seed, 600);
  EXPECT_FALSE(done.failed) << "workers " << GetParam() << ", the first seed was " << seed;
}

TEST_P(random_trees, OfKnownSeedsDoSoTooAndHaveEveryKindOfNode) {
  const fuzz::tally done = run(1, 400);
  EXPECT_FALSE(done.failed);
  EXPECT_EQ(done.kinds.size(), fuzz::kinds);
  EXPECT_NE(done.exact, 0U);
  EXPECT_LT(done.exact, done.trees);
  EXPECT_NE(done.errors, 0U);
  EXPECT_NE(done.skipped, 0U);
}

TEST(random_trees_made, AreTheSameForTheSameSeedAndKeepTheRules) {
  std::set<std::uint32_t> sizes;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const fuzz::program p = fuzz::make_program(seed);
    ASSERT_TRUE(fuzz::is_valid(p)) << seed;
    EXPECT_EQ(fuzz::number_of_nodes(p), fuzz::number_of_nodes(fuzz::make_program(seed)));
    sizes.insert(fuzz::number_of_nodes(p));
  }
  EXPECT_GT(sizes.size(), 20U);
}

}  // namespace
