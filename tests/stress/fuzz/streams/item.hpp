// What flows through the stages: values and errors, which are counted.
#pragma once

#include <cstdint>

#include "observation.hpp"
#include "support/tracked.hpp"

namespace fuzz::streams {

/// Can be moved only.
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

struct counted_error : node_error {
  using node_error::node_error;
  support::tracked alive{1};
};

}  // namespace fuzz::streams
