// Many programs, one after the other: run, judged, and the first one that fails made small and printed.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <set>
#include <string>

#include "program.hpp"
#include "runner.hpp"

namespace fuzz {

struct orders {
  std::uint64_t seed = 1;      ///< of the first program; the next one has the next number
  std::uint64_t trees = 1000;  ///< 0: no limit
  std::optional<std::chrono::steady_clock::time_point> until = {};
  unsigned workers = 0;  ///< 0: each program chooses
  unsigned repeat = 1;   ///< how often each program runs
};

struct tally {
  std::uint64_t trees = 0, exact = 0, tasks = 0, errors = 0, skipped = 0;
  std::set<kind> kinds = {};
  bool failed = false;
};

/// Runs programs until one fails or the orders are done. Writes about a failure to `out`.
tally run_campaign(const orders& o, std::ostream& out);
/// "fuzz_trees: 12345 trees, ..." on one line.
std::string summary(const tally& t, std::uint64_t seed);

/// From now on SIGALRM, which comes after so many seconds, and SIGTERM print which seed is running, and end
/// the process. 0: no alarm.
void arm(unsigned seconds, unsigned workers);
/// The seed that arm() prints.
void running(std::uint64_t seed) noexcept;

}  // namespace fuzz
