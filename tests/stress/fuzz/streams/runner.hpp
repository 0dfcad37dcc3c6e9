// Runs plans on coppice and writes down what happens. Knows nothing of what ought to happen.
#pragma once

#include "streams/plan.hpp"
#include "streams/seen.hpp"
#include "streams/world.hpp"

namespace fuzz::streams {

observation run(const plan& p, world& on);

}  // namespace fuzz::streams
