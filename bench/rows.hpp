// Which workloads a runtime runs, and under which names its rows stand. A runtime is a class:
//
//   verbs                  see work.hpp
//   Runtime(workers)       starts it; not measured
//   run(f)                 runs f as the root of a tree, returns its value when all of the tree has run
//   report(state)          adds its counters
//
// and, for some workloads, caller_stays_outside (who calls run() is no worker), crowd(f) (spawns.hpp),
// root_is_no_task (who calls run() runs f), submit(f) and window(n, f) (scheduling.hpp), stream(rounds,
// ordered) (streams.hpp).
#pragma once

#include "workloads/fib.hpp"
#include "workloads/integrate.hpp"
#include "workloads/knapsack.hpp"
#include "workloads/loops.hpp"
#include "workloads/matrix.hpp"
#include "workloads/nqueens.hpp"
#include "workloads/scheduling.hpp"
#include "workloads/skips.hpp"
#include "workloads/skynet.hpp"
#include "workloads/sorts.hpp"
#include "workloads/spawns.hpp"
#include "workloads/streams.hpp"
#include "workloads/tree_sum.hpp"
#include "workloads/tree_walk.hpp"
#include "workloads/uts.hpp"

namespace bench {

/// Trees that fork into a fixed number of branches.
template <class Runtime>
void add_fork_rows(const char* runtime, unsigned workers) {
  add_fib<Runtime>(runtime, workers);
  add_integrate<Runtime>(runtime, workers);
  add_knapsack<Runtime>(runtime, workers);
  add_tree_sum<Runtime>(runtime, workers);
  add_matrices<Runtime>(runtime, workers);
  add_sorts<Runtime>(runtime, workers);
}

/// Trees whose nodes have any number of children.
template <class Runtime, class Form>
void add_wide_rows(const char* runtime, unsigned workers) {
  add_nqueens<Runtime, Form>(runtime, workers);
  add_skynet<Runtime, Form>(runtime, workers);
  add_uts<Runtime, Form>(runtime, workers);
}

/// Groups of spawned children.
template <class Runtime>
void add_group_rows(const char* runtime, unsigned workers) {
  add_tree_walk<Runtime>(runtime, workers);
  add_spawn_flat<Runtime>(runtime, workers);
  if (workers == 0) return;
  add_starvation<Runtime>(runtime, workers);
  add_imbalance<Runtime>(runtime, workers);
  add_bursts<Runtime>(runtime, workers);
}

template <class Runtime, class Loops>
void add_loop_rows(const char* runtime, unsigned workers) {
  add_for<Runtime, Loops>(runtime, workers);
  add_reduce<Runtime, Loops>(runtime, workers);
  add_sort<Runtime, Loops>(runtime, workers);
}

}  // namespace bench
