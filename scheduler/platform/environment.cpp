// Reads COPPICE_WORKERS and COPPICE_PIN. A malformed value must not stop a program that worked
// yesterday, and must not be swallowed either: it is ignored with one line of warning.
#include "platform/environment.hpp"

#include "platform/fork.hpp"
#include "platform/limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

namespace coppice::inline v0::platform {
namespace {

constexpr std::array<std::pair<std::string_view, pinning>, 4> pinning_words{{
    {"core", pinning::core},
    {"pu", pinning::pu},
    {"numa", pinning::numa},
    {"none", pinning::none},
}};

bool says_something(const char* text) { return text != nullptr && *text != '\0'; }

// Control bytes would break the promise of one line, and a value can be as long as the environment.
std::string printable(std::string_view text) {
  constexpr std::size_t most = 40;
  std::string shown;
  for (const char c : text.substr(0, most)) shown += (c >= ' ' && c <= '~') ? c : '?';
  if (text.size() > most) shown += "...";
  return shown;
}

std::string warning(std::string_view variable, std::string_view text, std::string_view wanted) {
  std::string line = "coppice: ignored ";
  line.append(variable).append("=\"").append(printable(text)).append("\": expected ").append(wanted);
  return line;
}

// A child would find the lock held if its parent forked while another thread was told something.
constinit std::mutex telling;
const bool telling_is_kept_free =
    (at_fork([] { telling.lock(); }, [] { telling.unlock(); }, [] { telling.unlock(); }), true);

// Under the lock. Made at the first use, and never destroyed: static destructors make schedulers too. A local
// static could be in the making during a fork, and in the child for ever.
constinit std::set<std::string>* said = nullptr;

// A program may make a thousand schedulers; its user needs to be told once.
bool first_time(const std::string& line) {
  const std::lock_guard lock(telling);
  if (said == nullptr) said = new std::set<std::string>;
  return said->insert(line).second;
}

}  // namespace

std::optional<unsigned> parse_workers(std::string_view text) noexcept {
  unsigned value = 0;
  const auto end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || value > max_workers) return std::nullopt;
  return value;
}

std::optional<pinning> parse_pinning(std::string_view text) noexcept {
  for (const auto& [word, pin] : pinning_words)
    if (word == text) return pin;
  return std::nullopt;
}

std::string_view to_word(pinning pin) noexcept {
  for (const auto& [word, value] : pinning_words)
    if (value == pin) return word;
  return "unknown";
}

overridden override_defaults(unsigned workers, pinning pin, const char* workers_text, const char* pin_text) {
  overridden result{workers, pin, {}};
  if (workers == 0 && says_something(workers_text)) {
    if (const auto value = parse_workers(workers_text))
      result.workers = *value;
    else
      result.warnings.push_back(warning("COPPICE_WORKERS", workers_text,
                                        "a number from 0 (all) to " + std::to_string(max_workers)));
  }
  if (pin == pinning::core && says_something(pin_text)) {
    if (const auto value = parse_pinning(pin_text))
      result.pin = *value;
    else
      result.warnings.push_back(warning("COPPICE_PIN", pin_text, "core, pu, numa or none"));
  }
  return result;
}

overridden override_from_environment(unsigned workers, pinning pin) {
  auto result = override_defaults(workers, pin, std::getenv("COPPICE_WORKERS"), std::getenv("COPPICE_PIN"));
  for (const auto& line : result.warnings)
    if (first_time(line)) std::fprintf(stderr, "%s\n", line.c_str());
  return result;
}

std::chrono::milliseconds stall_from_environment(std::chrono::milliseconds asked) {
  const char* const text = std::getenv("COPPICE_STALL_MS");
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24);
  if (asked.count() != 0 || !says_something(text)) return std::min(asked, longest);
  const std::string_view all = text;
  unsigned value = 0;
  const auto [rest, error] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (error == std::errc{} && rest == all.data() + all.size() && std::chrono::milliseconds(value) <= longest)
    return std::chrono::milliseconds(value);
  const std::string line = warning("COPPICE_STALL_MS", all, "milliseconds, from 0 (off) to a day");
  if (first_time(line)) std::fprintf(stderr, "%s\n", line.c_str());
  return asked;
}

}  // namespace coppice::inline v0::platform
