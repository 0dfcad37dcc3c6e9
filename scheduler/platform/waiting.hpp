// As detail/waiting.hpp, and the rest of a time slice.
#pragma once

#include <coppice/detail/waiting.hpp>

#ifndef COPPICE_POLICY

#include <thread>

namespace coppice {
inline namespace v0 {
namespace detail {

// Lets another thread have the processor.
inline void yield() noexcept { std::this_thread::yield(); }

}  // namespace detail
}  // namespace v0
}  // namespace coppice

#endif
