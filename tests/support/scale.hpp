// How much of a thing a test does: the sanitizers slow tests down by 5 to 15 times, so there it is a tenth.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_THREAD__)
#define SUPPORT_THREAD_SANITIZED 1
#elif defined(__SANITIZE_ADDRESS__)
#define SUPPORT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SUPPORT_THREAD_SANITIZED 1
#elif __has_feature(address_sanitizer)
#define SUPPORT_SANITIZED 1
#endif
#endif
#ifdef SUPPORT_THREAD_SANITIZED
#define SUPPORT_SANITIZED 1
#endif

namespace support {

#ifdef SUPPORT_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#ifdef SUPPORT_THREAD_SANITIZED
inline constexpr bool thread_sanitized = true;
#else
inline constexpr bool thread_sanitized = false;
#endif

/// n, or a tenth of it where a sanitizer watches; at least 1.
constexpr std::size_t scaled(std::size_t n) { return sanitized ? (n + 9) / 10 : n; }
constexpr int scaled(int n) { return sanitized ? (n + 9) / 10 : n; }

}  // namespace support
