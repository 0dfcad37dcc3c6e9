// A line on stderr that says how far a walk has come; nothing where stderr is no terminal. One thread at a
// time.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "support/directory.hpp"

namespace support {

class progress {
 public:
  using clock = std::chrono::steady_clock;
  static constexpr auto interval = std::chrono::milliseconds(250);

  progress() = default;
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

  // When show() has something to do next.
  clock::time_point next() const { return next_; }

  void show(const totals& t) {
    next_ = clock::now() + interval;
    if (!terminal_) return;
    shown_ = true;
    fmt::print(stderr, "\r\x1b[K{} files, {} directories, {:.1f} MB", t.files, t.directories,
               static_cast<double>(t.bytes) / 1e6);
    std::fflush(stderr);
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  bool shown_ = false;
  clock::time_point next_ = clock::now();
};

}  // namespace support
