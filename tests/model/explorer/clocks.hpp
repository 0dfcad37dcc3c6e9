// Who knows of what: vector clocks for happens-before, views for the stores that a thread can no longer miss.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace model {

inline constexpr unsigned max_threads = 8;
inline constexpr unsigned max_locations = 1024;

// An event e of thread t happens before whoever's clock shows at least e's number for t.
struct vector_clock {
  std::array<std::uint32_t, max_threads> at{};
  void join(const vector_clock& other) noexcept {
    for (unsigned i = 0; i < max_threads; ++i) at[i] = std::max(at[i], other.at[i]);
  }
};

// For each location the oldest store, counted in modification order, that may still be read.
class view {
 public:
  view() = default;
  view(const view& other) noexcept { *this = other; }
  view& operator=(const view& other) noexcept {
    size_ = other.size_;
    std::copy_n(other.at_.data(), size_, at_.data());
    return *this;
  }

  std::uint16_t operator[](unsigned location) const noexcept {
    return location < size_ ? at_[location] : std::uint16_t{0};
  }
  void raise(unsigned location, std::uint16_t store) noexcept {
    grow(location + 1);
    at_[location] = std::max(at_[location], store);
  }
  void join(const view& other) noexcept { join(other.at_.data(), other.size_); }
  void join(const std::uint16_t* other, unsigned n) noexcept {
    grow(n);
    for (unsigned i = 0; i < n; ++i) at_[i] = std::max(at_[i], other[i]);
  }
  void clear() noexcept { size_ = 0; }
  const std::uint16_t* data() const noexcept { return at_.data(); }
  unsigned size() const noexcept { return size_; }

 private:
  void grow(unsigned n) noexcept {
    for (; size_ < n; ++size_) at_[size_] = 0;
  }
  unsigned size_ = 0;
  std::array<std::uint16_t, max_locations> at_;
};

}  // namespace model
