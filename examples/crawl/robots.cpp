#include "crawl/robots.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "crawl/url.hpp"
#include "support/ascii.hpp"

namespace crawl {
namespace {

using support::lower;
using support::trimmed;

struct line {
  std::string key;  // in lower case; empty: nothing to read here
  std::string_view value;
};

// The next line, which is taken off the text.
line take_line(std::string_view& text) {
  const auto end = std::min(text.find_first_of("\r\n"), text.size());
  std::string_view here = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  here = here.substr(0, here.find('#'));
  const auto colon = here.find(':');
  if (colon == std::string_view::npos) return {};
  return {lower(trimmed(here.substr(0, colon))), trimmed(here.substr(colon + 1))};
}

// Whether `pattern`, in which * is anything and a $ at the end is the end, fits the beginning of `path`.
bool fits(std::string_view pattern, std::string_view path) {
  const bool to_the_end = pattern.ends_with('$');
  if (to_the_end) pattern.remove_suffix(1);
  // Between stars each piece may as well be found where it comes first: that leaves most for the others.
  bool first = true;
  for (;;) {
    const auto star = pattern.find('*');
    const std::string_view piece = pattern.substr(0, star);
    const bool last = star == std::string_view::npos;
    if (first) {
      if (!path.starts_with(piece)) return false;
      path.remove_prefix(piece.size());
      if (last) return !to_the_end || path.empty();
    } else if (last && to_the_end) {
      return path.ends_with(piece);
    } else {
      const auto at = path.find(piece);
      if (at == std::string_view::npos) return false;
      path.remove_prefix(at + piece.size());
      if (last) return true;
    }
    pattern.remove_prefix(star + 1);
    first = false;
  }
}

// With these characters encoded, too. In rules, * and $ mean something, and stand encoded for themselves
// (2.2.3), so that is what they are in a path.
std::string encoded(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : normal_encoding(text)) {
    if (special.find(c) == std::string_view::npos)
      out += c;
    else
      out += c == '*' ? "%2A" : "%24";
  }
  return out;
}

std::string pattern_of(std::string_view value) {
  if (!value.ends_with('$')) return encoded(value, "$");
  value.remove_suffix(1);
  return encoded(value, "$") + "$";
}

std::chrono::milliseconds delay_of(std::string_view value) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || !(seconds > 0)) return {};
  const double limit = std::chrono::duration<double>(robots::max_delay).count();
  return std::chrono::milliseconds(std::lround(std::min(seconds, limit) * 1000));
}

}  // namespace

robots::robots(std::string_view text, std::string_view agent) {
  if (text.size() > max_bytes) text = text.substr(0, text.find_last_of("\r\n", max_bytes) + 1);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string wanted = lower(agent);
  std::vector<rule> for_all;
  std::chrono::milliseconds delay_for_all{0};
  bool named = false;                                 // some group names this crawler
  bool in_agents = false, ours = false, all = false;  // of the group that is being read
  while (!text.empty()) {
    const line here = take_line(text);
    if (here.key == "user-agent") {
      if (!in_agents) ours = all = false;  // a new group
      in_agents = true;
      if (here.value == "*")
        all = true;
      else if (lower(product_token(here.value)) == wanted && !wanted.empty())
        ours = named = true;
      continue;
    }
    const bool allow = here.key == "allow";
    if (allow || here.key == "disallow") {
      in_agents = false;
      if (here.value.empty()) continue;  // "Disallow:" forbids nothing
      const rule found{pattern_of(here.value), allow};
      if (ours) rules_.push_back(found);
      if (all) for_all.push_back(found);
    } else if (here.key == "crawl-delay") {
      in_agents = false;
      if (ours) delay_ = std::max(delay_, delay_of(here.value));
      if (all) delay_for_all = std::max(delay_for_all, delay_of(here.value));
    }
    // Anything else, Sitemap for instance, belongs to no group and ends none.
  }
  if (named) return;
  rules_ = std::move(for_all);
  delay_ = delay_for_all;
}

robots robots::nothing_allowed() {
  robots r;
  r.rules_.push_back({"/", false});
  return r;
}

bool robots::allows(std::string_view path) const {
  if (path == "/robots.txt") return true;
  const std::string normal = encoded(path, "*$");
  const rule* best = nullptr;
  for (const rule& r : rules_) {
    const bool longer = best == nullptr || r.pattern.size() > best->pattern.size() ||
                        (r.pattern.size() == best->pattern.size() && r.allow);
    if (longer && fits(r.pattern, normal)) best = &r;
  }
  return best == nullptr || best->allow;
}

std::string product_token(std::string_view user_agent) {
  const auto belongs = [](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  };
  return {user_agent.begin(), std::find_if_not(user_agent.begin(), user_agent.end(), belongs)};
}

}  // namespace crawl
