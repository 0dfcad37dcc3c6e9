// The crawler's reading of robots.txt against RFC 9309; the numbers are its sections.
#include "crawl/robots.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
using crawl::robots;

robots rules_of(std::string_view text) { return robots(text, "coppice-crawl"); }
bool allows(std::string_view text, std::string_view path) { return rules_of(text).allows(path); }

TEST(robots, AllowsAllWithoutRules) {
  EXPECT_TRUE(robots().allows("/a"));
  EXPECT_TRUE(allows("", "/a"));
  EXPECT_TRUE(allows("User-agent: *\nDisallow:\n", "/a"));
  EXPECT_TRUE(allows("<html><body>404</body></html>", "/a"));
}

TEST(robots, CanAllowNothing) {
  EXPECT_FALSE(robots::nothing_allowed().allows("/"));
  EXPECT_FALSE(robots::nothing_allowed().allows("/a?b"));
}

TEST(robots, ComparesBeginningsOfPaths) {
  const robots r = rules_of("User-agent: *\nDisallow: /fish\n");
  for (const char* const path : {"/fish", "/fish.html", "/fish/salmon", "/fishheads?x"})
    EXPECT_FALSE(r.allows(path)) << path;
  for (const char* const path : {"/Fish", "/catfish", "/"}) EXPECT_TRUE(r.allows(path)) << path;
}

// 2.2.1
TEST(robots, TakesTheGroupThatNamesItAndNoOther) {
  constexpr std::string_view text = "User-agent: *\nDisallow: /\n\nUser-agent: Coppice-Crawl\nDisallow: /a\n";
  EXPECT_FALSE(allows(text, "/a"));
  EXPECT_TRUE(allows(text, "/b"));
  EXPECT_FALSE(robots(text, "another").allows("/b"));
}

TEST(robots, TakesTheProductTokenWholeAndInAnyCase) {
  EXPECT_FALSE(allows("User-agent: COPPICE-CRAWL/2.0 (x)\nDisallow: /\n", "/a"));
  EXPECT_TRUE(allows("User-agent: coppice\nDisallow: /\n", "/a"));
  EXPECT_TRUE(allows("User-agent: coppice-crawler\nDisallow: /\n", "/a"));
  EXPECT_EQ(crawl::product_token("coppice-crawl/0.1 (+x)"), "coppice-crawl");
}

TEST(robots, JoinsAllGroupsThatNameIt) {
  const robots r = rules_of(
      "user-agent: coppice-crawl\ndisallow: /a\nuser-agent: x\ndisallow: /b\n"
      "user-agent: coppice-crawl\ndisallow: /c\n");
  EXPECT_FALSE(r.allows("/a"));
  EXPECT_TRUE(r.allows("/b"));
  EXPECT_FALSE(r.allows("/c"));
}

TEST(robots, GivesOneGroupToSeveralAgents) {
  constexpr std::string_view text = "User-agent: x\nUser-agent: coppice-crawl\n\nDisallow: /a\n";
  EXPECT_FALSE(allows(text, "/a"));
  EXPECT_FALSE(robots(text, "x").allows("/a"));
  EXPECT_TRUE(robots(text, "y").allows("/a"));
}

TEST(robots, AnEmptyGroupOfItsOwnAllowsAll) {
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /\nUser-agent: coppice-crawl\nDisallow:\n", "/a"));
}

// 2.2.2
TEST(robots, FollowsTheLongestRule) {
  const robots r = rules_of("User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /a/b/c\n");
  EXPECT_FALSE(r.allows("/a/x"));
  EXPECT_TRUE(r.allows("/a/b/x"));
  EXPECT_FALSE(r.allows("/a/b/c"));
}

TEST(robots, AllowsWhereTwoRulesAreAsLong) {
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /a\nAllow: /a\n", "/a"));
  EXPECT_TRUE(allows("User-agent: *\nAllow: /a\nDisallow: /a\n", "/a"));
}

// 2.2.3
TEST(robots, KnowsStarsAndTheEnd) {
  const robots php = rules_of("User-agent: *\nDisallow: /*.php$\n");
  for (const char* const path : {"/a.php", "/b/c.php", "/a.php.php"}) EXPECT_FALSE(php.allows(path)) << path;
  for (const char* const path : {"/a.php?x", "/a.php/", "/php", "/a.phps"})
    EXPECT_TRUE(php.allows(path)) << path;
  const robots stars = rules_of("User-agent: *\nDisallow: /a*b*c\n");
  for (const char* const path : {"/abc", "/axxbyyc", "/abbbcd"}) EXPECT_FALSE(stars.allows(path)) << path;
  for (const char* const path : {"/acb", "/ab", "/xabc"}) EXPECT_TRUE(stars.allows(path)) << path;
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /$\n", "/"));
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /$\n", "/a"));
  EXPECT_FALSE(allows("User-agent: *\nDisallow: *\n", "/a"));
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /a*ba$\n", "/aba/"));
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /a*ba$\n", "/abaxba"));
}

TEST(robots, TakesAnEncodedStarOrDollarForThatCharacter) {
  const robots r =
      rules_of("User-agent: *\nDisallow: /file-with-a-%2A.html\nDisallow: /foo-%24\nDisallow: /b$c\n");
  for (const char* const path :
       {"/file-with-a-*.html", "/file-with-a-%2a.html", "/foo-$", "/foo-%24x", "/b$c", "/b%24c"})
    EXPECT_FALSE(r.allows(path)) << path;
  for (const char* const path : {"/file-with-a-b.html", "/foo-", "/foo-x", "/b"})
    EXPECT_TRUE(r.allows(path)) << path;
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /a$\n", "/a$")) << "this one is the end";
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /a*c\n", "/a*c"));
}

TEST(robots, ManyStarsDoNotTakeForEver) {
  std::string text = "User-agent: *\nDisallow: /";
  for (int i = 0; i < 5000; ++i) text += "*a";
  text += "*b\n";
  EXPECT_TRUE(allows(text, "/" + std::string(20'000, 'a')));
}

TEST(robots, ComparesWhatIsEncodedWithWhatIsNot) {
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /a%3cd.html\n", "/a%3Cd.html"));
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /~joe\n", "/%7ejoe/index.html"));
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /\xc3\xa4\n", "/%C3%A4"));
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /a%2Fb\n", "/a/b"));
}

TEST(robots, IsItselfAlwaysAllowed) { EXPECT_TRUE(allows("User-agent: *\nDisallow: /\n", "/robots.txt")); }

TEST(robots, ReadsAnyKindOfLine) {
  constexpr std::string_view text =
      "\xef\xbb\xbf# mine\r\nUSER-AGENT : * # all\rDisAllow:/a#b\r\n  disallow  :  /c  "
      "\n\nnonsense\nSitemap: http://x/y\nAllow: /c/d";
  EXPECT_FALSE(allows(text, "/a"));
  EXPECT_FALSE(allows(text, "/c"));
  EXPECT_TRUE(allows(text, "/c/d"));
}

TEST(robots, IgnoresRulesBeforeAnyGroup) {
  EXPECT_TRUE(allows("Disallow: /\nUser-agent: x\nDisallow: /\n", "/a"));
}

// 2.5
TEST(robots, ReadsFiveHundredKibibytesAndNoMore) {
  std::string text = "User-agent: *\n";
  while (text.size() < robots::max_bytes) text += "Disallow: /filler\n";
  text += "Disallow: /late\n";
  EXPECT_FALSE(allows(text, "/filler"));
  EXPECT_TRUE(allows(text, "/late"));
}

// A line that is cut there may say less than it was to say.
TEST(robots, ReadsNoPartOfALine) {
  const std::string group = "User-agent: *\n", rule = "Disallow: /private\n";
  const auto filled = [&](std::size_t size) {
    return group + std::string(size - group.size() - 1, '#') + "\n" + rule;
  };
  for (const std::size_t kept : {std::string("Disallow: /").size(), rule.size() - 2}) {
    const robots r = rules_of(filled(robots::max_bytes - kept));
    EXPECT_TRUE(r.allows("/open")) << kept;
    EXPECT_TRUE(r.allows("/private")) << kept;
  }
  EXPECT_FALSE(allows(filled(robots::max_bytes - rule.size()) + "#", "/private"));
  EXPECT_FALSE(allows(filled(robots::max_bytes - rule.size() + 1) + "#", "/private")) << "all but its end";
  EXPECT_TRUE(allows(std::string(robots::max_bytes + 1, 'x'), "/private"));
}

TEST(robots, HaveADelayOfTheirGroup) {
  EXPECT_EQ(rules_of("User-agent: *\nCrawl-delay: 2\n").delay(), 2s);
  EXPECT_EQ(rules_of("User-agent: *\nCrawl-delay: 0.25\n").delay(), 250ms);
  EXPECT_EQ(rules_of("User-agent: *\nCrawl-delay: 9\nUser-agent: coppice-crawl\nCrawl-delay: 1\n").delay(), 1s);
  EXPECT_EQ(rules_of("User-agent: *\nCrawl-delay: 9\nUser-agent: coppice-crawl\nDisallow: /a\n").delay(), 0s);
  EXPECT_EQ(rules_of("User-agent: *\nCrawl-delay: 1e9\n").delay(), robots::max_delay);
  for (const char* const value : {"soon", "-1", "nan", "1s", ""})
    EXPECT_EQ(rules_of(std::string("User-agent: *\nCrawl-delay: ") + value + "\n").delay(), 0s) << value;
}

}  // namespace
