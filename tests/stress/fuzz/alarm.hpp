// A program that hangs, or breaks the process down, is a failure like any other: it is the seed that is
// needed.
#pragma once

#include <cstdint>
#include <string>

namespace fuzz {

/// How a fuzzer is called, and what it calls the programs that it makes.
struct fuzzer_name {
  const char* program;  ///< "fuzz_trees"
  const char* many;     ///< "trees", also its option
};

/// From now on SIGALRM, which comes after so many seconds, and SIGTERM print which seed is running, and end
/// the process. 0: no alarm.
void arm(fuzzer_name name, unsigned seconds, unsigned workers);
/// What arm() prints: the seed, and the program's text where it has one.
void running(std::uint64_t seed, const std::string& text = {}) noexcept;

}  // namespace fuzz
