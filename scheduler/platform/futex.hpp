// The one door to the system's futex: sleep while a 32-bit word holds a value, wake who sleeps on it.
//
// Spurious returns are normal; callers loop. Elsewhere than on Linux the C++ library's atomic wait stands in.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace platform {

using futex_word = detail::atomic<std::uint32_t>;

// Sleeps if word == expected, until woken or the deadline. Returns false only when the deadline has passed.
bool futex_wait(const futex_word& word, std::uint32_t expected,
                const std::chrono::steady_clock::time_point* deadline = nullptr) noexcept;
void futex_wake_one(const futex_word& word) noexcept;
void futex_wake_all(const futex_word& word) noexcept;

}  // namespace platform
}  // namespace v0
}  // namespace coppice
