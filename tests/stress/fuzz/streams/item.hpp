// What flows through the stages.
#pragma once

#include <cstdint>
#include <utility>

#include "support/tracked.hpp"

namespace fuzz::streams {

/// Is counted, and can be moved only.
struct item {
  item(std::uint32_t i, std::uint64_t v) : input(i), value(v) {}
  item(item&&) noexcept = default;
  item& operator=(item&&) noexcept = default;
  item(const item&) = delete;
  item& operator=(const item&) = delete;
  ~item() = default;

  std::uint32_t input;
  std::uint64_t value;
  support::tracked alive{1};  ///< not any more after a move
};

}  // namespace fuzz::streams
