// What compiled sources wait with beside the futex: a condition variable, the clock, the rest of a time
// slice. Named here for the reason that atomics are named in detail/atomic.hpp: another policy can take their
// place.
#pragma once

#include <chrono>
#include <condition_variable>
#include <coppice/detail/atomic.hpp>
#include <thread>

#ifndef COPPICE_POLICY

namespace coppice {
inline namespace v0 {
namespace detail {

using condition_variable = std::condition_variable;
// Its time points are steady_clock's.
using clock = std::chrono::steady_clock;
// Lets another thread have the processor.
inline void yield() noexcept { std::this_thread::yield(); }

}  // namespace detail
}  // namespace v0
}  // namespace coppice

#endif
