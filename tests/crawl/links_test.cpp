#include "crawl/links.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

using crawl::read_html;
using strings = std::vector<std::string>;

// "kind url", in order.
strings links(std::string_view text, const std::string& charset = "") {
  strings found;
  for (const auto& l :
       crawl::links_of(read_html(text, charset), crawl::parse_url("http://h/d/page.html").value))
    found.push_back(l.kind + std::string(" ") +
                    (l.status == crawl::url_status::good ? l.target.text : "! " + l.text));
  return found;
}

TEST(links, StandInAllElementsThatHaveThem) {
  EXPECT_EQ(links(R"(<html><head><link rel="stylesheet" href="s.css"><script src="/j.js"></script></head>
      <body><a href="a.html">x</a><img src="i.png"><iframe src="f.html"></iframe>
      <map><area href="r.html"></map><video src="v.mp4" poster="p.jpg"></video></body></html>)"),
            (strings{"link http://h/d/s.css", "script http://h/j.js", "a http://h/d/a.html",
                     "img http://h/d/i.png", "iframe http://h/d/f.html", "area http://h/d/r.html",
                     "video http://h/d/v.mp4", "video http://h/d/p.jpg"}));
}

TEST(links, AreRelativeToTheFirstBase) {
  EXPECT_EQ(links("<a href='a'>1</a><base href='http://o/x/'><base href='http://no/'><a href='b'>2</a>"),
            (strings{"a http://o/x/a", "a http://o/x/b"}));
  EXPECT_EQ(links("<base href='/root/'><a href='b'>"), strings{"a http://h/root/b"});
  EXPECT_EQ(links("<base href='mailto:x'><a href='b'>"), strings{"a http://h/d/b"});
}

TEST(links, OfASrcsetAreSplitAsBrowsersDo) {
  using crawl::srcset_urls;
  EXPECT_EQ(srcset_urls("a.png 1x, b.png 2x"), (strings{"a.png", "b.png"}));
  EXPECT_EQ(srcset_urls("  a,b.png 100w ,,c.png,"), (strings{"a,b.png", "c.png"}));
  EXPECT_EQ(srcset_urls("a.png, b.png"), (strings{"a.png", "b.png"}));
  EXPECT_EQ(srcset_urls("a.png x(1,2), b.png"), (strings{"a.png", "b.png"}));
  EXPECT_EQ(srcset_urls(" , "), strings{});
  EXPECT_EQ(links("<img srcset='a.png 1x, b.png 2x'>"),
            (strings{"img http://h/d/a.png", "img http://h/d/b.png"}));
}

TEST(links, AreListedOnceAndWithoutThePageItself) {
  EXPECT_EQ(links("<a href='a'><a href='./a#x'><a href='#top'><a href=''><a href='page.html'>"),
            strings{"a http://h/d/a"});
}

TEST(links, ThatAreNoUrlsAreToldAndForeignOnesLeftOut) {
  EXPECT_EQ(links("<a href='http://[bad/'><a href='mailto:x@y'><a href='javascript:f()'>"),
            strings{"a ! http://[bad/"});
}

TEST(links, InBrokenHtmlAreFound) {
  EXPECT_EQ(links("<a href=a><b><i></b><table><a href='b'<td><a href=\"c\">&amp<a href='d?x=1&amp;y=2"),
            (strings{"a http://h/d/a", "a http://h/d/b", "a http://h/d/c", "a http://h/d/d?x=1&y=2"}));
  EXPECT_EQ(links(std::string_view("\0\0<a href='a'>x\0", 16)).size(), 1U);
  EXPECT_EQ(links(""), strings{});
  EXPECT_EQ(links("just text <"), strings{});
}

TEST(links, InAPageNestedWithoutEndAreFound) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "<div>";
  EXPECT_EQ(links(text + "<a href='deep'>"), strings{"a http://h/d/deep"});
}

TEST(links, InCommentsAndScriptsAreNone) {
  EXPECT_EQ(links("<!-- <a href='a'> --><script>var s = \"<a href='b'>\";</script><a href='c'>"),
            strings{"a http://h/d/c"});
}

TEST(links, HaveTheirEntitiesAndCharsetsRead) {
  EXPECT_EQ(links("<a href='a?x=1&amp;y=2'>"), strings{"a http://h/d/a?x=1&y=2"});
  EXPECT_EQ(links("<a href='\xe4'>", "iso-8859-1"), strings{"a http://h/d/%C3%A4"});
  EXPECT_EQ(links("<meta charset='utf-8'><a href='\xc3\xa4'>"), strings{"a http://h/d/%C3%A4"});
  EXPECT_EQ(links("<a href='a'>", "no-such-charset"), strings{"a http://h/d/a"});
}

TEST(links, OfARefreshCount) {
  EXPECT_EQ(links("<meta http-equiv='Refresh' content=\"0; URL='next.html'\">"),
            strings{"meta http://h/d/next.html"});
  EXPECT_EQ(links("<meta http-equiv='refresh' content='5'>"), strings{});
}

TEST(links, ToHostsToBeReadyForAreNone) {
  EXPECT_EQ(links("<link rel='preconnect' href='http://cdn/'><link rel='icon' href='i.ico'>"),
            strings{"link http://h/d/i.ico"});
}

TEST(html, SaysWhetherItsLinksAreToBeFollowed) {
  EXPECT_TRUE(read_html("<meta name='Robots' content='noindex, NoFollow'>", "").nofollow);
  EXPECT_TRUE(read_html("<meta name='robots' content='none'>", "").nofollow);
  EXPECT_FALSE(
      read_html("<meta name='robots' content='noindex'><meta name='x' content='nofollow'>", "").nofollow);
}

TEST(html, HasATitle) {
  EXPECT_EQ(read_html("<title>\n  One &amp;\t two </title><svg><title>no</title></svg>", "").title,
            "One & two");
  EXPECT_EQ(read_html("<p>none", "").title, "");
  const std::string title =
      read_html("<meta charset='utf-8'><title>" + std::string(299, 'x') + "\xc3\xa4</title>", "").title;
  EXPECT_EQ(title, std::string(299, 'x')) << "cut before a character, not in it";
}

}  // namespace
