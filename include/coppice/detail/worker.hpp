// A worker as its own thread sees it: the words that a fork reads and writes, and the doors to everything
// rare.
//
// Only the owner thread uses a worker, except for `attention` (anybody sets bits) and the thieves' half of
// `deque`. The rest of a worker (search, waiting, parking, its thread) is compiled: worker/worker_thread.hpp.
//
// Orders
//   attention  set with fetch_or(seq_cst), read relaxed after every push. Whoever sets a bit and must not be
//   missed
//              either looks at the deque after a barrier on every thread (a sleeper), or needs only the next
//              fork (a cancel, a hungry thief that goes on looking).
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <coppice/detail/deque.hpp>
#include <coppice/detail/task_frame.hpp>
#include <cstddef>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

struct shard;
class slab;

// What others want from a worker at its next fork.
struct attention_bit {
  static constexpr std::uint32_t hungry = 1;    // a thief that goes on looking wants a share: soon
  static constexpr std::uint32_t look = 2;      // the current job may be cancelled
  static constexpr std::uint32_t starving = 4;  // somebody sleeps and relies on the very next fork
};

struct worker {
  // Owner only.
  split_deque deque;
  alignas(cache_line) place* where = nullptr;  // the innermost place of the running code
  std::uintptr_t stack_limit = 0;              // a fork below this address refuses
  shard* counts = nullptr;                     // of counts_of
  job_core* counts_of = nullptr;
  bool counts_dirty = false;   // a task ended since the last look at the tally
  bool strand_starts = false;  // the frame about to run is a strand's first
  bool keeps_origin = false;   // of an exception that left a join
  slab* nodes = nullptr;
  group_core* innermost_group = nullptr;  // of those that this worker has made
  std::uint32_t looks_after = 0;  // children that find the deque full and run at once before a look for room
  unsigned index = 0;
  atomic<std::uint64_t> inline_runs{0};  // children run at once because the deque was full
  // Written by anybody; on a line of its own, since the owner reads it at every fork.
  alignas(cache_line) atomic<std::uint32_t> attention{0};
};

// The worker of this thread; null on threads that are not workers. One definition in the library,
// initial-exec: an access is two loads and no call.
extern COPPICE_API constinit thread_local worker* this_worker [[gnu::tls_model("initial-exec")]];

// Runs what lies above `f` in the deque, then takes f back (true), or waits until its thief has ended it
// (false).
COPPICE_API bool take_back_or_wait(worker& w, frame& f) noexcept;

// Ends a frame that this worker stole: the last access to it. Wakes its waiter.
COPPICE_API void end_frame(frame& f, std::uintptr_t end_word) noexcept;

// Throws recursion_too_deep.
[[noreturn]] COPPICE_API void refuse_recursion();

// An address on this thread's stack, comparable with worker::stack_limit.
inline std::uintptr_t stack_address(const void* local) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  (void)local;  // locals may live on a fake stack
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  (void)local;
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
#else
  return reinterpret_cast<std::uintptr_t>(local);
#endif
#else
  return reinterpret_cast<std::uintptr_t>(local);
#endif
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
