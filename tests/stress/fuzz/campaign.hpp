// Many programs, one after the other: run, judged, and the first one that fails made small and printed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <set>
#include <string>

#include "alarm.hpp"
#include "orders.hpp"
#include "program.hpp"
#include "runner.hpp"

namespace fuzz {

inline constexpr fuzzer_name trees_name{"fuzz_trees", "trees"};

struct tally {
  std::uint64_t trees = 0, exact = 0, tasks = 0, errors = 0, skipped = 0;
  std::set<kind> kinds = {};
  bool failed = false;
};

/// Runs programs until one fails or the orders are done. Writes about a failure to `out`.
tally run_campaign(const orders& o, std::ostream& out);
/// "fuzz_trees: 12345 trees, ..." on one line.
std::string summary(const tally& t, std::uint64_t seed);

}  // namespace fuzz
