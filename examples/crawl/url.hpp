// URLs in the one form in which this crawler compares them: absolute, http or https, without fragment, user
// or default port; scheme and host in lower case, no dot segments, percent-encoding where it is needed and
// nowhere else. Any thread.
//
//   const auto page = crawl::parse_url("HTTP://Example.org:80/a/../b#top");   // http://example.org/b
//   const auto link = crawl::resolve(page.value, "c?d=e");                   // http://example.org/c?d=e
#pragma once

#include <string>
#include <string_view>

namespace crawl {

struct url {
  std::string text;    // all of it
  std::string origin;  // scheme://host[:port]: whom to ask, and whose robots.txt counts
  std::string host;    // without port

  // What robots.txt speaks of: the path and the query.
  std::string_view path() const { return std::string_view(text).substr(origin.size()); }
};

enum class url_status {
  good,
  foreign,    // mailto:, javascript:, data:, ...: nothing to fetch, and no mistake
  malformed,  // meant to be fetched, and cannot be
};

struct parsed_url {
  url_status status;
  url value;  // if good
};

// `text` has to be absolute.
parsed_url parse_url(std::string_view text);
// What `reference` means in a document at `base`; also good for absolute ones.
parsed_url resolve(const url& base, std::string_view reference);

// Percent-encoding as RFC 3986, 6.2.2 wants it: upper case digits, and none for letters, digits, '-', '_',
// '~'. What may not stand in a URL is encoded, but for percent signs, which stay. What has this encoding
// keeps it.
std::string normal_encoding(std::string_view text);

// Which hosts belong to the site that a crawl began at.
class site {
 public:
  site(const url& start, bool subdomains);
  // The same host at the same port; http and https at their own ports are the same site. With subdomains also
  // hosts below it, at any port.
  bool has(const url& u) const;

 private:
  std::string authority_;  // host[:port]
  std::string suffix_;     // ".host", or empty
};

}  // namespace crawl
