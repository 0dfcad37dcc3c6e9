// What is waited with beside the futex: a condition variable and the clock. Named here for the reason that
// atomics are named in atomic.hpp: another policy can take their place.
#pragma once

#include <coppice/detail/atomic.hpp>

#ifndef COPPICE_POLICY

#include <chrono>
#include <condition_variable>

namespace coppice {
inline namespace v0 {
namespace detail {

using condition_variable = std::condition_variable;
// Its time points are steady_clock's.
using clock = std::chrono::steady_clock;

}  // namespace detail
}  // namespace v0
}  // namespace coppice

#endif
