// The workers that a crew ever had, by index. It grows while others read it and never shrinks: whoever holds
// the address of a worker may use it as long as the crew lives, though its thread may have left.
//
// Who writes what. The scheduler, one resize at a time; everybody reads.
//
// Orders
//   size_  release after the entry is in place; pairs with the acquire in size().
#pragma once

#include <coppice/detail/atomic.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

template <class Worker>
class roster {
 public:
  explicit roster(std::size_t capacity) : all_(std::make_unique<std::unique_ptr<Worker>[]>(capacity)) {}

  // order(roster): acquire; pairs with the release in push_back().
  std::size_t size() const noexcept { return size_.load(memory_order_acquire); }
  // Requires that the capacity is not used up.
  void push_back(std::unique_ptr<Worker> w) noexcept {
    const std::size_t n = size_.load(memory_order_relaxed);
    all_[n] = std::move(w);
    // order(roster): release; pairs with the acquire in size().
    size_.store(n + 1, memory_order_release);
  }
  const std::unique_ptr<Worker>& operator[](std::size_t i) const noexcept { return all_[i]; }
  const std::unique_ptr<Worker>* begin() const noexcept { return all_.get(); }
  const std::unique_ptr<Worker>* end() const noexcept { return all_.get() + size(); }

 private:
  std::unique_ptr<std::unique_ptr<Worker>[]> all_;
  atomic<std::size_t> size_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
