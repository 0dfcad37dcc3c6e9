// What the compiler and the build decide for every header.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#if __cplusplus < 202002L
#error "coppice needs C++20: compile with -std=c++20 or later."
#endif

// COPPICE_API marks what the compiled library offers to other binaries.
#if defined(COPPICE_SHARED) && defined(__GNUC__)
#define COPPICE_API __attribute__((visibility("default")))
#define COPPICE_API_ALIGNED(bytes) alignas(bytes) [[gnu::visibility("default")]]  // g++ wants this order
#else
#define COPPICE_API
#define COPPICE_API_ALIGNED(bytes) alignas(bytes)
#endif

// Out of the way of the fork's few instructions.
#define COPPICE_COLD __attribute__((cold, noinline))

// A lambda that is a part of its function.
#define COPPICE_INLINE __attribute__((always_inline))

#if defined(__SANITIZE_ADDRESS__)
#define COPPICE_ADDRESS_SANITIZED 1
#endif
#if defined(__SANITIZE_THREAD__)
#define COPPICE_THREAD_SANITIZED 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COPPICE_ADDRESS_SANITIZED 1
#endif
#if __has_feature(thread_sanitizer)
#define COPPICE_THREAD_SANITIZED 1
#endif
#endif

namespace coppice {
inline namespace v0 {
namespace detail {

// The tests explore small ones.
#ifndef COPPICE_POLICY

// 64 KiB of slots: a recursion 8192 forks deep is stealable at every level; beyond, children run inline or
// are bundled (worker/bundle.hpp).
inline constexpr std::uint32_t deque_capacity = 8192;
// Slots that forks leave to spawned children.
inline constexpr std::uint32_t deque_reserve = 64;
// So many frames become one: few enough to lie in the first-level cache, where they have just been written.
inline constexpr std::uint32_t bundle_size = 64;
// So many children of a full deque run one within the other before one is bundled: what a flat loop spawns
// runs at once and takes no memory, and no recursion grows.
inline constexpr std::uint32_t deepest_inline_run = 32;
// 500 to 900 nodes; aligned to its size, a power of two.
inline constexpr std::size_t slab_chunk_bytes = std::size_t{64} * 1024;
// So many chunks are asked for at a time. What is not used is not touched; each request costs the allocator a
// page of its own before what is aligned so.
inline constexpr std::size_t slab_block_chunks = 16;
// So many stolen strands in a row of next to nothing, and a worker rests (idle.md).
inline constexpr std::uint32_t poor_strands_before_rest = 64;
// What next to nothing is. A strand without a body takes 60 to 100 ns, 100 to 200 where the machine is slow,
// and its victim loses about as much by the steal (2-core x86-64 virtual machine, 2026-11).
inline constexpr std::chrono::nanoseconds worth_a_steal{300};
// After so long a step of a stream lets others of its pool have the worker. Posting one costs about 2 us
// (2-core x86-64 virtual machine, 2026-11).
inline constexpr std::chrono::nanoseconds step_time = std::chrono::microseconds(200);
// How often a step of a stream looks whether the one that asks the source is done, before it ends: 3 us.
inline constexpr unsigned looks_at_a_source = 256;
// Memory of at most 8 x 32 jobs is kept for the next ones: 4 submitters with a window of 50 find theirs. It
// is 370 KB.
inline constexpr unsigned job_shelves = 8;
inline constexpr std::uint32_t blocks_on_a_shelf = 32;
// The address sanitizer sees who uses a job that is gone.
#ifdef COPPICE_ADDRESS_SANITIZED
inline constexpr bool keeps_memory_of_jobs = false;
#else
inline constexpr bool keeps_memory_of_jobs = true;
#endif
// As many workers as a scheduler may ever have: platform::max_workers.
inline constexpr std::size_t roster_capacity = 4096;

#else

inline constexpr std::uint32_t deque_capacity = 4;
inline constexpr std::chrono::nanoseconds step_time = std::chrono::hours(1);
inline constexpr unsigned looks_at_a_source = 1;
inline constexpr std::uint32_t deque_reserve = 1;
inline constexpr std::uint32_t bundle_size = 3;
inline constexpr std::uint32_t deepest_inline_run = 0;
inline constexpr std::size_t slab_chunk_bytes = 512;
inline constexpr std::size_t slab_block_chunks = 1;
inline constexpr std::uint32_t poor_strands_before_rest = 1;
inline constexpr std::chrono::nanoseconds worth_a_steal = std::chrono::seconds(1);  // 10000 looks
inline constexpr unsigned job_shelves = 2;
inline constexpr std::uint32_t blocks_on_a_shelf = 2;
inline constexpr bool keeps_memory_of_jobs = false;  // what is used when it is gone is found
inline constexpr std::size_t roster_capacity = 4;

#endif

}  // namespace detail
}  // namespace v0
}  // namespace coppice
