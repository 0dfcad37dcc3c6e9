// A value that is counted: put one into a closure or a result to see whether it dies, and dies once.
#pragma once

#include <utility>

namespace support {

/// Counts the living ones, moved-from ones included. A destructor that runs twice ends the program.
class tracked {
 public:
  explicit tracked(int value = 0);
  tracked(const tracked& other);
  tracked(tracked&& other) noexcept;
  tracked& operator=(const tracked& other) noexcept;
  tracked& operator=(tracked&& other) noexcept;
  ~tracked();

  /// -1 after a move.
  int value() const noexcept { return value_; }

  static long live() noexcept;

 private:
  static constexpr unsigned alive = 0x600d600d;
  unsigned state_ = alive;
  int value_;
};

}  // namespace support
