// The CPU quota that the kernel enforces on this process through control groups. Nobody else tells:
// hwloc and hardware_concurrency() count the cores of the mask, also where a container may use half
// of one, and a pinned worker per core then spends most of its time throttled.
#pragma once

#include <optional>
#include <string>

namespace coppice::inline v0::platform {

/// Where to look. The defaults are this process; tests point into a directory of their own.
struct cgroup_paths {
  std::string own_cgroup = "/proc/self/cgroup";  ///< which group of each hierarchy we are in
  std::string mounts = "/proc/self/mountinfo";   ///< where the hierarchies are mounted
  std::string root;                              ///< put before each mount point
};

/// The smallest quota, in CPUs, of the own cgroup and of all its visible ancestors, in version 1
/// and version 2 hierarchies; empty where there is none. The result is positive and finite.
///
/// What is missing, unreadable or malformed counts as no quota: a wrong guess upwards costs some
/// speed, a wrong guess downwards would cost whole cores.
///
/// Threads: any.
/// Blocks: reads a few small files of kernel file systems.
/// Throws: std::bad_alloc.
std::optional<double> cpu_quota(const cgroup_paths& paths = {});

}  // namespace coppice::inline v0::platform
