#include "support/tracked.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace support {

namespace {
// Relaxed on purpose: it must not order what the library has to order.
std::atomic<long> living{0};
}  // namespace

tracked::tracked(int value) : value_(value) { living.fetch_add(1, std::memory_order_relaxed); }
tracked::tracked(const tracked& other) : tracked(other.value_) {}
tracked::tracked(tracked&& other) noexcept : tracked(std::exchange(other.value_, -1)) {}
tracked& tracked::operator=(const tracked& other) noexcept {
  value_ = other.value_;
  return *this;
}
tracked& tracked::operator=(tracked&& other) noexcept {
  value_ = std::exchange(other.value_, -1);
  return *this;
}
tracked::~tracked() {
  if (state_ != alive) {
    std::fputs("tracked: destroyed twice, or never made\n", stderr);
    std::abort();
  }
  state_ = 0;
  living.fetch_sub(1, std::memory_order_relaxed);
}

long tracked::live() noexcept { return living.load(std::memory_order_relaxed); }

}  // namespace support
