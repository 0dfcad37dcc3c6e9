// The command line that the fuzzers share.
#pragma once

#include <optional>
#include <string>

#include "alarm.hpp"
#include "orders.hpp"

namespace fuzz {

struct command {
  orders given;
  bool print = false;  ///< the first program, and run nothing
};

/// The exit status, if nothing is to run. Else the alarm is set.
std::optional<int> parse(int argc, char** argv, fuzzer_name name, const std::string& description, command& c);

}  // namespace fuzz
