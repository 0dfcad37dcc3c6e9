// A line on stderr that says how far a walk has come. One thread at a time.
#pragma once

#include <fmt/format.h>

#include <chrono>

#include "support/directory.hpp"
#include "support/terminal_line.hpp"

namespace support {

class progress {
 public:
  using clock = std::chrono::steady_clock;
  static constexpr auto interval = std::chrono::milliseconds(250);

  // When show() has something to do next.
  clock::time_point next() const { return next_; }

  void show(const totals& t) {
    next_ = clock::now() + interval;
    if (line_.is_seen())
      line_.draw(fmt::format("{} files, {} directories, {:.1f} MB", t.files, t.directories,
                             static_cast<double>(t.bytes) / 1e6));
  }

 private:
  terminal_line line_;
  clock::time_point next_ = clock::now();
};

}  // namespace support
