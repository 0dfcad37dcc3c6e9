// All executions of a program within limits, one after the other.
#pragma once

#include <cstdint>
#include <string>

#include "explorer/execution.hpp"

namespace model {

struct exploration {
  bool failed = false;
  bool exhaustive = false;
  std::uint64_t interleavings = 0;
  std::uint64_t longest = 0;  // steps
  double seconds = 0;
  // Of the failing execution.
  std::string failure;
  std::string schedule;
  std::string trace;
};

// Stops at the first failure, or after this many seconds (0: never).
exploration explore(void (*program)(), const limits& l, double seconds);

// One execution, with its trace. Throws std::invalid_argument for a text that is no schedule.
exploration replay(void (*program)(), const limits& l, const std::string& schedule);

}  // namespace model
