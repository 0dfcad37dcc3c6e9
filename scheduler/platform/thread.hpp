// A joinable thread with a stack of a given size and a name, and the bounds of the calling thread's stack.
#pragma once

#include <pthread.h>
#include <chrono>

#include <cstddef>
#include <cstdint>
#include <string>

namespace coppice {
inline namespace v0 {
namespace platform {

class thread {
 public:
  using body = void (*)(void*);
  using native = pthread_t;

  // Throws std::system_error, with the reason, when the system has no thread or no stack to give.
  thread(const std::string& name, std::size_t stack_bytes, body run, void* argument);
  thread(const thread&) = delete;
  thread& operator=(const thread&) = delete;
  ~thread() { join(); }
  void join() noexcept;
  native handle() const noexcept { return handle_; }
  // What it has used so far; 0 when the system does not say.
  std::chrono::nanoseconds processor_time() const noexcept;

 private:
  native handle_{};
  bool joinable_ = false;
};

// The calling thread's handle: what its creator stores as well, but perhaps later.
inline thread::native this_thread() noexcept { return pthread_self(); }

// The lowest address of the calling thread's stack; 0 when the system does not say.
std::uintptr_t lowest_stack_address() noexcept;

// The CPU that the calling thread runs on, at least until a moment ago; below 0 when the system does not say.
int current_cpu() noexcept;

}  // namespace platform
}  // namespace v0
}  // namespace coppice
