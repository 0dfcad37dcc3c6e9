// The workloads: their inputs, what is to come out, and the serial kernels. What is here is the same for
// every runtime; what a runtime does with it stands in the file of the runtime.
//
//   fib         a tree of forks with nothing in the leaves: the price of a fork
//   uts         trees of hashes, unbalanced, fine-grained; a wide root or a deep one
//   tree_walk   directories, system calls, strings; the tree that people do walk
//   spawn_flat  a million children of one parent
//   starvation  one worker spawns 2 P coarse tasks and goes into a leaf that is twice as long
//   chain       a thousand times a thousand nested forks with one empty side: no parallelism at all
//   wake        an idle runtime gets one task
//   idle        a runtime gets nothing
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "file_tree.hpp"
#include "measure.hpp"
#include "row.hpp"
#include "settings.hpp"
#include "support/uts.hpp"

// A function that the compiler calls as often as the source says. Neither attribute nor barrier is enough
// alone: without the first the recursion is unrolled into itself, without the second its last call becomes a
// loop.
#if defined(__clang__)
#define BENCH_REAL_CALLS [[gnu::noinline]]
#else
#define BENCH_REAL_CALLS [[gnu::noipa]]
#endif

namespace bench {

/// What the compiler knows nothing about, and does not reorder.
template <class T>
inline T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

// fib ---------------------------------------------------------------------------------------------

BENCH_REAL_CALLS inline long serial_fib(int n) {  // NOLINT(misc-no-recursion)
  if (n < 2) return n;
  const long a = opaque(serial_fib(n - 1));
  const long b = opaque(serial_fib(n - 2));
  return a + b;
}

constexpr long fib_expected(int n) {
  long a = 0;
  long b = 1;
  for (; n > 0; --n) b += std::exchange(a, b);
  return a;
}

inline std::string fib_parameters() { return "n:" + std::to_string(the_settings().fib); }

// uts ---------------------------------------------------------------------------------------------

namespace uts = support::uts;

/// Those of a few million nodes: a flat one, and one that is up to 1572 levels deep.
inline constexpr std::array uts_names{"T1", "T3"};

inline std::string uts_parameters(const uts::tree& t) { return "tree:" + std::string(t.name); }

inline std::uint64_t serial_count(const uts::tree& t, const uts::node& n) {  // NOLINT(misc-no-recursion)
  std::uint64_t nodes = 1;
  for (int i = 0, k = uts::children(t, n); i < k; ++i) nodes += serial_count(t, uts::child(n, i));
  return nodes;
}

// tree_walk ---------------------------------------------------------------------------------------

inline tree_totals serial_walk(const std::string& path) {  // NOLINT(misc-no-recursion)
  tree_totals all;
  const auto add = [&](const tree_totals& t) {
    all.directories += t.directories;
    all.files += t.files;
    all.bytes += t.bytes;
  };
  add(read_directory(path, [&](const std::string& below) { add(serial_walk(below)); }));
  return all;
}

/// The first call fills the caches of the kernel.
inline const tree_totals& walk_expected() {
  static const tree_totals expected = serial_walk(the_settings().directory);
  return expected;
}

// spawn_flat --------------------------------------------------------------------------------------

inline constexpr std::size_t flat_children = 1'000'000;

/// One byte for each child, in which it says that it ran: a task is called empty, but it must not be lost.
class marks {
 public:
  unsigned char* begin() { return ran_.get(); }
  /// Not a part of the measured time.
  void check_and_clear(benchmark::State& state) {
    state.PauseTiming();
    for (std::size_t i = 0; i < flat_children; ++i)
      check("spawn_flat", ran_[i], static_cast<unsigned char>(1));
    std::fill_n(ran_.get(), flat_children, static_cast<unsigned char>(0));
    state.ResumeTiming();
  }

 private:
  std::unique_ptr<unsigned char[]> ran_ = std::make_unique<unsigned char[]>(flat_children);
};

// starvation --------------------------------------------------------------------------------------

inline constexpr std::chrono::milliseconds coarse_task{5};

inline unsigned coarse_tasks(unsigned workers) { return 2 * workers; }
inline void work_coarse_task() { work_for(coarse_task); }
inline void work_long_leaf() { work_for(2 * coarse_task); }

/// 2 P + 2 units of work, of which two come in one piece, spread evenly over the cores that P workers have.
/// That is a schedule: whoever is in the leaf does fewer tasks than the others.
inline std::chrono::nanoseconds best_makespan(unsigned workers) {
  const unsigned running = std::min(workers, the_settings().cores);
  return coarse_task * ((coarse_tasks(workers) + 2 + running - 1) / running);
}

/// Stands around the loop of the row, and adds the counter: how many times the best schedule an iteration
/// took.
class against_best_schedule {
 public:
  explicit against_best_schedule(unsigned workers) : best_(best_makespan(workers)) {}
  void report(benchmark::State& state) const {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
    state.counters["of_best"] = took / best_ / static_cast<double>(state.iterations());
  }

 private:
  std::chrono::nanoseconds best_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// chain -------------------------------------------------------------------------------------------

inline constexpr int chain_depth = 1000;
inline constexpr int chains = 1000;

BENCH_REAL_CALLS inline long serial_chain(int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return 0;
  return 1 + opaque(serial_chain(depth - 1));
}

inline constexpr long chain_expected = long{chain_depth} * chains;

// wake, idle: see measure.hpp

}  // namespace bench
