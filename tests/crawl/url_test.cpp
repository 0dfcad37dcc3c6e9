#include "crawl/url.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <cstddef>
#include <string>
#include <string_view>

namespace {

using crawl::parse_url;
using crawl::url_status;

std::string normal(std::string_view text) { return parse_url(text).value.text; }

std::string resolved(std::string_view base, std::string_view reference) {
  const auto r = crawl::resolve(parse_url(base).value, reference);
  return r.status == url_status::good      ? r.value.text
         : r.status == url_status::foreign ? "(foreign)"
                                           : "(malformed)";
}

TEST(url, HasOneFormForAllThatMeanTheSame) {
  const std::string same = "http://example.org/a/b?q=1";
  for (const char* const text :
       {"http://example.org/a/b?q=1", "HTTP://EXAMPLE.ORG/a/b?q=1", "http://example.org:80/a/b?q=1",
        "http://example.org/a/./b?q=1", "http://example.org/x/../a/b?q=1", "http://example.org/%61/b?q=1",
        "http://me:secret@example.org/a/b?q=1", "http://example.org/a/b?q=1#part",
        " http://example.org/a/b?q=1\n"})
    EXPECT_EQ(normal(text), same) << text;
  EXPECT_EQ(normal("https://example.org:443"), "https://example.org/");
  EXPECT_EQ(normal("http://example.org/?"), "http://example.org/");
  EXPECT_EQ(normal("http://example.org:443/"), "http://example.org:443/");
}

TEST(url, KeepsApartWhatMayDiffer) {
  EXPECT_NE(normal("http://example.org/a"), normal("http://example.org/A"));
  EXPECT_NE(normal("http://example.org/a"), normal("http://example.org/a/"));
  EXPECT_NE(normal("http://example.org/a%2Fb"), normal("http://example.org/a/b"));
  EXPECT_NE(normal("http://example.org/?a=%26"), normal("http://example.org/?a=&"));
}

TEST(url, EncodesWhatMayNotStandInIt) {
  EXPECT_EQ(normal("http://example.org/a b/\xc3\xa4?<x>"), "http://example.org/a%20b/%C3%A4?%3Cx%3E");
  EXPECT_EQ(normal("http://example.org/%c3%a4%7e%2e"), "http://example.org/%C3%A4~%2E");
  EXPECT_EQ(normal("http://example.org/100%"), "http://example.org/100%");
}

// What is read from the database, or from a link that this program has written, is the page that was meant.
TEST(url, InItsFormStaysAsItIs) {
  EXPECT_EQ(normal("http://example.org/%%%33341"), "http://example.org/%%%33341");
  EXPECT_EQ(normal("http://example.org/%4%31"), "http://example.org/%4%31");
  constexpr std::string_view letters = "%341g";
  for (std::size_t number = 0; number < std::size_t{5} * 5 * 5 * 5 * 5 * 5 * 5; ++number) {
    std::string text;
    for (std::size_t rest = number, i = 0; i < 7; ++i, rest /= 5) text += letters[rest % 5];
    const std::string once = crawl::normal_encoding(text);
    ASSERT_EQ(crawl::normal_encoding(once), once) << text;
  }
}

TEST(url, NamesOriginHostAndPath) {
  const auto u = parse_url("http://Example.org:8080/a?b").value;
  EXPECT_EQ(u.origin, "http://example.org:8080");
  EXPECT_EQ(u.host, "example.org");
  EXPECT_EQ(u.path(), "/a?b");
}

TEST(url, ResolvesAsRfc3986Says) {
  const std::string_view base = "http://a/b/c/d;p?q";
  for (const auto& [reference, target] : {std::pair{"g", "http://a/b/c/g"},
                                          {"./g", "http://a/b/c/g"},
                                          {"g/", "http://a/b/c/g/"},
                                          {"/g", "http://a/g"},
                                          {"//g", "http://g/"},
                                          {"?y", "http://a/b/c/d;p?y"},
                                          {"g?y", "http://a/b/c/g?y"},
                                          {"#s", "http://a/b/c/d;p?q"},
                                          {"", "http://a/b/c/d;p?q"},
                                          {"..", "http://a/b/"},
                                          {"../../../g", "http://a/g"},
                                          {"g;x=1/../y", "http://a/b/c/y"},
                                          {"HTTPS://x/y", "https://x/y"}})
    EXPECT_EQ(resolved(base, reference), target) << reference;
  EXPECT_EQ(resolved(base, " g\n"), "http://a/b/c/g");
  EXPECT_EQ(resolved(base, "a\n\tb"), "http://a/b/c/ab");
}

TEST(url, TellsForeignSchemesFromMistakes) {
  for (const char* const foreign :
       {"mailto:a@b.org", "javascript:void(0)", "data:text/plain,x", "tel:+123", "ftp://a/b"})
    EXPECT_EQ(resolved("http://a/", foreign), "(foreign)") << foreign;
  for (const char* const wrong :
       {"http://", "http:///", "http:x", "http://a:99999/", "http://[::1/", "http://a b/"})
    EXPECT_EQ(resolved("http://a/", wrong), "(malformed)") << wrong;
  EXPECT_EQ(parse_url("a/b.html").status, url_status::malformed);
  EXPECT_EQ(parse_url("").status, url_status::malformed);
}

TEST(url, OfAnotherAlphabetIsItsPunycode) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  EXPECT_EQ(parse_url("http://b\xc3\xbc"
                      "cher.example/")
                .value.host,
            "xn--bcher-kva.example");
}

TEST(url, HasNoHostThatIsNoText) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  for (const char* const wrong : {"http://%ff.example/", "http://\xff.example/", "http://a%C3.example/x"}) {
    EXPECT_EQ(resolved("http://a/", wrong), "(malformed)") << wrong;
    EXPECT_EQ(parse_url(wrong).status, url_status::malformed) << wrong;
  }
  EXPECT_EQ(parse_url("http://b%C3%BCcher.example/").value.host, "xn--bcher-kva.example");
  EXPECT_EQ(parse_url("http://\xf0\x9f\x92\xa9.example/").status, url_status::good) << "translated or not";
}

TEST(site, IsOneHostAtOnePort) {
  const crawl::site docs(parse_url("http://docs.example.org:8080/a").value, false);
  EXPECT_TRUE(docs.has(parse_url("http://docs.example.org:8080/").value));
  for (const char* const other :
       {"http://example.org:8080/", "http://docs.example.org/", "http://x.docs.example.org:8080/",
        "http://docs.example.org.evil.com:8080/"})
    EXPECT_FALSE(docs.has(parse_url(other).value)) << other;
}

TEST(site, SpansHttpAndHttps) {
  const crawl::site docs(parse_url("http://example.org/").value, false);
  EXPECT_TRUE(docs.has(parse_url("https://example.org/").value));
  EXPECT_FALSE(docs.has(parse_url("https://example.org:8443/").value));
}

TEST(site, MayHaveSubdomains) {
  const crawl::site all(parse_url("http://example.org/").value, true);
  EXPECT_TRUE(all.has(parse_url("http://docs.example.org:8080/").value));
  EXPECT_FALSE(all.has(parse_url("http://badexample.org/").value));
  EXPECT_FALSE(all.has(parse_url("http://org/").value));
}

}  // namespace
