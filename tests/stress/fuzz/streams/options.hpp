// Rules and limits of a plan as the library takes them.
#pragma once

#include <chrono>
#include <coppice/coppice.hpp>
#include <optional>

#include "streams/plan.hpp"
#include "streams/seen.hpp"

namespace fuzz::streams {

coppice::error_policy policy_of(const error_rule& rule);
std::optional<std::chrono::steady_clock::time_point> deadline_of(limit l);
/// What an exception that left some code stands for.
fate fate_of(const std::exception_ptr& error);

}  // namespace fuzz::streams
