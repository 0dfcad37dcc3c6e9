// What an HTML page says: its title and its links, by libxml2's parser, which reads what browsers read. Any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crawl/url.hpp"

namespace crawl {

struct link {
  std::string reference;  // as it stands in the page, entities replaced
  const char* kind;       // the element: "a", "img", "script", ...; lives for ever
};

struct html {
  std::string title;        // spaces folded, at most 300 bytes
  std::string base;         // of <base href>, empty without
  bool nofollow = false;    // <meta name="robots" content="nofollow">
  std::vector<link> links;  // in the order of the page, with repetitions
};

// Reads all there is, however broken. `charset` is what the server said, or empty.
html read_html(std::string_view text, const std::string& charset);

// The URLs in a srcset attribute: "a.png 1x, b.png 2x".
std::vector<std::string> srcset_urls(std::string_view value);

struct found_link {
  url_status status;
  url target;        // if good
  std::string text;  // if malformed: what was written
  const char* kind;
};

// The links of a page at `at`, each target once, those to the page itself and foreign schemes left out.
std::vector<found_link> links_of(const html& page, const url& at);

}  // namespace crawl
