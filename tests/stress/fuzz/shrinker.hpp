// Makes a failing program smaller, as long as it goes on failing.
#pragma once

#include <cstddef>
#include <functional>

#include "program.hpp"

namespace fuzz {

/// Whether the program fails. A failure may be rare: it is asked as often as it takes to believe the answer.
using fails = std::function<bool(const program&)>;

/// The smallest program found that still fails; asks `failing` at most `tries` times. The program must fail.
program shrink(program p, const fails& failing, std::size_t tries = 2000);

}  // namespace fuzz
