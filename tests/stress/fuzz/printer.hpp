// Prints a program as C++ that needs nothing but <coppice/coppice.hpp>: for a report of a failure.
#pragma once

#include <string>

#include "program.hpp"

namespace fuzz {

/// One function for each node, and a main that runs the program many times and says what differs from what
/// the oracle foresees.
std::string as_cpp(const program& p);

}  // namespace fuzz
