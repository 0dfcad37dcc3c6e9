// Makes a failing plan smaller, as long as it goes on failing.
#pragma once

#include <functional>

#include "streams/plan.hpp"

namespace fuzz::streams {

/// The plan must fail; whoever answers asks as often as it takes to believe.
plan shrink(plan p, const std::function<bool(const plan&)>& fails);

}  // namespace fuzz::streams
