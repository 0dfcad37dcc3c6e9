// Judges an observation of a plan by the oracle.
#pragma once

#include <string>
#include <vector>

#include "streams/plan.hpp"
#include "streams/seen.hpp"

namespace fuzz::streams {

/// One sentence for each thing that is wrong; empty if nothing is.
std::vector<std::string> complaints(const plan& p, const observation& seen);

}  // namespace fuzz::streams
