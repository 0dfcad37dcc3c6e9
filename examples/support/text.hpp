// File names as text. A name is any bytes but '/' and NUL; a terminal and JSON want valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace support {

// Bytes that are not UTF-8 become \xNN, everything else stays as it is.
std::string valid_utf8(std::string_view bytes);

// Control characters, newlines among them, become \xNN as well: one line, and nothing a terminal obeys.
std::string one_line(std::string_view bytes);

}  // namespace support
