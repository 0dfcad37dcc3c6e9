// The values that nodes give: the runner and the oracle must agree on them, and on nothing else.
#pragma once

#include <cstdint>

#include "support/random.hpp"

namespace fuzz {

constexpr std::uint64_t start_value(std::uint32_t id) { return support::mixed(id, 1); }
constexpr std::uint64_t then(std::uint64_t before, std::uint64_t value) {
  return support::mixed(before, value);
}
/// A job that ended so and was only waited for: 0 completed, 1 failed, 2 cancelled, 3 deadline_exceeded.
constexpr std::uint64_t outcome_value(std::uint32_t id, int outcome) {
  return then(start_value(id), 7000U + static_cast<unsigned>(outcome));
}
constexpr std::uint64_t caught_value(std::uint32_t id, std::uint32_t error) {
  return then(start_value(id), 100000ULL + error);
}

/// x -> multiply * x + add: composition is associative and not commutative.
struct affine {
  std::uint64_t multiply = 1, add = 0;
  static constexpr affine of(std::uint64_t value) { return {value | 1, support::mixed(value, 3)}; }
  friend constexpr affine operator*(affine a, affine b) {
    return {a.multiply * b.multiply, a.add * b.multiply + b.add};
  }
  constexpr std::uint64_t value() const { return support::mixed(multiply, add); }
};

}  // namespace fuzz
