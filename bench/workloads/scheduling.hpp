// How well work is spread, where the cost of a fork does not matter.
//
//   starvation      one worker spawns 2 P coarse tasks and goes into a leaf that is twice as long
//   imbalance       leaves whose lengths have no mean worth the name (Pareto): few long ones, many short ones
//   chain           a thousand times a thousand nested forks with one empty side: no parallelism at all
//   bursts          a pause, in which workers fall asleep, then a few short tasks for each worker
//   wake            a pause, then one task
//   outside_job     an outside thread submits one small job after the other, and waits for each
//   many_jobs       four outside threads submit small jobs, a window of them at a time
//   oversubscribed  fib with 64 workers on whatever cores there are
//   idle            nothing at all
//
// Time is CPU time of the thread that works (work_for), so the best schedule is known; the counter of_best
// says how many times as long as that an iteration took. Tasks without a result are counted.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "measure.hpp"
#include "workloads/base.hpp"
#include "workloads/fib.hpp"

namespace bench {

inline unsigned running_workers(unsigned workers) { return std::min(workers, the_settings().cores); }

/// Stands around the loop of a row, and adds the counter of_best.
class against_best_schedule {
 public:
  explicit against_best_schedule(std::chrono::nanoseconds best) : best_(best) {}
  void report(benchmark::State& state) const {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
    state.counters["of_best"] = took / best_ / static_cast<double>(state.iterations());
  }

 private:
  std::chrono::nanoseconds best_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// starvation --------------------------------------------------------------------------------------

inline std::chrono::nanoseconds coarse_task() {
  return std::chrono::milliseconds(the_settings().sized(2, 5));
}
inline unsigned coarse_tasks(unsigned workers) { return 2 * workers; }
inline void work_coarse_task() { work_for(coarse_task()); }
inline void work_long_leaf() { work_for(2 * coarse_task()); }

/// 2 P + 2 units of work, of which two come in one piece, spread evenly over the cores that P workers have.
/// That is a schedule: whoever is in the leaf does fewer tasks than the others.
inline std::chrono::nanoseconds best_makespan(unsigned workers) {
  const unsigned running = running_workers(workers);
  return coarse_task() * ((coarse_tasks(workers) + 2 + running - 1) / running);
}

/// Where the root is no task (Runtime::root_is_no_task), the long leaf is one, the first.
template <class Runtime>
void add_starvation(const char* runtime, unsigned workers) {
  add_row({"starvation", runtime, "", workers}, [=](benchmark::State& state) {
    Runtime made(workers);
    tasks_that_ran ran;
    const against_best_schedule schedule(best_makespan(workers));
    for (auto _ : state) {
      made.run([&ran, workers] {
        constexpr bool leaf_is_spawned = requires { Runtime::root_is_no_task; };
        const auto long_leaf = [&ran] {
          work_long_leaf();
          ran.add_one();
        };
        typename Runtime::verbs::group group;
        if constexpr (leaf_is_spawned) group.spawn(long_leaf);
        for (unsigned i = 0; i < coarse_tasks(workers); ++i)
          group.spawn([&ran] {
            work_coarse_task();
            ran.add_one();
          });
        if constexpr (!leaf_is_spawned) long_leaf();
        group.wait();
        return 0;
      });
      ran.check("starvation", coarse_tasks(workers) + 1);
    }
    schedule.report(state);
    made.report(state);
  });
}

// imbalance ---------------------------------------------------------------------------------------

/// Lengths of the leaves: at least 10 us, the exponent of their distribution 1.1, cut at 4 ms.
inline std::vector<std::chrono::nanoseconds> pareto_leaves() {
  std::vector<std::chrono::nanoseconds> leaves(the_settings().sized(std::size_t{400}, std::size_t{4000}));
  std::uint64_t seed = 23;
  for (auto& leaf : leaves) {
    const double uniform = (static_cast<double>(next_random(seed) >> 11) + 1) / 9007199254740993.0;
    leaf = std::chrono::nanoseconds(std::llround(std::min(4e6, 1e4 * std::pow(uniform, -1 / 1.1))));
  }
  return leaves;
}

inline std::chrono::nanoseconds best_for(const std::vector<std::chrono::nanoseconds>& leaves,
                                         unsigned workers) {
  std::chrono::nanoseconds all{0};
  for (const auto leaf : leaves) all += leaf;
  return std::max(all / running_workers(workers), *std::max_element(leaves.begin(), leaves.end()));
}

template <class Runtime>
void add_imbalance(const char* runtime, unsigned workers) {
  add_row({"imbalance", runtime, "", workers}, [=](benchmark::State& state) {
    const auto leaves = pareto_leaves();
    Runtime made(workers);
    tasks_that_ran ran;
    const against_best_schedule schedule(best_for(leaves, workers));
    for (auto _ : state) {
      made.run([&leaves, &ran] {
        typename Runtime::verbs::group group;
        for (const auto leaf : leaves)
          group.spawn([&ran, leaf] {
            work_for(leaf);
            ran.add_one();
          });
        group.wait();
        return 0;
      });
      ran.check("imbalance", leaves.size());
    }
    schedule.report(state);
    made.report(state);
  });
}

// chain -------------------------------------------------------------------------------------------

inline constexpr int chain_depth = 1000;
inline int chains() { return the_settings().sized(200, 1000); }

BENCH_REAL_CALLS inline long serial_chain(int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return 0;
  return 1 + opaque(serial_chain(depth - 1));
}

/// stolen: the whole rest is what a thief can take, and then the owner has nothing to do. Otherwise it is the
/// empty side, by which a thief gains nothing.
template <class Verbs, bool Stolen>
long chain(int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return 0;
  const auto one = [] { return 1L; };
  const auto rest = [=] { return chain<Verbs, Stolen>(depth - 1); };
  if constexpr (Stolen) {
    auto [a, b] = Verbs::both(one, rest);
    return a + b;
  } else {
    auto [a, b] = Verbs::both(rest, one);
    return a + b;
  }
}

template <bool Stolen>
struct chain_work {
  template <class Verbs>
  long run() {
    long forks = 0;
    for (int i = 0; i < chains(); ++i)
      if constexpr (std::is_same_v<Verbs, serial_verbs>)
        forks += serial_chain(opaque(chain_depth));
      else
        forks += chain<Verbs, Stolen>(chain_depth);
    return forks;
  }
  void check(long forks) const { bench::check("chain", forks, long{chain_depth} * chains()); }
};

template <class Runtime>
void add_chains(const char* runtime, unsigned workers) {
  add_work_row<Runtime>({"chain", runtime, "side:empty", workers}, [] { return chain_work<false>{}; });
  add_work_row<Runtime>({"chain", runtime, "side:rest", workers}, [] { return chain_work<true>{}; });
}

// Where the thread stands that submits from outside. A wake on the own core takes a few microseconds, one
// that interrupts an idle core ten times as long: left to the system, a row measures where it put the thread.
//
//   caller:beside   on the core of the first worker
//   caller:apart    on a core that no worker has; where there is one

/// add(parameter, place) for each place.
template <class Add>
void for_each_place_of_caller(unsigned workers, Add add) {
  add("caller:beside", [=] { return places_of(workers).front(); });
  if (workers < the_settings().cores) add("caller:apart", [=] { return places_of(workers + 1).back(); });
}

// bursts, wake, idle --------------------------------------------------------------------------------

inline constexpr std::chrono::microseconds burst_task{50};
inline constexpr unsigned burst_tasks = 4;  // for each worker

/// Longer than any of the runtimes polls. libgomp polls longest, 300,000 times: some 9 ms on an EPYC of
/// family 25, about 17 where the processor's pause takes 140 cycles.
inline constexpr std::chrono::milliseconds burst_pause{30};

template <class Runtime>
void add_bursts(const char* runtime, unsigned workers) {
  add_row(
      {"bursts", runtime, "", workers},
      [=](benchmark::State& state) {
        Runtime made(workers);
        const auto caller = beside_the_first_worker<Runtime>(workers);
        tasks_that_ran ran;
        const std::chrono::nanoseconds best =
            burst_task * ((burst_tasks * workers + running_workers(workers) - 1) / running_workers(workers));
        std::chrono::nanoseconds took{0};
        for (auto _ : state) {
          std::this_thread::sleep_for(burst_pause);
          const auto began = std::chrono::steady_clock::now();
          made.run([&ran, workers] {
            typename Runtime::verbs::group group;
            for (unsigned i = 0; i < burst_tasks * workers; ++i)
              group.spawn([&ran] {
                work_for(burst_task);
                ran.add_one();
              });
            group.wait();
            return 0;
          });
          const auto all = std::chrono::steady_clock::now() - began;
          ran.check("bursts", burst_tasks * workers);
          took += all;
          state.SetIterationTime(std::chrono::duration<double>(all).count());
        }
        state.counters["of_best"] =
            std::chrono::duration<double>(took) / best / static_cast<double>(state.iterations());
        made.report(state);
      },
      timing::manual)
      ->Iterations(the_settings().sized(20, 100));
}

/// Runtime: one that has submit(f), which has a worker run f and returns f's value.
template <class Runtime>
void add_wake(const char* runtime, unsigned workers) {
  for_each_place_of_caller(workers, [=](const char* where, auto place) {
    add_row(
        {"wake", runtime, where, workers},
        [=](benchmark::State& state) {
          const cpu_set_t stands = place();
          Runtime made(workers);
          made.submit([] { return 0; });
          const bound_thread caller(stands);
          measure_wake(state, [&](auto task) { return made.submit(task); });
          made.report(state);
        },
        timing::manual)
        ->Iterations(the_settings().sized(200, 1000));
  });
}

template <class Runtime>
void add_idle(const char* runtime, unsigned workers) {
  add_row({"idle", runtime, "", workers}, [=](benchmark::State& state) {
    Runtime made(workers);
    made.run([] { return fib<typename Runtime::verbs>(15); });
    measure_idle(state);
    made.report(state);
  })->Iterations(1);
}

// outside_job ---------------------------------------------------------------------------------------

/// A fork of two branches in which next to nothing is done. Returns the moment when the first of them ran.
template <class Verbs>
std::chrono::steady_clock::time_point small_job() {
  auto [started, b] = Verbs::both([] { return std::chrono::steady_clock::now(); }, [] { return opaque(1); });
  check("outside_job", b, 1);
  return started;
}

/// submit(runtime, f): has the runtime run f as a user would have it run one job, and returns f's value.
template <class Runtime, class Verbs, class Place, class Submit>
void add_small_jobs(const row& r, Place place, Submit submit) {
  add_row(
      r,
      [=](benchmark::State& state) {
        const cpu_set_t stands = place();
        Runtime made(r.workers);
        const auto one = [&] { return submit(made, [] { return small_job<Verbs>(); }); };
        one();  // threads that start now may be anywhere
        const bound_thread caller(stands);
        measure_responses(state, one);
        made.report(state);
      },
      timing::manual)
      ->Iterations(the_settings().sized(5'000, 20'000));
}

/// The job runs on a worker, while its submitter waits outside. Runtime: one that has submit(f).
template <class Runtime, class Verbs = typename Runtime::verbs>
void add_outside_job(const char* runtime, unsigned workers) {
  for_each_place_of_caller(workers, [=](const char* where, auto place) {
    add_small_jobs<Runtime, Verbs>({"outside_job", runtime, where, workers}, place,
                                   [](Runtime& made, auto job) { return made.submit(job); });
  });
}

/// The submitter is the first worker, as it is on that runtime.
template <class Runtime>
void add_joined_job(const char* runtime, unsigned workers) {
  add_small_jobs<Runtime, typename Runtime::verbs>(
      {"outside_job", runtime, "caller:beside", workers}, [=] { return places_of(workers).front(); },
      [](Runtime& made, auto job) { return made.run(job); });
}

// many_jobs -----------------------------------------------------------------------------------------

inline constexpr unsigned outside_threads = 4;
inline constexpr unsigned jobs_in_a_window = 50;

/// Runtime: one that has window(n, f), which has n jobs run f and waits for all of them; on any thread.
template <class Runtime>
void add_many_jobs(const char* runtime, unsigned workers) {
  const unsigned jobs = the_settings().sized(20'000U, 100'000U);
  add_row({"many_jobs", runtime, parameter("n", jobs), workers}, [=](benchmark::State& state) {
    Runtime made(workers);
    for (auto _ : state) {
      std::atomic<long> sum = 0;
      std::vector<std::jthread> threads;
      for (unsigned t = 0; t < outside_threads; ++t)
        threads.emplace_back([&] {
          for (unsigned done = 0; done < jobs / outside_threads; done += jobs_in_a_window)
            made.window(jobs_in_a_window,
                        [&sum] { sum.fetch_add(serial_fib(opaque(8)), std::memory_order_relaxed); });
        });
      threads.clear();
      check("many_jobs", sum.load(), static_cast<long>(jobs) * fib_expected(8));
    }
    if (workers == 0) state.counters["tasks"] = jobs;
    made.report(state);
  });
}

// oversubscribed ------------------------------------------------------------------------------------

template <class Runtime>
void add_oversubscribed(const char* runtime, unsigned workers = 64) {
  add_work_row<Runtime>({"oversubscribed", runtime, fib_parameters(), workers},
                        [] { return fib_work{the_settings().fib}; });
}

}  // namespace bench
