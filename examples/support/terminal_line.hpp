// A line on stderr that is drawn again and again, and is gone at the end; nothing where stderr is no
// terminal, and nothing more once that is lost: whoever closes it may still want the result. One thread at a
// time.
//
//   support::terminal_line line;
//   if (line.is_seen()) line.draw(fmt::format("{} pages", pages));
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

namespace support {

class terminal_line {
 public:
  terminal_line() = default;
  terminal_line(const terminal_line&) = delete;
  terminal_line& operator=(const terminal_line&) = delete;
  ~terminal_line() {
    if (drawn_) draw("");
  }

  bool is_seen() const { return seen_; }
  void draw(const std::string& text) noexcept {
    if (!seen_) return;
    drawn_ = true;
    // Not fmt::print, which throws where nothing can be written.
    seen_ = std::fprintf(stderr, "\r\x1b[K%s", text.c_str()) >= 0 && std::fflush(stderr) == 0;
  }

 private:
  bool seen_ = ::isatty(STDERR_FILENO) != 0;
  bool drawn_ = false;
};

}  // namespace support
