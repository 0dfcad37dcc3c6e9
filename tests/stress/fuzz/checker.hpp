// Judges an observation of a program by the oracle.
#pragma once

#include <string>
#include <vector>

#include "observation.hpp"
#include "program.hpp"

namespace fuzz {

/// One sentence for each thing that is wrong; empty if nothing is.
std::vector<std::string> complaints(const program& p, const observation& seen);

}  // namespace fuzz
