// A workload that is written once, over verbs, and measured on every runtime that has them.
//
//   struct fib_work {
//     int n;
//     template <class Verbs> long run() { return fib<Verbs>(n); }        // measured
//     void check(long value) const;                                       // ends the program if it is wrong
//     void reset();                                                       // optional: before each iteration
//   };
//   add_work_row<coppice_runtime>({"fib", "coppice", "n:32", 2}, [] { return fib_work{32}; });
//
// The verbs of a runtime say how a user of that runtime forks:
//
//   both(f, g)     both results, as a pair or tuple
//   all(f, ...)    functions without results
//   group          spawn(f) as often as wanted, then wait()
//
// They are thin, always inlined, and add nothing to what a user would write; bench/README.md says how that
// was looked at.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "row.hpp"

namespace bench {

/// Forks that are none: in order, here.
struct serial_verbs {
  template <class F, class G>
  static auto both(F&& f, G&& g) {
    auto a = f();
    auto b = g();
    return std::pair(std::move(a), std::move(b));
  }
  template <class... F>
  static void all(F&&... f) {
    (f(), ...);
  }
  class group {
   public:
    template <class F>
    void spawn(F&& f) {
      f();
    }
    void wait() {}
  };
};

/// The same, and counts what a runtime would have had to schedule: a fork of k branches is k - 1 tasks, a
/// spawn is one.
struct counting_verbs {
  static inline std::uint64_t tasks = 0;
  template <class F, class G>
  static auto both(F&& f, G&& g) {
    ++tasks;
    return serial_verbs::both(f, g);
  }
  template <class... F>
  static void all(F&&... f) {
    tasks += sizeof...(F) - 1;
    (f(), ...);
  }
  class group {
   public:
    template <class F>
    void spawn(F&& f) {
      ++tasks;
      f();
    }
    void wait() {}
  };
};

template <class Work>
concept has_reset = requires(Work& work) {
  work.reset();
};

/// What a runtime has counted until now, if it counts.
template <class Runtime>
benchmark::UserCounters counts_of(const Runtime& runtime, benchmark::State& state) {
  benchmark::UserCounters counts;
  std::swap(counts, state.counters);
  runtime.report(state);
  std::swap(counts, state.counters);
  return counts;
}

/// Adds the counters of a runtime, without what it had counted before.
template <class Runtime>
void report_since(const benchmark::UserCounters& before, const Runtime& runtime, benchmark::State& state) {
  for (auto& [name, counter] : counts_of(runtime, state)) {
    state.counters[name] = counter;
    state.counters[name].value -= before.at(name).value;
  }
}

/// Adds the row of the work that `make` makes. What make, reset and check do is not measured.
template <class Runtime, class Make>
void add_work_row(const row& r, Make make) {
  using work_type = std::invoke_result_t<Make>;
  add_row(r, [workers = r.workers, make](benchmark::State& state) {
    work_type work = make();
    if constexpr (std::is_same_v<typename Runtime::verbs, serial_verbs>) {
      counting_verbs::tasks = 0;
      if constexpr (has_reset<work_type>) work.reset();
      work.check(work.template run<counting_verbs>());
      state.counters["tasks"] = static_cast<double>(counting_verbs::tasks);
    }
    Runtime runtime(workers);
    const auto run = [&] {
      return runtime.run([&work] { return work.template run<typename Runtime::verbs>(); });
    };
    // At first a runtime touches memory that it finds later. A long row has one iteration, a short one many:
    // where the first one counted, a runtime would seem the slower the longer it takes.
    if constexpr (has_reset<work_type>) work.reset();
    work.check(run());
    const auto before = counts_of(runtime, state);
    for (auto _ : state) {
      if constexpr (has_reset<work_type>) {
        state.PauseTiming();
        work.reset();
        state.ResumeTiming();
      }
      const auto value = run();
      if constexpr (has_reset<work_type>) state.PauseTiming();
      work.check(value);
      if constexpr (has_reset<work_type>) state.ResumeTiming();
    }
    report_since(before, runtime, state);
  });
}

}  // namespace bench
