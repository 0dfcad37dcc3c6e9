// What a scheduler can be told when it is made: how many workers, where they are pinned, how much
// they may hold. Plain data: any thread may make and copy it, nothing here touches the machine.
//
//   coppice::scheduler everything;                                  // one worker per core, pinned
//   coppice::scheduler four({.workers = 4, .name = "index"});       // index-00 to index-03
//   coppice::scheduler guest({.pin = coppice::pinning::none});      // shares the machine with others
//   coppice::scheduler big({.topology = "pack:2 [numa] l3:8 core:8 pu:2"}); // 128 simulated cores
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace coppice::inline v0 {

/// What a worker is bound to. A worker that may not be bound runs unpinned and `describe()` says
/// why, unless `scheduler_options::require_pinning` makes that an error. Threads and processes that a task
/// starts inherit what its worker is bound to, as the system has it: a compiler run by `std::system` stays on
/// one core.
enum class pinning {
  core,  ///< one worker per core, bound to all hyperthreads of its core
  pu,    ///< one worker per hyperthread (processing unit, PU), bound to it
  numa,  ///< one worker per core, bound to all cores of its NUMA node
  none,  ///< one worker per core, bound to nothing: the system moves them
};

/// The options of a scheduler; each default is what a program that owns its machine wants.
///
/// Threads: plain data, no sharing of its own.
/// Lifetime: copied by the scheduler; need not outlive its constructor.
struct scheduler_options {
  /// How many workers. 0: as many as this process may use, from its affinity mask and its cgroup
  /// CPU quota, or what `COPPICE_WORKERS` says. More than there are cores is allowed and runs
  /// unpinned; more than 4096 is refused.
  unsigned workers = 0;

  /// What each worker is bound to. `COPPICE_PIN` (`core`, `pu`, `numa`, `none`) replaces the
  /// default `core`, never another value.
  pinning pin = pinning::core;

  /// True: the scheduler refuses to start where its workers would run unpinned.
  bool require_pinning = false;

  /// Stack of each worker in bytes. 0: 64 MiB of address space; pages that no recursion has touched cost
  /// nothing.
  std::size_t stack_bytes = 0;

  /// How many root tasks may wait for a worker before `submit` blocks and `try_submit` says full.
  std::size_t injection_capacity = 1024;

  /// How many workers may stand still at a time, in `blocking()` and in waits, with their cores lent to spare
  /// workers. Those are made when there is work for them, with a stack as the others', and kept. At the
  /// bound, which `scheduler_stats::kept` counts, and where the system has no more threads, which
  /// `describe()` says, `blocking()` keeps its core; it never fails. More than 65536 is taken for 65536,
  /// which `describe()` says.
  unsigned max_spare_workers = 256;

  /// Names the threads: `coppice-00`, `coppice-01`, ... The system keeps 15 characters.
  std::string name = "coppice";

  /// A machine to simulate, for tests: an hwloc synthetic description, or an hwloc XML export
  /// (recognised by its leading `<`). Its workers run unpinned. Empty: this machine.
  std::string topology = {};

  /// When all workers have stood still for so long although jobs have not ended, what each of them runs,
  /// where and since when is printed on stderr, once. 0: never, unless `COPPICE_STALL_MS` says so; more than
  /// a day is taken for a day. While it is on each spawned task and each stolen branch is written down, which
  /// costs about a microsecond; while it is off nothing.
  std::chrono::milliseconds stall_after{0};
};

}  // namespace coppice::inline v0
