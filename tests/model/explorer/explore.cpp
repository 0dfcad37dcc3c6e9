#include "explorer/explore.hpp"

#include <algorithm>
#include <chrono>

namespace model {

namespace {

using clock = std::chrono::steady_clock;

double since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

}  // namespace

exploration replay(void (*program)(), const limits& l, const std::string& schedule) {
  choices path;
  path.from_text(schedule);
  sharing everything;
  everything.assume_all();
  execution run(l, path, everything);
  run.trace_steps();
  exploration result;
  result.failed = !run.run(program);
  result.interleavings = 1;
  result.longest = run.steps();
  result.failure = run.failure();
  result.trace = run.trace();
  result.schedule = run.schedule();
  return result;
}

exploration explore(void (*program)(), const limits& l, double seconds) {
  const clock::time_point start = clock::now();
  exploration result;
  choices path;
  sharing shared;
  execution run(l, path, shared);
  for (;;) {
    const bool passed = run.run(program);
    ++result.interleavings;
    result.longest = std::max(result.longest, run.steps());
    if (!passed) {
      result.failed = true;
      result.failure = run.failure();
      result.schedule = run.schedule();
      break;
    }
    if (shared.take_news()) {
      path.clear();
      result.interleavings = 0;
      continue;
    }
    if (!path.advance()) {
      result.exhaustive = true;
      break;
    }
    if (seconds > 0 && (result.interleavings & 0xff) == 0 && since(start) > seconds) break;
  }
  result.seconds = since(start);
  return result;
}

}  // namespace model
