// The slow halves of the mutex and of the condition variable.
#include <coppice/detail/waiting.hpp>

#include "platform/futex.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// About a microsecond. In the explorer a thread that polls comes back when something has changed: two would
// never sleep at the same time.
#ifdef COPPICE_POLICY
constexpr unsigned polls = 0;
#else
constexpr unsigned polls = 30;
#endif

}  // namespace

void adaptive_mutex::lock_or_sleep() noexcept {
  for (unsigned i = 0; i < polls; ++i) {
    relax();
    if (word_.load(memory_order_relaxed) == is_free && try_lock()) return;
  }
  // order(lock): acquire; pairs with the release in unlock().
  while (word_.exchange(is_awaited, memory_order_acquire) != is_free) platform::futex_wait(word_, is_awaited);
}

void adaptive_mutex::wake_one(const atomic<std::uint32_t>& word) noexcept { platform::futex_wake_one(word); }

bool condition::sleep(lock_type& hold, const time_point* until) noexcept {
  waiting_.store(waiting_.load(memory_order_relaxed) + 1, memory_order_relaxed);
  const std::uint32_t seen = number_.load(memory_order_relaxed);
  hold.unlock();
  const bool in_time = platform::futex_wait(number_, seen, until);
  hold.lock();
  waiting_.store(waiting_.load(memory_order_relaxed) - 1, memory_order_relaxed);
  return in_time;
}

void condition::notify_one() noexcept {
  if (waiting_.load(memory_order_relaxed) == 0) return;
  number_.fetch_add(1, memory_order_relaxed);
  platform::futex_wake_one(number_);
}

void condition::notify_all() noexcept {
  if (waiting_.load(memory_order_relaxed) == 0) return;
  number_.fetch_add(1, memory_order_relaxed);
  platform::futex_wake_all(number_);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
