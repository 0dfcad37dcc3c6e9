// The decision apart from the machine: from plain facts, what was asked and the quota to a number
// of workers and a place for each. A pure function, so that any machine can be tried on a small one.
#pragma once

#include <coppice/options.hpp>

#include "platform/machine.hpp"

#include <optional>
#include <string>
#include <vector>

namespace coppice::inline v0::platform {

struct topology_plan {
  unsigned workers = 1;
  std::string why_so_many;  ///< "one per core of the mask"
  bool oversubscribed = false;
  std::vector<place> places;   ///< one per worker; empty: the system moves the workers about
  std::string why_not_pinned;  ///< empty: each worker is to be bound to its place
};

/// `workers == 0`: as many as mask and quota allow.
///
/// Throws: std::invalid_argument for more than max_workers; std::bad_alloc.
topology_plan make_plan(const machine_facts& facts, unsigned workers, pinning pin,
                        std::optional<double> quota);

/// For people: "1.5 CPUs".
std::string quota_in_words(double cpus);

/// For people: "PU 3", "PUs 0-1,64".
std::string pus_in_words(const std::string& pus);

}  // namespace coppice::inline v0::platform
