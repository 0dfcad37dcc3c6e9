// Which answers are worth another try, and when. Nothing here reads a clock or the network.
#pragma once

#include <chrono>
#include <ctime>
#include <optional>
#include <string_view>

#include "crawl/fetch.hpp"

namespace crawl {

struct retry_rules {
  unsigned retries = 3;                        // after the first try
  std::chrono::milliseconds first_wait{1000};  // doubled from try to try
  std::chrono::milliseconds longest_wait{60'000};
};

// Whether it may be better the next time: a dropped connection, 429, and 5xx but for what a server says for
// good.
bool is_transient(const response& answer);

// Whether the whole host asks for a pause, not only this page.
bool is_overload(const response& answer);

// "120", or "Wed, 21 Oct 2015 07:28:00 GMT"; never negative.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view header, std::time_t now);

// How long to leave alone what has answered so; empty: it has named a longer wait than the longest, and is
// not asked again. `tries` were made. `chance`, from 0 to 1, spreads the tries of many pages.
std::optional<std::chrono::milliseconds> wait_after(const retry_rules& rules, const response& answer,
                                                    unsigned tries, double chance, std::time_t now);

// How long to wait before the next try; empty: give up.
std::optional<std::chrono::milliseconds> wait_before_retry(const retry_rules& rules, const response& answer,
                                                           unsigned tries, double chance, std::time_t now);

}  // namespace crawl
