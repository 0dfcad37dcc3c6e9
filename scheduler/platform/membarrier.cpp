#include "platform/membarrier.hpp"

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#endif

namespace coppice {
inline namespace v0 {
namespace platform {

#ifdef __linux__

// Not a local static: a registration takes milliseconds, and a child that was forked in one would wait for
// ever for its end. Twice is as good as once.
bool has_barrier_on_every_thread() noexcept {
  enum class answer { unknown, yes, no };
  static std::atomic<answer> known{answer::unknown};
  if (known.load(std::memory_order_relaxed) == answer::unknown) {
    const bool registered = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    known.store(registered ? answer::yes : answer::no, std::memory_order_relaxed);
  }
  return known.load(std::memory_order_relaxed) == answer::yes;
}

bool barrier_on_every_thread() noexcept {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

#else

bool has_barrier_on_every_thread() noexcept { return false; }
bool barrier_on_every_thread() noexcept { return false; }

#endif

}  // namespace platform
}  // namespace v0
}  // namespace coppice
