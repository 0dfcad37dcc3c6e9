#include "support/random.hpp"

#include <cstdlib>
#include <iostream>

namespace support {

std::mt19937_64 random_source() {
  const char* const given = std::getenv("COPPICE_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "COPPICE_TEST_SEED=" << seed << std::endl;
  return std::mt19937_64(seed);
}

}  // namespace support
