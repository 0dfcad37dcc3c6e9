// What a plan ought to do.
#pragma once

#include <cstdint>
#include <vector>

#include "streams/plan.hpp"
#include "streams/seen.hpp"

namespace fuzz::streams {

struct foreseen {
  std::uint32_t total = 0;      ///< results; if not exact, at most
  bool exact = true;            ///< nothing stops it, or at one place whatever the schedule
  bool stopped = false;         ///< exact, and its policy stopped it before its end
  std::vector<fate> ends = {};  ///< by input, if nothing stops it
  std::vector<std::vector<unsigned>> entered = {};  ///< by stage and input, likewise
  std::vector<std::uint32_t> errors = {};           ///< by stage: of inputs of it or before it, likewise
};
foreseen foresee(const stream& s, std::uint32_t number);

/// What may become of an input where anything may be stopped.
std::vector<fate> possible(const stream& s, std::uint32_t number, std::uint32_t input);

/// The name of a stage.
std::string name_of(std::uint32_t stream, std::uint32_t stage);
/// Whether the policy `when` stops at the error with this number.
constexpr bool stops_when(std::uint64_t error) { return error % 4 == 0; }

}  // namespace fuzz::streams
