// When a job has had enough, and policies that make no sense.
#include <coppice/error_policy.hpp>
#include <stdexcept>

namespace coppice {
inline namespace v0 {

bool error_policy::stops(const task_error& error, const error_count& so_far) const {
  switch (kind_) {
    case kind::first:
      return true;
    case kind::count:
      return so_far.errors >= count_;
    case kind::part:
      return so_far.ended >= count_ &&
             static_cast<double>(so_far.errors) > part_ * static_cast<double>(so_far.ended);
    case kind::decided:
      return decide_(error, so_far);
    case kind::never:
    case kind::serial:
      break;
  }
  return false;
}

void error_policy::refuse_no_errors() {
  throw std::invalid_argument(
      "coppice: error_policy::after was asked to stop after 0 errors, which is before the first (ask for at "
      "least 1, "
      "or use fail_fast)");
}

void error_policy::refuse_fraction() {
  throw std::invalid_argument(
      "coppice: error_policy::fraction was given a part that is not in [0, 1) (0.1 stops when more than a "
      "tenth has "
      "failed; use collect_all never to stop)");
}

void error_policy::refuse_no_decision() {
  throw std::invalid_argument(
      "coppice: error_policy::when was given a null function (give it one, or use fail_fast)");
}

}  // namespace v0
}  // namespace coppice
