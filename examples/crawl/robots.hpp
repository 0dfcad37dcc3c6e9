// robots.txt by RFC 9309, and the Crawl-delay that many sites write besides. Any thread.
//
//   const crawl::robots rules(text, "coppice-crawl");
//   if (rules.allows("/private/a.html")) ...
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace crawl {

class robots {
 public:
  // What is beyond is not read (RFC 9309, 2.5), nor is a line that ends there.
  static constexpr std::size_t max_bytes = 500 * 1024;
  // Whoever asks for more does not mean to be crawled; he is asked as rarely as this.
  static constexpr std::chrono::milliseconds max_delay{60'000};

  // No rules: everything is allowed.
  robots() = default;
  // The rules for the crawler whose product token `agent` is: those of all groups that name it, else those of
  // the groups for *.
  robots(std::string_view text, std::string_view agent);
  // What counts where robots.txt exists, perhaps, but cannot be had (2.3.1.4).
  static robots nothing_allowed();

  // `path` begins with a slash and may have a query. The longest rule that fits counts; of two as long, the
  // one that allows.
  bool allows(std::string_view path) const;
  // Between two requests; 0: no wish.
  std::chrono::milliseconds delay() const { return delay_; }

 private:
  struct rule {
    std::string pattern;  // with * in it, and $ at its end; as characters of a path they are encoded
    bool allow;
  };
  std::vector<rule> rules_;
  std::chrono::milliseconds delay_{0};
};

// "coppice-crawl" of "coppice-crawl/0.1 (+mailto:me)": what robots.txt calls a crawler.
std::string product_token(std::string_view user_agent);

}  // namespace crawl
