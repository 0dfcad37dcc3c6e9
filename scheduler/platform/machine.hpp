// The machine as far as this process may use it, read once from hwloc into plain data: places to
// put a worker, and what each place shares with others. Its source file is the only one that
// includes <hwloc.h>; how many workers there are and where they go is decided in topology.hpp.
#pragma once

#include "platform/thread.hpp"

#include <memory>
#include <string>
#include <vector>

namespace coppice::inline v0::platform {

/// A set of PUs and the smallest parts of the machine that contain all of them.
struct place {
  static constexpr int none = -1;  ///< no single one contains the set, or the machine has none

  std::string pus;      ///< the set, by the system's numbers, as taskset -c writes it: "0-1,64"
  int core = none;      ///< index in machine_facts::cores
  int cache = none;     ///< logical index of the outermost L2 or L3 cache
  int cache_level = 0;  ///< 2 or 3; 0 without a cache
  int node = none;      ///< NUMA node, by the system's number
  int package = none;   ///< by the system's number where it has one
  int speed = 0;        ///< higher is faster; all equal unless the machine is hybrid
};

/// What hwloc knows, restricted to the PUs that the process may use.
struct machine_facts {
  std::vector<place>
      cores;  ///< in logical order (neighbours share most), never empty; on a machine without cores: its PUs
  std::vector<place> pus;      ///< in the same order, never empty
  std::vector<place> nodes;    ///< the NUMA nodes that contain a core
  place everywhere;            ///< the whole mask
  std::string summary;         ///< packages, nodes, cores, PUs; one line without newline
  std::string why_unbindable;  ///< why no thread can be bound; empty: threads can be bound
  bool simulated = false;      ///< made from a description, not from this machine
};

/// What to load.
struct machine_source {
  std::string description;  ///< hwloc synthetic or XML text; empty: this machine
  std::string mask;         ///< PUs to keep, as taskset -c writes them; empty: all that the process may use
};

/// Immutable once made.
///
/// Threads: any, without locking.
class machine {
 public:
  /// Loads `source`. Where hwloc can tell nothing about this machine there is still one place per
  /// CPU of the affinity mask; then nothing can be bound, and `why_unbindable` says so.
  ///
  /// Throws: std::invalid_argument for a description or a mask that cannot be used; std::bad_alloc.
  /// Cost: about 10 ms and some hundred system calls on a real machine.
  explicit machine(const machine_source& source);
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;
  ~machine();

  const machine_facts& facts() const noexcept { return facts_; }

  /// Binds the calling thread to `pus` of some place. 0, or the errno of the refusal.
  int bind_this_thread(const std::string& pus) const;
  /// The same for another one.
  int bind_thread(thread::native who, const std::string& pus) const;
  /// Lets it run on all PUs of `facts().everywhere`. One that may already is left alone: a mask that nobody
  /// has set follows the cpuset of the process. 0, or the errno of the refusal.
  int unbind_thread(thread::native who) const;

 private:
  struct loaded;                          // owns hwloc's handle
  std::unique_ptr<const loaded> loaded_;  // empty: hwloc failed
  machine_facts facts_;
};

/// What a refused binding means, for people: "EPERM: not permitted (...)".
std::string refusal_in_words(int error);

}  // namespace coppice::inline v0::platform
