// Who hears of errors that nobody looked at.
#pragma once

#include <coppice/error.hpp>

namespace coppice {
inline namespace v0 {
namespace detail {

// Calls the handler, or prints one line. Holds no lock.
void tell_unobserved(const job_report& report) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
