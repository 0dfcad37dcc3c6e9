// What a run of a program left behind: who was here, what each job reported, which values came out.
#pragma once

#include <coppice/coppice.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fuzz {

/// What is known of one job, by the number of its node.
struct seen_job {
  std::optional<coppice::job_report> report = {};
  std::vector<coppice::job_report> told = {};  ///< what the handler of unobserved errors heard
  std::optional<std::uint64_t> value = {};
};

struct observation {
  std::vector<unsigned> entered;        ///< by node: how often it began
  std::vector<unsigned char> returned;  ///< by node that is a task's body: it returned
  std::vector<std::string> path;        ///< by node: where it says that it is, if it was asked
  std::vector<seen_job> jobs;           ///< by node
  std::vector<std::string> trouble;     ///< what the run itself found wrong
  std::uint64_t closures_left = 0;
};

/// How a number in the text of an error is found again: "node 17", also inside of a longer text.
std::string label(std::uint32_t id);
std::optional<std::uint32_t> labelled(const std::string& text);

/// The type that nodes throw.
struct node_error : std::exception {
  explicit node_error(std::uint32_t number);
  const char* what() const noexcept override { return text_.c_str(); }
  std::uint32_t id;

 private:
  std::string text_;
};

}  // namespace fuzz
