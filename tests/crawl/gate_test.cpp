// Limits of hosts, in a time that the tests make.
#include "crawl/gate.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "crawl/graph.hpp"

namespace {

using namespace std::chrono_literals;
using crawl::gate;
using crawl::host;
using crawl::page;

constexpr gate::time_point start_of_time{1000s};

struct site {
  explicit site(gate::limits l) : g(l) {}

  host& make_host(bool open = true) {
    host& h = hosts.emplace_back();
    if (open) h.rules.emplace();
    return h;
  }
  void add(host& h, int count) {
    for (int i = 0; i < count; ++i) g.add(pages.emplace_back("p" + std::to_string(pages.size()), &h));
  }
  // The pages that start at this time.
  std::vector<std::string> at(std::chrono::milliseconds time) {
    std::vector<std::string> names;
    for (const page* const p : g.start(start_of_time + time)) names.push_back(p->url);
    return names;
  }
  std::chrono::milliseconds next() const {
    const auto when = g.next();
    return when ? std::chrono::duration_cast<std::chrono::milliseconds>(*when - start_of_time) : -1ms;
  }

  std::deque<host> hosts;
  std::deque<page> pages;
  gate g;
};
using names = std::vector<std::string>;

TEST(gate, LetsSoManyIntoAHost) {
  site s({.total = 10, .per_host = 2});
  host& h = s.make_host();
  s.add(h, 4);
  EXPECT_EQ(s.at(0ms), (names{"p0", "p1"}));
  EXPECT_EQ(s.at(1s), names{});
  EXPECT_EQ(s.next(), -1ms) << "only an end lets the next one in";
  s.g.finished(h);
  EXPECT_EQ(s.at(1s), names{"p2"});
  EXPECT_EQ(s.g.active(), 2U);
  EXPECT_EQ(s.g.waiting(), 1U);
}

TEST(gate, LetsSoManyInAtAllAndHostsInTurns) {
  site s({.total = 4, .per_host = 3});
  host &a = s.make_host(), &b = s.make_host();
  s.add(a, 5);
  s.add(b, 2);
  EXPECT_EQ(s.at(0ms), (names{"p0", "p5", "p1", "p6"}));
  s.g.finished(b);
  EXPECT_EQ(s.at(0ms), names{"p2"});
  s.g.finished(b);
  EXPECT_EQ(s.at(0ms), names{}) << "a is full";
}

TEST(gate, KeepsATimeBetweenTwoStartsAtAHost) {
  site s({.total = 10, .per_host = 5, .interval = 100ms});
  host &a = s.make_host(), &b = s.make_host();
  s.add(a, 3);
  s.add(b, 1);
  EXPECT_EQ(s.at(0ms), (names{"p0", "p3"}));
  EXPECT_EQ(s.next(), 100ms);
  EXPECT_EQ(s.at(99ms), names{});
  EXPECT_EQ(s.at(130ms), names{"p1"});
  EXPECT_EQ(s.next(), 230ms);
  EXPECT_EQ(s.at(230ms), names{"p2"});
  EXPECT_EQ(s.next(), -1ms);
}

TEST(gate, ObeysACrawlDelayThatIsLonger) {
  site s({.total = 10, .per_host = 5, .interval = 100ms});
  host& h = s.make_host();
  h.rules = crawl::robots("User-agent: *\nCrawl-delay: 3\n", "x");
  s.add(h, 2);
  EXPECT_EQ(s.at(0ms), names{"p0"});
  EXPECT_EQ(s.next(), 3000ms);
}

TEST(gate, LetsOnePageInUntilTheRulesAreThere) {
  site s({.total = 10, .per_host = 5});
  host& h = s.make_host(false);
  s.add(h, 4);
  EXPECT_EQ(s.at(0ms), names{"p0"});
  EXPECT_EQ(s.at(9s), names{});
  h.rules.emplace();
  s.g.opened(h);
  EXPECT_EQ(s.at(9s), (names{"p1", "p2", "p3"}));
}

TEST(gate, PausesAHostAndNoOther) {
  site s({.total = 10, .per_host = 1});
  host &a = s.make_host(), &b = s.make_host();
  s.add(a, 2);
  s.add(b, 2);
  EXPECT_EQ(s.at(0ms), (names{"p0", "p2"}));
  s.g.pause(a, start_of_time + 5s);
  s.g.finished(a);
  s.g.finished(b);
  EXPECT_EQ(s.at(1ms), names{"p3"});
  EXPECT_EQ(s.next(), 5000ms);
  s.g.pause(a, start_of_time + 7s);  // longer
  EXPECT_EQ(s.at(5s), names{});
  EXPECT_EQ(s.next(), 7000ms);
  EXPECT_EQ(s.at(7s), names{"p1"});
}

TEST(gate, LetsAPageInAgainBeforeOthersButNotEarly) {
  site s({.total = 10, .per_host = 1});
  host& h = s.make_host();
  s.add(h, 3);
  EXPECT_EQ(s.at(0ms), names{"p0"});
  s.g.finished(h);
  s.g.add_again(s.pages[0], start_of_time + 50ms);
  EXPECT_EQ(s.at(10ms), names{"p1"});
  s.g.finished(h);
  EXPECT_EQ(s.at(60ms), names{"p0"});
  s.g.finished(h);
  EXPECT_EQ(s.at(60ms), names{"p2"});
}

TEST(gate, SaysNoTimeWhileNothingElseMayStart) {
  site s({.total = 1, .per_host = 1, .interval = 100ms});
  host &a = s.make_host(), &b = s.make_host();
  s.add(a, 2);
  s.add(b, 1);
  EXPECT_EQ(s.at(0ms), names{"p0"});
  EXPECT_EQ(s.next(), -1ms) << "whoever ends looks again";
  s.g.finished(a);
  EXPECT_EQ(s.at(10ms), names{"p2"});
}

TEST(gate, StartsSoManyPagesAndTriesOfThemAgain) {
  site s({.total = 10, .per_host = 10, .pages = 2});
  host &a = s.make_host(), &b = s.make_host();
  s.add(a, 3);
  s.add(b, 1);
  EXPECT_EQ(s.at(0ms), (names{"p0", "p3"}));
  s.g.finished(a);
  s.g.add_again(s.pages[0], start_of_time + 1s);
  EXPECT_EQ(s.at(1s), names{"p0"});
  s.g.finished(a);
  EXPECT_EQ(s.at(2s), names{});
  EXPECT_EQ(s.next(), -1ms);
  s.g.refund();
  EXPECT_EQ(s.at(2s), names{"p1"});
  EXPECT_EQ(s.at(2s), names{});
}

}  // namespace
