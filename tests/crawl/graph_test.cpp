#include "crawl/graph.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using crawl::graph;
using crawl::page;
using crawl::page_state;
using names = std::vector<std::string>;

struct web {
  explicit web(unsigned depth = 100, unsigned hops = 3) : g(depth, hops) {}
  page& operator[](const std::string& name) { return g.find(crawl::parse_url("http://h/" + name).value); }
  // Links a page, as its task would when it has been fetched.
  void link(const std::string& from, const names& to) {
    std::vector<page*> links;
    for (const std::string& t : to) links.push_back(&(*this)[t]);
    (*this)[from].state = page_state::done;
    g.add_links((*this)[from], std::move(links));
  }
  graph::redirected redirect(const std::string& from, const std::string& to) {
    (*this)[from].state = page_state::done;
    return g.add_redirect((*this)[from], (*this)[to]);
  }
  names wanted() {
    names urls;
    for (const page* const p : g.take_wanted()) urls.push_back(p->url.substr(9));
    return urls;
  }
  graph g;
};

TEST(graph, WantsEachPageOnce) {
  web w;
  w.g.start_at(w["s"]);
  EXPECT_EQ(w.wanted(), names{"s"});
  w.link("s", {"a", "b"});
  EXPECT_EQ(w.wanted(), (names{"a", "b"}));
  w.link("a", {"b", "s", "a", "c"});
  w.link("b", {"a", "c"});
  EXPECT_EQ(w.wanted(), names{"c"});
  EXPECT_EQ(w["c"].depth, 2U);
}

TEST(graph, StopsAtTheDepth) {
  web w(1);
  w.g.start_at(w["s"]);
  w.link("s", {"a"});
  w.wanted();
  w.link("a", {"b"});
  EXPECT_EQ(w.wanted(), names{});
  EXPECT_EQ(w["b"].state, page_state::known);
}

// However late the shorter way is found, the pages within the depth are the same.
TEST(graph, AShorterWayBringsNearWhatLiesBehind) {
  web w(3);
  w.g.start_at(w["s"]);
  w.link("s", {"a", "late"});
  w.link("a", {"b"});
  w.link("b", {"x"});
  w.link("x", {"y"});
  w.wanted();
  EXPECT_EQ(w["y"].state, page_state::known);
  w.link("late", {"x"});
  EXPECT_EQ(w.wanted(), names{"y"});
  EXPECT_EQ(w["x"].depth, 2U);
  EXPECT_EQ(w["y"].depth, 3U);
  EXPECT_EQ(w["x"].referrer, &w["late"]);
}

TEST(graph, ARedirectCostsNoDepth) {
  web w(1);
  w.g.start_at(w["s"]);
  w.link("s", {"old"});
  EXPECT_EQ(w.redirect("old", "new").what, graph::redirection::followed);
  EXPECT_EQ(w["new"].depth, 1U);
  EXPECT_EQ(&graph::end_of(w["old"]), &w["new"]);
}

TEST(graph, FindsALoopOfRedirectsOnceWhoeverClosesIt) {
  for (const names& order : {names{"a", "b", "c"}, names{"c", "b", "a"}, names{"b", "a", "c"}}) {
    web w(100, 10);
    w.g.start_at(w["a"]);
    w.link("s", {"a", "b", "c"});
    int loops = 0;
    for (const std::string& from : order) {
      const auto became = w.redirect(from, from == "a" ? "b" : from == "b" ? "c" : "a");
      if (became.what != graph::redirection::loop) continue;
      ++loops;
      EXPECT_EQ(became.loop, (names{"http://h/a", "http://h/b", "http://h/c"}));
    }
    EXPECT_EQ(loops, 1);
    EXPECT_EQ(w.redirect("into", "b").what, graph::redirection::followed) << "and nobody runs in circles";
  }
  web w;
  EXPECT_EQ(w.redirect("self", "self").what, graph::redirection::loop);
}

TEST(graph, EndsAChainOfTooManyRedirects) {
  web w(100, 3);
  w.g.start_at(w["0"]);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(w.redirect(std::to_string(i), std::to_string(i + 1)).what, graph::redirection::followed) << i;
  EXPECT_EQ(w.redirect("3", "4").what, graph::redirection::too_long);
  EXPECT_EQ(w.wanted(), (names{"0", "1", "2", "3"}));
  w["3"].state = page_state::failed;
  EXPECT_EQ(&graph::end_of(w["0"]), &w["3"]) << "and not what nobody has asked for";
}

// The chain may become short enough: what lies behind it is visited, whichever way was found first.
TEST(graph, AShorterWayLeadsOnFromTheEndOfAChain) {
  web w(100, 3);
  w.g.start_at(w["0"]);
  for (int i = 0; i < 4; ++i) w.redirect(std::to_string(i), std::to_string(i + 1));
  w["3"].state = page_state::failed;
  w.wanted();
  w.g.start_at(w["3"]);
  EXPECT_EQ(w.wanted(), names{"4"});
}

// A way that is over the limit of redirects leads nowhere, also not to a page that is then found by another
// one.
TEST(graph, AWayOfTooManyRedirectsHidesNoOther) {
  for (const names& order : {names{"near", "z"}, names{"z", "near"}}) {
    web w(100, 1);
    w.g.start_at(w["s"]);
    w.link("s", {"far", "near", "y"});
    w.link("y", {"z"});
    w.link("far", {"middle"});
    w.link("middle", {"0"});
    w.redirect("0", "1");
    EXPECT_EQ(w.redirect("1", "x").what, graph::redirection::too_long);
    w["1"].state = page_state::failed;
    w.wanted();
    for (const std::string& from : order) w.link(from, {from == "near" ? "0" : "x"});
    EXPECT_EQ(w.wanted(), names{"x"}) << order[0];
    EXPECT_EQ(w["x"].depth, 3U);
  }
}

// Of two ways to a redirect the shorter one may have more redirects behind it: the longer one leads on.
TEST(graph, ALongerWayOfFewerRedirectsLeadsOn) {
  for (const bool short_first : {true, false}) {
    web w(100, 1);
    w.g.start_at(w["s"]);
    w.link("s", {"0", "a"});
    const auto go_short = [&] { w.redirect("0", "p"); };
    const auto go_long = [&] { w.link("a", {"p"}); };
    short_first ? go_short() : go_long();
    const auto became = w.redirect("p", "x").what;
    EXPECT_EQ(became, short_first ? graph::redirection::too_long : graph::redirection::followed);
    if (short_first) w["p"].state = page_state::failed;
    short_first ? go_long() : go_short();
    EXPECT_EQ(w["x"].state, page_state::wanted) << short_first;
    EXPECT_EQ(w["x"].depth, 2U);
    EXPECT_EQ(w["p"].depth, 1U);
  }
}

TEST(graph, KnowsWhoLedToAPage) {
  web w;
  w.g.start_at(w["s"]);
  w.link("s", {"a"});
  w.link("a", {"b"});
  std::size_t more = 0;
  const auto all = graph::referrers(w["b"], 10, more);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0], &w["a"]);
  EXPECT_EQ(all[1], &w["s"]);
  EXPECT_EQ(more, 0U);
  EXPECT_EQ(graph::referrers(w["b"], 1, more).size(), 1U);
  EXPECT_EQ(more, 1U);
}

TEST(graph, KeepsHostsApart) {
  graph g(100, 3);
  page& a = g.find(crawl::parse_url("http://h/a").value);
  page& b = g.find(crawl::parse_url("http://h/b").value);
  page& c = g.find(crawl::parse_url("https://h/a").value);
  EXPECT_EQ(a.at, b.at);
  EXPECT_NE(a.at, c.at);
}

}  // namespace
