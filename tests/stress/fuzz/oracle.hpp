// The oracle: what a program must do, told without the library. It includes nothing of coppice and follows
// contract.md's rules and the numbering in scheduler/job/job.md: children and branches are numbered in
// program order with one count; an error has the place of the innermost branch or task that it leaves; a
// task's own error comes after its children's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "program.hpp"

namespace fuzz {

/// Ordinals from the root.
using route = std::vector<std::uint32_t>;
std::string to_text(const route& r);
/// Serial order: what children do comes before what their parent does after them.
bool is_earlier(const route& a, const route& b);
/// Of a path of more ordinals than are shown no order can be told.
bool is_shown_whole(const route& r);

enum class error_type : std::uint8_t { node_error, system_error, job_failed, job_past_deadline };

struct foreseen_error {
  std::uint32_t id = 0;  ///< of the node that throws or fails, or of the job whose value was asked for
  error_type type = error_type::node_error;
  route where = {};
  std::string name = {};
  bool secondary = false;
  std::uint64_t when = 0;  ///< serial time
  bool has_place = false;
};

enum class how : std::uint8_t { completed, failed, cancelled, deadline_exceeded };

struct foreseen_job {
  how result = how::completed;
  std::uint64_t spawned = 0, succeeded = 0, failed = 0, skipped = 0;
  std::vector<foreseen_error> errors = {};  ///< all, in order
  std::uint64_t value = 0;                  ///< of a completed one
};

struct future {
  std::vector<bool> executed;                     ///< by node
  std::vector<std::string> path;                  ///< by node
  std::vector<std::optional<foreseen_job>> jobs;  ///< by node
  /// False: an order of errors decides something, and a path that is not shown whole has none.
  bool certain = true;
};

/// What an exact program does.
future foresee(const program& p);

/// What a program that may have been cut short must have done, given which nodes began.
struct possible_error {
  foreseen_error error;
  bool may_be_handled = false;  ///< something of its job catches errors around it
};
struct counted_job {
  std::uint64_t spawned = 0;  ///< refused children included
  std::uint64_t started = 0;
  std::vector<std::uint32_t> bodies = {};  ///< the tasks' nodes
  std::vector<possible_error> errors = {};
  bool paths_are_certain = true;
};
struct bounds {
  std::vector<std::string> path;                 ///< by node, for those that began
  std::vector<std::optional<counted_job>> jobs;  ///< by node
};
bounds bound(const program& p, const std::vector<unsigned>& entered);

}  // namespace fuzz
