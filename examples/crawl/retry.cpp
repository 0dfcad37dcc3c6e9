#include "crawl/retry.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace crawl {

bool is_transient(const response& answer) {
  if (answer.problem == trouble::dropped || answer.problem == trouble::timed_out) return true;
  if (answer.problem != trouble::none) return false;
  const long s = answer.status;
  // 501, 505 and their like: the server will not learn it meanwhile.
  return s == 408 || s == 429 || s == 500 || s == 502 || s == 503 || s == 504 || s == 509 ||
         (s >= 520 && s <= 599);
}

bool is_overload(const response& answer) {
  return answer.problem == trouble::none && (answer.status == 429 || answer.status == 503);
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view header, std::time_t now) {
  if (header.empty()) return std::nullopt;
  long seconds = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error == std::errc() && end == header.data() + header.size()) {
    if (seconds < 0) return std::nullopt;
    return std::chrono::seconds(std::min(seconds, 366L * 86400));
  }
  const std::time_t then = curl_getdate(std::string(header).c_str(), nullptr);
  if (then == -1) return std::nullopt;
  return std::chrono::seconds(std::max<std::time_t>(0, then - now));
}

std::optional<std::chrono::milliseconds> wait_after(const retry_rules& rules, const response& answer,
                                                    unsigned tries, double chance, std::time_t now) {
  // From half of the wait to all of it.
  const double doubled =
      std::ldexp(static_cast<double>(rules.first_wait.count()), static_cast<int>(std::min(tries, 32U)) - 1);
  const double spread =
      std::min(doubled, static_cast<double>(rules.longest_wait.count())) * (0.5 + 0.5 * chance);
  const std::chrono::milliseconds own(std::lround(spread));
  const auto wish = parse_retry_after(answer.retry_after, now);
  if (!wish) return own;
  if (*wish > rules.longest_wait) return std::nullopt;
  return std::max<std::chrono::milliseconds>(own, *wish);
}

std::optional<std::chrono::milliseconds> wait_before_retry(const retry_rules& rules, const response& answer,
                                                           unsigned tries, double chance, std::time_t now) {
  if (!is_transient(answer) || tries > rules.retries) return std::nullopt;
  return wait_after(rules, answer, tries, chance, now);
}

}  // namespace crawl
