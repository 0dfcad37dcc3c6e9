#include "platform/membarrier.hpp"

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace coppice {
inline namespace v0 {
namespace platform {

#ifdef __linux__

bool has_barrier_on_every_thread() noexcept {
  static const bool registered =
      syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return registered;
}

void barrier_on_every_thread() noexcept { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }

#else

bool has_barrier_on_every_thread() noexcept { return false; }
void barrier_on_every_thread() noexcept {}

#endif

}  // namespace platform
}  // namespace v0
}  // namespace coppice
