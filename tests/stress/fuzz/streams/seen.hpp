// What a run of a plan left behind.
#pragma once

#include <compare>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fuzz::streams {

/// What became of an input. `number`: of a value the value, of an error its number in the text.
struct fate {
  enum kind : std::uint8_t { value, node_error, system_error, cancelled, not_run, unknown };
  kind what = value;
  std::uint64_t number = 0;
  std::string name = {};  ///< of the error's stage
  friend auto operator<=>(const fate&, const fate&) = default;
};

struct seen_result {
  std::size_t index = 0;
  fate end = {};
};

struct seen_stream {
  std::vector<seen_result> results = {};       ///< as they were read
  std::vector<fate> kept = {};                 ///< the report's errors, whose exceptions are let go
  std::optional<coppice::job_report> report;   ///< if it was read to its end
  bool cancelled_here = false;                 ///< the reader's cancel said true
  bool cancelled_outside = false;              ///< the bystander's did
  std::vector<std::vector<unsigned>> entered;  ///< by stage and input
  std::vector<coppice::job_report> told;       ///< what the handler of unobserved errors heard of its stages
};

struct observation {
  std::vector<seen_stream> streams;
  std::vector<std::string> trouble;  ///< what the run itself found wrong
  long values_left = 0;
};

}  // namespace fuzz::streams
