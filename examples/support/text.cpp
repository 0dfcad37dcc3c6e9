#include "support/text.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace support {

namespace {

// Length of the UTF-8 sequence at the start of `s`; 0 if there is none. Overlong forms, surrogates and
// numbers above U+10FFFF are none.
std::size_t sequence_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(s[i]); };
  const std::uint8_t first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length < 2) return length;
  if (s.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const std::uint8_t second = byte(1);
  const bool refused = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                       (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return refused ? 0 : length;
}

// U+0000 to U+001F, U+007F, and U+0080 to U+009F, which are two bytes.
bool is_control(std::string_view sequence) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(sequence[i]); };
  if (sequence.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
  return byte(0) == 0xc2 && byte(1) < 0xa0;
}

std::string escaped(std::string_view bytes, bool keep_controls) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t valid = sequence_length(bytes);
    const std::string_view piece = bytes.substr(0, valid != 0 ? valid : 1);
    if (valid != 0 && (keep_controls || !is_control(piece)))
      text += piece;
    else
      for (const char c : piece) text += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(c));
    bytes.remove_prefix(piece.size());
  }
  return text;
}

}  // namespace

std::string valid_utf8(std::string_view bytes) { return escaped(bytes, true); }
std::string one_line(std::string_view bytes) { return escaped(bytes, false); }

}  // namespace support
