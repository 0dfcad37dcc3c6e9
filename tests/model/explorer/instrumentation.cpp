// The calls that the compiler's thread-sanitizer instrumentation puts into the shipped sources and the model
// programs: each plain access is looked at. The sanitizer's own library is not linked; this file stands in
// its place.
#include <dlfcn.h>
#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <unordered_map>
#include <vector>

#include "explorer/execution.hpp"

namespace {

void touch(const void* address, std::size_t bytes, model::access kind, const void* code) {
  if (model::watching) model::execution::current()->touch(address, bytes, kind, code);
}

}  // namespace

// NOLINTBEGIN
#define COPPICE_ACCESS(bytes)                                                                               \
  void __tsan_read##bytes(void* p) { touch(p, bytes, model::access::read, __builtin_return_address(0)); }   \
  void __tsan_write##bytes(void* p) { touch(p, bytes, model::access::write, __builtin_return_address(0)); } \
  void __tsan_unaligned_read##bytes(void* p) {                                                              \
    touch(p, bytes, model::access::read, __builtin_return_address(0));                                      \
  }                                                                                                         \
  void __tsan_unaligned_write##bytes(void* p) {                                                             \
    touch(p, bytes, model::access::write, __builtin_return_address(0));                                     \
  }                                                                                                         \
  void __tsan_read_write##bytes(void* p) {                                                                  \
    touch(p, bytes, model::access::write, __builtin_return_address(0));                                     \
  }

// Atomics of the standard library that the sources use beside the policy's (reference counts, stop tokens):
// carried out as they are, ordering everything, no choice of who runs next.
#define COPPICE_ATOMIC(bits, type)                                                                          \
  type __tsan_atomic##bits##_load(const volatile type* p, int) { return __atomic_load_n(p, 5); }            \
  void __tsan_atomic##bits##_store(volatile type* p, type v, int) { __atomic_store_n(p, v, 5); }            \
  type __tsan_atomic##bits##_exchange(volatile type* p, type v, int) {                                      \
    return __atomic_exchange_n(p, v, 5);                                                                    \
  }                                                                                                         \
  type __tsan_atomic##bits##_fetch_add(volatile type* p, type v, int) {                                     \
    return __atomic_fetch_add(p, v, 5);                                                                     \
  }                                                                                                         \
  type __tsan_atomic##bits##_fetch_sub(volatile type* p, type v, int) {                                     \
    return __atomic_fetch_sub(p, v, 5);                                                                     \
  }                                                                                                         \
  type __tsan_atomic##bits##_fetch_or(volatile type* p, type v, int) { return __atomic_fetch_or(p, v, 5); } \
  type __tsan_atomic##bits##_fetch_and(volatile type* p, type v, int) {                                     \
    return __atomic_fetch_and(p, v, 5);                                                                     \
  }                                                                                                         \
  type __tsan_atomic##bits##_fetch_xor(volatile type* p, type v, int) {                                     \
    return __atomic_fetch_xor(p, v, 5);                                                                     \
  }                                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* e, type v, int, int) {          \
    return __atomic_compare_exchange_n(p, e, v, false, 5, 5);                                               \
  }                                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* e, type v, int, int) {            \
    return __atomic_compare_exchange_n(p, e, v, false, 5, 5);                                               \
  }                                                                                                         \
  type __tsan_atomic##bits##_compare_exchange_val(volatile type* p, type e, type v, int, int) {             \
    __atomic_compare_exchange_n(p, &e, v, false, 5, 5);                                                     \
    return e;                                                                                               \
  }

extern "C" {

COPPICE_ACCESS(1)
COPPICE_ACCESS(2)
COPPICE_ACCESS(4)
COPPICE_ACCESS(8)
COPPICE_ACCESS(16)
COPPICE_ATOMIC(8, std::uint8_t)
COPPICE_ATOMIC(16, std::uint16_t)
COPPICE_ATOMIC(32, std::uint32_t)
COPPICE_ATOMIC(64, std::uint64_t)

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_atomic_signal_fence(int) {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(5); }
void __tsan_vptr_update(void** p, void*) {
  touch(p, sizeof *p, model::access::write, __builtin_return_address(0));
}
void __tsan_vptr_read(void** p) { touch(p, sizeof *p, model::access::read, __builtin_return_address(0)); }
void __tsan_read_range(void* p, std::size_t n) {
  touch(p, n, model::access::read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, std::size_t n) {
  touch(p, n, model::access::write, __builtin_return_address(0));
}
void* __tsan_memcpy(void* to, const void* from, std::size_t n) {
  touch(from, n, model::access::read, __builtin_return_address(0));
  touch(to, n, model::access::write, __builtin_return_address(0));
  return std::memcpy(to, from, n);
}
void* __tsan_memmove(void* to, const void* from, std::size_t n) {
  touch(from, n, model::access::read, __builtin_return_address(0));
  touch(to, n, model::access::write, __builtin_return_address(0));
  return std::memmove(to, from, n);
}
void* __tsan_memset(void* to, int value, std::size_t n) {
  touch(to, n, model::access::write, __builtin_return_address(0));
  return std::memset(to, value, n);
}

// The memory of an exception goes from thread to thread behind the explorer's back.
void* __cxa_allocate_exception(std::size_t bytes) noexcept {
  using allocate = void* (*)(std::size_t);
  static const auto next = reinterpret_cast<allocate>(dlsym(RTLD_NEXT, "__cxa_allocate_exception"));
  void* const p = next(bytes);
  if (model::watching) model::execution::current()->allocated(p, bytes);
  return p;
}

// Of the program this is a failure like any other, with its steps; the explorer's own ends the process.
void abort() noexcept {
  if (model::watching) model::execution::current()->aborted();
  using end = void (*)();
  static const auto next = reinterpret_cast<end>(dlsym(RTLD_NEXT, "abort"));
  next();
  __builtin_unreachable();
}

}  // extern "C"
// NOLINTEND

namespace model {

namespace {

// What the program frees is kept until its execution is over: an access to it is found, and not mistaken for
// one to what lies there next.
std::vector<void*>& freed() {
  static std::vector<void*> blocks;
  return blocks;
}

// What the program has not freed, with the code that made it.
std::unordered_map<const void*, const void*>& held() {
  static std::unordered_map<const void*, const void*> blocks;
  return blocks;
}

}  // namespace

void release_freed_blocks() noexcept {
  for (void* const p : freed()) std::free(p);
  freed().clear();
  held().clear();
}

const void* maker_of_a_leak() noexcept { return held().empty() ? nullptr : held().begin()->second; }

}  // namespace model

namespace {

constexpr std::size_t largest_watched = 4096;

void* allocate(std::size_t bytes, std::size_t alignment, const void* code) noexcept {
  void* const p = alignment <= alignof(std::max_align_t)
                      ? std::malloc(bytes)
                      : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (model::watching && p != nullptr) {
    model::execution::current()->allocated(p, bytes);
    model::watching = false;
    model::held().emplace(p, code);
    model::watching = true;
  }
  return p;
}

void give_back(void* p) noexcept {
  if (!model::watching || p == nullptr) {
    std::free(p);
    return;
  }
  const std::size_t bytes = malloc_usable_size(p);
  if (bytes <= largest_watched)
    model::execution::current()->touch(p, bytes, model::access::freed, __builtin_return_address(0));
  model::watching = false;
  model::freed().push_back(p);
  model::held().erase(p);
  model::watching = true;
}

}  // namespace

void* operator new(std::size_t bytes) {
  if (void* const p = allocate(bytes, 1, __builtin_return_address(0))) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  if (void* const p = allocate(bytes, static_cast<std::size_t>(alignment), __builtin_return_address(0)))
    return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, 1, __builtin_return_address(0));
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void operator delete(void* p) noexcept { give_back(p); }
void operator delete(void* p, std::size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { give_back(p); }
