// Many plans, one after the other: run, judged, and the first one that fails made small and printed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <set>
#include <string>

#include "alarm.hpp"
#include "orders.hpp"
#include "streams/plan.hpp"

namespace fuzz::streams {

inline constexpr fuzzer_name campaign_name{"fuzz_streams", "plans"};

struct tally {
  std::uint64_t plans = 0, streams = 0, exact = 0, results = 0, errors = 0, not_run = 0;
  std::set<act> acts = {};
  bool failed = false;
};

/// Runs plans until one fails or the orders are done. Writes about a failure to `out`.
tally run_campaign(const orders& o, std::ostream& out);
/// "fuzz_streams: 12345 plans, ..." on one line.
std::string summary(const tally& t, std::uint64_t seed);

}  // namespace fuzz::streams
