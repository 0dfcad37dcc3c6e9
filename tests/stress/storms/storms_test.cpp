// Each storm for a moment. The program `storms` goes on for as long as it is told.
#include <gtest/gtest.h>

#include "storm.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/watchdog.hpp"

namespace storms {

// By name: GoogleTest would print its bytes, which are addresses.
void PrintTo(const storm& s, std::ostream* out) { *out << s.name; }

}  // namespace storms

namespace {

class storming : public testing::TestWithParam<storms::storm> {};

TEST_P(storming, HoldsAtRandomTimes) {
  const std::uint64_t seed = support::random_source()();
  std::cout << "storms --seed " << seed << " --only " << GetParam().name << std::endl;
  support::watchdog dog(std::chrono::seconds(support::sanitized ? 300 : 60), GetParam().name);
  for (std::uint64_t turn = 0; turn < support::scaled(std::size_t{20}); ++turn) {
    storms::round r(support::mixed(seed, turn), 0);
    ASSERT_NO_THROW(GetParam().run(r)) << "turn " << turn;
    dog.progress();
  }
}

INSTANTIATE_TEST_SUITE_P(storms, storming, testing::ValuesIn(storms::all_storms()),
                         [](const auto& s) { return std::string(s.param.name); });

TEST(storm, SaysWhichClaimDoesNotHold) {
  EXPECT_NO_THROW(storms::expect(true, "one and one is two"));
  try {
    storms::expect(false, "one and one is three");
    FAIL();
  } catch (const storms::storm_failed& e) {
    EXPECT_STREQ(e.what(), "not so: one and one is three");
  }
}

TEST(storm, DrawsTheSameForTheSameSeed) {
  storms::round a(7, 0);
  storms::round b(7, 0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.between(0, 1000), b.between(0, 1000));
}

}  // namespace
