// How many workers there are, what each is bound to, and from whom it steals first. The plan is
// made once from the machine, the mask and the quota; only refused bindings change it afterwards.
//
// Threads: all const members from any thread; bind_this_thread() from each worker, concurrently.
#pragma once

#include <coppice/options.hpp>

#include "platform/limits.hpp"
#include "platform/machine.hpp"
#include "platform/thread.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coppice::inline v0::platform {

/// What is asked for. The environment has been heard already (environment.hpp).
struct topology_request {
  unsigned workers = 0;  ///< 0: as many as the mask and the quota allow
  pinning pin = pinning::core;
  std::string synthetic;  ///< a machine to simulate (hwloc synthetic or XML text); empty: this one
  std::string mask;       ///< PUs to keep, as taskset -c writes them; empty: the mask of the process
  /// CPUs of the cgroup quota; infinity: none. Empty: read from the system, none for a simulated machine.
  std::optional<double> quota;
};

/// How far a victim is, nearest first.
enum class distance {
  cache,   ///< same L2 or L3 cache
  node,    ///< same NUMA node or package
  remote,  ///< the rest of the machine
};
inline constexpr unsigned distances = 3;

std::string_view to_word(distance how_far) noexcept;

/// Workers that are equally far.
struct victim_group {
  distance how_far;
  std::vector<unsigned> workers;  ///< ascending, never empty
};

class topology {
 public:
  /// Loads the machine and makes the plan. The mask is that of the process, the union of its
  /// threads' masks: a scheduler made inside a pinned worker is not smaller than one made outside.
  ///
  /// Throws: std::invalid_argument for more than max_workers workers, or a description or mask that
  /// cannot be used; std::bad_alloc. Not for anything that the real machine refuses.
  /// Cost: about 10 ms on a real machine.
  explicit topology(const topology_request& request);
  topology(topology&&) noexcept;
  topology& operator=(topology&&) noexcept;
  ~topology();

  /// A new plan for the same machine, mask, quota and pinning, without loading hwloc again. Refusals of
  /// places that stay the same are kept: those workers are not bound again.
  ///
  /// Throws: std::invalid_argument for more than max_workers; std::bad_alloc.
  topology with_workers(unsigned workers) const;

  /// At least 1.
  unsigned workers() const noexcept;

  /// More workers than cores (than PUs with pinning::pu) or than the quota feeds: nobody may spin.
  bool oversubscribed() const noexcept;

  /// Whether workers are to be bound, and in no place the last binding was refused.
  bool pinned() const;

  /// Why not, for people; empty while pinned().
  std::string why_not_pinned() const;

  /// Where `worker` belongs; the whole mask where the plan is unpinned. On a simulated machine that
  /// is where it would be. `worker` is below workers().
  const place& place_of(unsigned worker) const;

  /// Whether workers have places of their own: else one place, the whole mask, is that of all.
  bool has_places() const noexcept;

  /// Binds the calling thread as `worker`. False: it stays where it is, and `*why` says why in words
  /// (`why` may be null); after a refusal pinned() is false. Without memory the thread is not bound, and
  /// without memory for the words `*why` is left as it was. In an unpinned plan it is let run anywhere in the
  /// mask, as by unbind_thread().
  bool bind_this_thread(unsigned worker, std::string* why) noexcept;

  /// The same for another thread that is to take this worker's place.
  bool bind_thread(unsigned worker, thread::native who, std::string* why) noexcept;

  /// Lets a thread run anywhere in the mask: it has inherited the mask of its creator, which may be a worker
  /// that is bound. Where threads cannot be bound, and where that is refused, it stays where it is.
  void unbind_thread(thread::native who) const noexcept;

  /// All workers but this one, nearest group first; groups without workers are left out. Workers
  /// that are not placed are as far apart as the mask is wide.
  ///
  /// Cost: one pass over all workers; keep the result.
  std::vector<victim_group> victims(unsigned worker) const;

  /// For people: machine, mask, quota, number of workers and why, pinned or why not, each place.
  std::string describe() const;

 private:
  struct state;
  template <class Bind>
  bool bind(unsigned worker, thread::native who, std::string* why, Bind how) noexcept;
  explicit topology(std::unique_ptr<state> made) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace coppice::inline v0::platform
