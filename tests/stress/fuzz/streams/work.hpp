// What a function does with an input beside making a value of it. Each act looks itself whether it went as it
// ought to, and tells if not; a `cancelled` that it meets passes it by.
#pragma once

#include <cstdint>

#include "streams/plan.hpp"
#include "streams/troubles.hpp"
#include "streams/world.hpp"

namespace fuzz::streams {

class work {
 public:
  work(world& on, troubles& wrong) : on_(on), wrong_(wrong) {}

  /// `number` is that of its error, if it makes one.
  void perform(const action& a, place here, std::uint32_t number);
  /// Of a source.
  void fork_a_little();

 private:
  void join(std::uint32_t depth);
  void caught_join(std::uint32_t number);
  void groups(const action& a);
  void job(const action& a);
  void tasks(const action& a);
  void stream(const action& a);
  void own_pool(const action& a);
  void stand(std::uint32_t yields);

  world& on_;
  troubles& wrong_;
};

/// What is wrong with the report of a job of act::job, of which `ran[i]` says how often child i did.
void judge_job(const action& a, const coppice::job_report& r, const std::vector<unsigned>& ran, bool stopped,
               troubles& wrong);
/// Whether child i of act::job throws.
constexpr bool child_throws(std::uint32_t i) { return i % 3 == 1; }

}  // namespace fuzz::streams
