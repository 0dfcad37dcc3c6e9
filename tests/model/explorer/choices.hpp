// The choices of one execution, and the way through the tree of all of them, depth first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace model {

class choices {
 public:
  // One of n alternatives, n > 1: what was taken before on this path, or 0 where the path is new.
  unsigned next(unsigned n) noexcept;
  // The path was built for other alternatives: the program depends on something that the explorer does not
  // see.
  bool confused() const noexcept { return confused_; }

  void restart() noexcept { at_ = 0; }
  // To the next path; false when all have been taken.
  bool advance() noexcept;
  void clear() noexcept;
  // Makes the path longer by a choice that was taken elsewhere.
  void append(unsigned taken);
  std::size_t depth() const noexcept { return path_.size(); }

  // "0*12.1.0.2": read back by from_text(). Throws std::invalid_argument.
  std::string to_text() const;
  void from_text(const std::string& text);

 private:
  struct choice {
    std::uint16_t taken;
    std::uint16_t of;  // 0: not known, the path was read from a text
  };
  std::vector<choice> path_;
  std::size_t at_ = 0;
  bool confused_ = false;
};

}  // namespace model
