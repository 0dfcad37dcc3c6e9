// The jobs that act::job submits, judged by their reports.
#include <algorithm>

#include "observation.hpp"
#include "streams/oracle.hpp"
#include "streams/work.hpp"

namespace fuzz::streams {

namespace {

struct children {
  std::uint64_t throwing = 0;
  std::uint32_t first = nothing;  // that throws
  bool stops_when = false;        // the policy `when` stops at one of them
};

children children_of(const action& a) {
  children c;
  for (std::uint32_t i = a.amount; i-- != 0;) {
    if (!child_throws(i)) continue;
    ++c.throwing;
    c.first = i;
    c.stops_when = c.stops_when || stops_when(i);
  }
  return c;
}

// Errors that there are at least.
std::uint64_t errors_due(const action& a, const children& c) {
  switch (a.errors.what) {
    case policy::collect_all:
      return c.throwing;
    case policy::after:
      return std::min<std::uint64_t>(c.throwing, a.errors.amount);
    case policy::when:
      return c.stops_when ? 1 : c.throwing;
    case policy::fraction:
      return a.errors.amount > a.amount + 1 ? c.throwing : std::min<std::uint64_t>(c.throwing, 1);
    case policy::fail_fast:
    case policy::serial_first:
      return std::min<std::uint64_t>(c.throwing, 1);
  }
  return 0;
}

}  // namespace

void judge_job(const action& a, const coppice::job_report& r, const std::vector<unsigned>& ran, bool stopped,
               troubles& wrong) {
  const auto expect = [&](bool holds, const char* what) {
    wrong.expect(holds, "an inner job of ", a.amount, " children, policy ", static_cast<int>(a.errors.what),
                 '/', a.errors.amount, ": ", what, '\n', r);
  };
  const std::uint64_t started = r.succeeded + r.failed + r.cancelled;
  std::uint64_t here = 0, threw = 0;
  for (std::uint32_t i = 0; i < ran.size(); ++i) {
    expect(ran[i] <= 1, "a child ran twice");
    here += ran[i];
    if (child_throws(i)) threw += ran[i];
  }
  expect(r.spawned == started + r.skipped, "the sum of the ends (C-26)");
  expect(started == here || started == here + 1, "what started");
  expect(r.failed == threw && r.errors_total == threw, "what failed");
  expect(r.errors.size() == std::min<std::uint64_t>(threw, 64), "the errors kept");
  for (const coppice::task_error& e : r.errors) {
    const std::uint32_t i = labelled(e.message).value_or(nothing);
    expect(i < a.amount && child_throws(i) && ran[i] == 1, "an error that no child threw");
    expect(e.path == "root/" + std::to_string(i), "the place of an error");
  }
  if (stopped) return;

  if (a.deadline == limit::passed) {
    expect(started == 0 && r.skipped == 1, "it ran behind its deadline (C-21)");
    expect(r.result == coppice::outcome::deadline_exceeded, "the outcome");
    return;
  }
  const children c = children_of(a);
  expect(r.spawned == a.amount + 1, "spawned");
  expect(r.errors_total >= errors_due(a, c), "errors that were due");
  expect((r.result == coppice::outcome::failed) == (threw != 0), "the outcome");
  const bool never_stops = c.throwing == 0 || a.errors.what == policy::collect_all ||
                           (a.errors.what == policy::after && c.throwing < a.errors.amount);
  if (never_stops) expect(r.skipped == 0 && r.cancelled == 0 && here == a.amount, "something was stopped");
  if (a.errors.what == policy::serial_first && c.throwing != 0) {
    expect(!r.errors.empty() && labelled(r.errors[0].message) == c.first, "not the first error (C-25)");
    for (std::uint32_t i = 0; i < c.first; ++i)
      expect(ran[i] == 1, "a child left of the failure was stopped");
  }
}

}  // namespace fuzz::streams
