#include "crawl/retry.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace std::chrono_literals;
using crawl::response;
using crawl::trouble;

constexpr std::time_t now = 1'445'412'480;  // Wed, 21 Oct 2015 07:28:00 GMT
const crawl::retry_rules rules{3, 1s, 60s};

response answer(long status, std::string retry_after = "") {
  response r;
  r.status = status;
  r.retry_after = std::move(retry_after);
  return r;
}

response broken(trouble t) {
  response r;
  r.problem = t;
  return r;
}

auto wait(const response& r, unsigned tries, double chance = 1) {
  return crawl::wait_before_retry(rules, r, tries, chance, now);
}

TEST(retry, IsForWhatMayBeBetterTheNextTime) {
  for (const long status : {408, 429, 500, 502, 503, 504, 520})
    EXPECT_TRUE(wait(answer(status), 1)) << status;
  for (const long status : {200, 301, 400, 403, 404, 410, 501, 505})
    EXPECT_FALSE(wait(answer(status), 1)) << status;
  EXPECT_TRUE(wait(broken(trouble::dropped), 1));
  EXPECT_TRUE(wait(broken(trouble::timed_out), 1));
  for (const trouble t : {trouble::too_large, trouble::refused, trouble::stopped})
    EXPECT_FALSE(wait(broken(t), 1));
}

TEST(retry, DoublesItsWaitAndGivesUp) {
  EXPECT_EQ(wait(answer(500), 1), 1s);
  EXPECT_EQ(wait(answer(500), 2), 2s);
  EXPECT_EQ(wait(answer(500), 3), 4s);
  EXPECT_FALSE(wait(answer(500), 4));
}

TEST(retry, IsSpreadOverHalfOfTheWait) {
  EXPECT_EQ(wait(answer(500), 2, 0), 1s);
  EXPECT_EQ(wait(answer(500), 2, 0.5), 1500ms);
}

TEST(retry, NeverWaitsLongerThanTheLongest) {
  const crawl::retry_rules many{1000, 1s, 60s};
  EXPECT_EQ(crawl::wait_before_retry(many, answer(500), 10, 1, now), 60s);
  EXPECT_EQ(crawl::wait_before_retry(many, answer(500), 999, 1, now), 60s);
}

TEST(retry, WaitsAsLongAsTheServerAsks) {
  EXPECT_EQ(wait(answer(429, "7"), 1), 7s);
  EXPECT_EQ(wait(answer(503, "0"), 2), 2s) << "not sooner than by itself";
  EXPECT_EQ(wait(answer(503, "Wed, 21 Oct 2015 07:28:30 GMT"), 1), 30s);
  EXPECT_EQ(wait(answer(429, "nonsense"), 1), 1s);
}

TEST(retry, IsNotForAServerThatAsksForTooMuch) { EXPECT_FALSE(wait(answer(429, "3600"), 1)); }

// Who has no try left has yet been told how long to stay away.
TEST(retry, HasAWaitAlsoAfterTheLastTry) {
  EXPECT_EQ(crawl::wait_after(rules, answer(503), 4, 1, now), 8s);
  EXPECT_EQ(crawl::wait_after(rules, answer(503, "20"), 4, 1, now), 20s);
  EXPECT_FALSE(crawl::wait_after(rules, answer(503, "3600"), 4, 1, now));
}

TEST(retry, AfterIsReadInBothForms) {
  using crawl::parse_retry_after;
  EXPECT_EQ(parse_retry_after("120", now), 120s);
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:10 GMT", now), 10s);
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:27:00 GMT", now), 0s) << "in the past";
  for (const char* const wrong : {"", "-5", "soon", "12 monkeys"})
    EXPECT_FALSE(parse_retry_after(wrong, now)) << wrong;
  EXPECT_EQ(parse_retry_after("99999999999", now), std::chrono::seconds(366L * 86400));
}

TEST(retry, OfAnOverloadedHostConcernsAllOfIt) {
  EXPECT_TRUE(crawl::is_overload(answer(429)));
  EXPECT_TRUE(crawl::is_overload(answer(503)));
  EXPECT_FALSE(crawl::is_overload(answer(500)));
  EXPECT_FALSE(crawl::is_overload(broken(trouble::dropped)));
}

}  // namespace
