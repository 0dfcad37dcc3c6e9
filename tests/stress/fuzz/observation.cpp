#include "observation.hpp"

#include <cctype>
#include <cstdlib>

namespace fuzz {

namespace {
constexpr const char* word = "node ";
constexpr std::size_t word_length = 5;
}  // namespace

std::string label(std::uint32_t id) { return word + std::to_string(id); }

std::optional<std::uint32_t> labelled(const std::string& text) {
  const std::size_t at = text.find(word);
  if (at == std::string::npos || at + word_length == text.size()) return std::nullopt;
  const char* const digits = text.c_str() + at + word_length;
  if (std::isdigit(static_cast<unsigned char>(*digits)) == 0) return std::nullopt;
  return static_cast<std::uint32_t>(std::strtoul(digits, nullptr, 10));
}

node_error::node_error(std::uint32_t number) : id(number), text_(label(number)) {}

}  // namespace fuzz
