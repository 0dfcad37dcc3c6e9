// Random choices that can be made again: the seed is printed, and COPPICE_TEST_SEED sets it.
#pragma once

#include <cstdint>
#include <random>

namespace support {

/// A generator whose seed is printed.
std::mt19937_64 random_source();

/// A number that depends on a and b only: random choices inside tasks must not depend on the schedule.
constexpr std::uint64_t mixed(std::uint64_t a, std::uint64_t b = 0) noexcept {
  std::uint64_t x = a * 0x9e3779b97f4a7c15U + b + 0x632be59bd9b4e019U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace support
