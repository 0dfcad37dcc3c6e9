// The one door to atomics and the compiler barrier; mutex.hpp and waiting.hpp have what is locked and waited
// with.
//
// Every protocol of the scheduler names its shared words and locks through these files. COPPICE_POLICY names
// another header with the same names: the tests explore the interleavings of the shipped source through one.
#pragma once

#include <atomic>
#include <coppice/detail/config.hpp>
#include <cstddef>
#include <cstdint>

#ifdef COPPICE_POLICY
#include COPPICE_POLICY
#endif

namespace coppice {
inline namespace v0 {
namespace detail {

#ifndef COPPICE_POLICY

template <class T>
using atomic = std::atomic<T>;

// A word that is stored before anybody loads it. To make one writes nothing, so many of them take no memory
// from the system before they are used.
template <class T>
class late_atomic {
 public:
  T load(std::memory_order order) const noexcept { return __atomic_load_n(&word_, static_cast<int>(order)); }
  void store(T value, std::memory_order order) noexcept {
    __atomic_store_n(&word_, value, static_cast<int>(order));
  }

 private:
  T word_;
};

// What there is one of in a process. The tests make it anew for each run that they explore.
template <class T>
class process_wide {
 public:
  T* operator->() noexcept { return &value_; }

 private:
  T value_{};
};

// Keeps the compiler from moving memory accesses across; the processor is not told. The owner's half of an
// asymmetric pair: the other half is platform::barrier_on_every_thread().
inline void compiler_barrier() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

// Tells the processor that this thread polls.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

#endif

// Comparisons with a shared word, relaxed. Compilers do not make one instruction of an atomic load and a
// comparison, and keep what they compare in a register across the calls between.
#if defined(__x86_64__) && !defined(COPPICE_POLICY)
inline bool is_below(std::uint64_t value, const atomic<std::uint64_t>& word) noexcept {
  bool below = false;
  asm volatile("cmp {%1, %2|%2, %1}" : "=@ccb"(below) : "m"(word), "r"(value));
  return below;
}
inline bool is_one_less(std::uint64_t value, const atomic<std::uint64_t>& word) noexcept {
  bool is = false;
  std::uint64_t next = 0;
  asm volatile("lea {1(%3), %1|%1, [%3 + 1]}\n\tcmp {%2, %1|%1, %2}"
               : "=@ccz"(is), "=&r"(next)
               : "m"(word), "r"(value));
  return is;
}
#else
inline bool is_below(std::uint64_t value, const atomic<std::uint64_t>& word) noexcept {
  return value < word.load(std::memory_order_relaxed);
}
inline bool is_one_less(std::uint64_t value, const atomic<std::uint64_t>& word) noexcept {
  return value + 1 == word.load(std::memory_order_relaxed);
}
#endif

using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

// Lines that different threads write are kept this far apart.
inline constexpr std::size_t cache_line = 64;

// A counter that one thread writes and others read: a plain addition, no locked instruction. `order` is that
// of its store: relaxed or release.
template <class T>
COPPICE_INLINE inline void add_as_only_writer(atomic<T>& counter, T amount,
                                              std::memory_order order) noexcept {
#if defined(__x86_64__) && !defined(COPPICE_POLICY) && !defined(COPPICE_THREAD_SANITIZED)
  // Compilers make three instructions of an atomic load, an addition and a store. Here every store is a
  // release for the processor; the compiler is told.
  if constexpr (sizeof(T) == 8) {
    if (order == memory_order_relaxed)
      asm("add{q %1, %0| %0, %1}" : "+m"(counter) : "er"(amount) : "cc");
    else
      asm volatile("add{q %1, %0| %0, %1}" : "+m"(counter) : "er"(amount) : "cc", "memory");
    return;
  }
#endif
  counter.store(counter.load(memory_order_relaxed) + amount, order);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
