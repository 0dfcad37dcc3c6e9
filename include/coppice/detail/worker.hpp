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

// The attention bits above the lowest stack address at which the worker forks: a fork compares its own
// address with the word, once for both. No address reaches the bits.
class attention_word {
 public:
  // The bits. `order` is the caller's, and what it pairs with.
  std::uint32_t load(std::memory_order order) const noexcept { return bits_of(word_.load(order)); }
  std::uint32_t fetch_or(std::uint32_t bits, std::memory_order order) noexcept {
    return bits_of(word_.fetch_or(std::uint64_t{bits} << shift, order));
  }
  // Clears the bits.
  std::uint32_t take(std::memory_order order) noexcept { return bits_of(word_.fetch_and(addresses, order)); }
  // Somebody wants attention, or the stack ends.
  bool stops_fork_at(std::uintptr_t stack) const noexcept { return is_below(stack, word_); }
  bool is_below_limit(std::uintptr_t stack) const noexcept {
    return stops_fork_at(stack) && stack < (word_.load(memory_order_relaxed) & addresses);
  }
  // Owner.
  void set_stack_limit(std::uintptr_t lowest) noexcept {
    std::uint64_t seen = word_.load(memory_order_relaxed);
    while ((seen & addresses) != lowest &&
           !word_.compare_exchange_weak(seen, (seen & ~addresses) | lowest, memory_order_relaxed,
                                        memory_order_relaxed)) {
    }
  }

 private:
  static constexpr unsigned shift = 60;
  static constexpr std::uint64_t addresses = (std::uint64_t{1} << shift) - 1;
  static std::uint32_t bits_of(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> shift);
  }
  atomic<std::uint64_t> word_{0};
};

using split_deque = basic_split_deque<deque_capacity, deque_reserve, spot>;

struct worker {
  // Owner only.
  split_deque deque;
  shard* counts = nullptr;  // of counts_of
  job_core* counts_of = nullptr;
  task_frame* task = nullptr;  // whose code runs: task_of(where()), without the way there
  bool counts_dirty = false;   // a task ended since the last look at the tally
  bool strand_starts = false;  // the frame about to run is a strand's first
  bool keeps_origin = false;   // of an exception that left a join
  slab* nodes = nullptr;
  group_core* innermost_group = nullptr;  // of those that this worker has made
  // Children that find the deque full: how many run at once before a look for room; how many run, one within
  // the other.
  std::uint32_t at_once_left = 0;
  std::uint32_t at_once_nested = 0;
  unsigned index = 0;
  atomic<std::uint64_t> inline_runs{0};  // children run at once because the deque was full
  // Written by anybody; on a line of its own, since the owner reads it at every fork.
  alignas(cache_line) attention_word attention;

  // Of the running code; nowhere outside tasks. On the deque's line of its owner, near the worker's address:
  // a fork writes it three times (bench/notes/2026-11-28-what-a-fork-compares.md).
  spot& where() noexcept { return deque.beside; }
  spot where() const noexcept { return deque.beside; }
};

// The worker of this thread; null on threads that are not workers. One definition in the library,
// initial-exec: an access is two loads and no call.
extern COPPICE_API constinit thread_local worker* this_worker [[gnu::tls_model("initial-exec")]];

// The same while code of a task runs, which may fork and spawn; null also while a worker runs code of users
// that belongs to no task: the end of an exception, of a value that nobody has taken, a callback. That forks
// serially, as on other threads. outside_tasks sets it.
extern COPPICE_API constinit thread_local worker* forking_worker [[gnu::tls_model("initial-exec")]];

// The task whose code this thread runs, or null.
inline task_frame* current_task() noexcept {
  const worker* const w = this_worker;
  return w != nullptr ? w->task : nullptr;
}

// Runs what lies above `f` in the deque, then takes f back (true), or waits until its thief has ended it
// (false).
COPPICE_API bool take_back_or_wait(worker& w, frame& f) noexcept;

// Answers the attention word after a push: shares if somebody is hungry. True: the running task's job is
// being stopped, so a fork is to throw cancelled.
COPPICE_API COPPICE_COLD bool answer_quietly(worker& w) noexcept;

// Ends a frame that this worker stole: the last access to it. Wakes its waiter.
COPPICE_API void end_frame(frame& f, std::uintptr_t end_word) noexcept;

// Throws recursion_too_deep.
[[noreturn]] COPPICE_API void refuse_recursion();

// An address on this thread's stack, comparable with the worker's limit.
inline std::uintptr_t stack_address(const void* local) noexcept {
#ifdef COPPICE_ADDRESS_SANITIZED
  (void)local;  // locals may live on a fake stack
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
#else
  return reinterpret_cast<std::uintptr_t>(local);
#endif
}

// The same of the caller, for whom a byte is set aside and nothing is written.
COPPICE_INLINE inline std::uintptr_t stack_address_here() noexcept {
  char here;
  asm("" : "=m"(here));
  return stack_address(&here);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
