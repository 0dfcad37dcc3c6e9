// The values that stages make: the runner and the oracle must agree on them, and on nothing else.
#pragma once

#include <cstdint>

#include "streams/seen.hpp"
#include "values.hpp"

namespace fuzz::streams {

constexpr std::uint64_t first_value(std::uint32_t input) { return start_value(input); }
constexpr std::uint64_t worked(std::uint64_t before, std::uint32_t act) { return then(before, act); }
inline std::uint64_t recovered(const fate& error) {
  return then(support::mixed(error.what, error.number), 77);
}

}  // namespace fuzz::streams
