#include "platform/futex.hpp"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#else
#include <thread>
#endif

namespace coppice {
inline namespace v0 {
namespace platform {

#ifdef __linux__

namespace {

long futex(const futex_word& word, int operation, std::uint32_t value, const timespec* until) noexcept {
  return syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, until, nullptr,
                 FUTEX_BITSET_MATCH_ANY);
}

timespec monotonic(std::chrono::steady_clock::time_point when) noexcept {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
  if (ns <= 0) return {0, 0};
  return {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
}

}  // namespace

bool futex_wait(const futex_word& word, std::uint32_t expected,
                const std::chrono::steady_clock::time_point* deadline) noexcept {
  // FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock, which is steady_clock's.
  timespec until{};
  if (deadline != nullptr) until = monotonic(*deadline);
  const long rc = futex(word, FUTEX_WAIT_BITSET, expected, deadline != nullptr ? &until : nullptr);
  return rc == 0 || errno != ETIMEDOUT;
}

void futex_wake_one(const futex_word& word) noexcept { futex(word, FUTEX_WAKE_BITSET, 1, nullptr); }
void futex_wake_all(const futex_word& word) noexcept { futex(word, FUTEX_WAKE_BITSET, INT_MAX, nullptr); }

#else

bool futex_wait(const futex_word& word, std::uint32_t expected,
                const std::chrono::steady_clock::time_point* deadline) noexcept {
  if (deadline == nullptr) {
    // order(futex): acquire; pairs with the release of whoever changes the word.
    word.wait(expected, std::memory_order_acquire);
    return true;
  }
  // order(futex): acquire; as above.
  if (word.load(std::memory_order_acquire) != expected) return true;
  std::this_thread::yield();
  return std::chrono::steady_clock::now() < *deadline;
}
void futex_wake_one(const futex_word& word) noexcept { const_cast<futex_word&>(word).notify_one(); }
void futex_wake_all(const futex_word& word) noexcept { const_cast<futex_word&>(word).notify_all(); }

#endif

}  // namespace platform
}  // namespace v0
}  // namespace coppice
