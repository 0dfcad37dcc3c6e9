// The workloads on coppice, written as a user writes them.
#include <coppice/coppice.hpp>

#include "workload.hpp"

namespace bench {
namespace {

// A scheduler, and what it counted per iteration.
class coppice_runtime {
 public:
  explicit coppice_runtime(unsigned workers) : scheduler_({.workers = workers, .stack_bytes = stack_bytes}) {
    scheduler_.run([] {});
    before_ = scheduler_.stats();
  }

  template <class F>
  auto run(F f) {
    return scheduler_.run(std::move(f));
  }

  void report(benchmark::State& state) const {
    const coppice::scheduler_stats now = scheduler_.stats();
    const auto add = [&](const char* name, std::uint64_t before, std::uint64_t after) {
      state.counters[name] =
          benchmark::Counter(static_cast<double>(after - before), benchmark::Counter::kAvgIterations);
    };
    add("steals", before_.steals(), now.steals());
    add("parks", before_.parks, now.parks);
    add("exposures", before_.exposures, now.exposures);
    add("shares", before_.shares, now.shares);
    add("inline", before_.inline_runs, now.inline_runs);
  }

 private:
  coppice::scheduler scheduler_;
  coppice::scheduler_stats before_;
};

long fib(int n) {  // NOLINT(misc-no-recursion)
  if (n < 2) return n;
  auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

void add_fib(unsigned workers) {
  add_row({"fib", "coppice", fib_parameters(), workers}, [=](benchmark::State& state) {
    coppice_runtime runtime(workers);
    const int n = the_settings().fib;
    for (auto _ : state) check("fib", runtime.run([n] { return fib(n); }), fib_expected(n));
    runtime.report(state);
  });
}

std::uint64_t count_by_group(const uts::tree& t, const uts::node& n) {  // NOLINT(misc-no-recursion)
  const int k = uts::children(t, n);
  if (k == 0) return 1;
  std::atomic<std::uint64_t> below = 0;
  coppice::task_group group;
  for (int i = 0; i < k; ++i)
    group.spawn([&, i] { below.fetch_add(count_by_group(t, uts::child(n, i)), std::memory_order_relaxed); });
  group.wait();
  return 1 + below;
}

std::uint64_t count_by_join(const uts::tree& t, const uts::node& n);

// Children [first, last) of a node, halved until there is one.
std::uint64_t count_range(const uts::tree& t, const uts::node& n, int first,  // NOLINT(misc-no-recursion)
                          int last) {
  if (last - first == 1) return count_by_join(t, uts::child(n, first));
  const int middle = first + (last - first) / 2;
  auto [a, b] = coppice::join([&, first, middle] { return count_range(t, n, first, middle); },
                              [&, middle, last] { return count_range(t, n, middle, last); });
  return a + b;
}

std::uint64_t count_by_join(const uts::tree& t, const uts::node& n) {  // NOLINT(misc-no-recursion)
  const int k = uts::children(t, n);
  return k == 0 ? 1 : 1 + count_range(t, n, 0, k);
}

void add_uts(const char* name, unsigned workers, std::uint64_t (*count)(const uts::tree&, const uts::node&)) {
  for (const char* tree : uts_names) {
    const uts::tree& t = *uts::find_tree(tree);
    add_row({"uts", name, uts_parameters(t), workers}, [=, &t](benchmark::State& state) {
      coppice_runtime runtime(workers);
      for (auto _ : state) check("uts", runtime.run([&] { return count(t, uts::root(t)); }), t.nodes);
      runtime.report(state);
    });
  }
}

void walk(const std::string& path, shared_totals& all) {  // NOLINT(misc-no-recursion)
  coppice::task_group group;
  all.add(read_directory(
      path, [&](std::string below) { group.spawn([&all, below = std::move(below)] { walk(below, all); }); }));
  group.wait();
}

void add_tree_walk(unsigned workers) {
  add_row({"tree_walk", "coppice", "", workers}, [=](benchmark::State& state) {
    const tree_totals expected = walk_expected();
    coppice_runtime runtime(workers);
    for (auto _ : state) {
      shared_totals all;
      runtime.run([&] { walk(the_settings().directory, all); });
      check("tree_walk", all.value(), expected);
    }
    runtime.report(state);
  });
}

void add_spawn_flat(unsigned workers) {
  add_row({"spawn_flat", "coppice", "", workers}, [=](benchmark::State& state) {
    coppice_runtime runtime(workers);
    marks ran;
    for (auto _ : state) {
      runtime.run([child = ran.begin()] {
        coppice::task_group group;
        for (std::size_t i = 0; i < flat_children; ++i) group.spawn([child, i] { ++child[i]; });
        group.wait();
      });
      ran.check_and_clear(state);
    }
    runtime.report(state);
  });
}

void add_starvation(unsigned workers) {
  add_row({"starvation", "coppice", "", workers}, [=](benchmark::State& state) {
    coppice_runtime runtime(workers);
    const against_best_schedule schedule(workers);
    for (auto _ : state)
      runtime.run([=] {
        coppice::task_group group;
        for (unsigned i = 0; i < coarse_tasks(workers); ++i) group.spawn(work_coarse_task);
        work_long_leaf();
        group.wait();
      });
    schedule.report(state);
    runtime.report(state);
  });
}

// The empty side is what a thief can take: it gains nothing by it.
long chain(int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return 0;
  auto [rest, here] = coppice::join([=] { return chain(depth - 1); }, [] { return 1L; });
  return rest + here;
}

// The whole rest is what a thief can take: then the owner has nothing to do.
long stolen_chain(int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return 0;
  auto [here, rest] = coppice::join([] { return 1L; }, [=] { return stolen_chain(depth - 1); });
  return here + rest;
}

void add_chain(const char* name, unsigned workers, long (*link)(int)) {
  add_row({"chain", name, "", workers}, [=](benchmark::State& state) {
    coppice_runtime runtime(workers);
    for (auto _ : state) {
      const long forks = runtime.run([link] {
        long sum = 0;
        for (int i = 0; i < chains; ++i) sum += link(chain_depth);
        return sum;
      });
      check("chain", forks, chain_expected);
    }
    runtime.report(state);
  });
}

void add_wake(unsigned workers) {
  add_row(
      {"wake", "coppice", "", workers},
      [=](benchmark::State& state) {
        coppice_runtime runtime(workers);
        measure_wake(state, [&](auto task) { return runtime.run(task); });
        runtime.report(state);
      },
      timing::manual)
      ->Iterations(wakes);
}

void add_idle(unsigned workers) {
  add_row({"idle", "coppice", "", workers}, [=](benchmark::State& state) {
    coppice_runtime runtime(workers);
    runtime.run([] { fib(20); });
    measure_idle(state);
    runtime.report(state);
  })->Iterations(1);
}

}  // namespace

void add_coppice_rows() {
  for (const unsigned workers : the_settings().workers) {
    add_fib(workers);
    add_uts("coppice_join", workers, count_by_join);
    add_uts("coppice_group", workers, count_by_group);
    add_tree_walk(workers);
    add_spawn_flat(workers);
    add_starvation(workers);
    add_chain("coppice", workers, chain);
    add_chain("coppice_stolen", workers, stolen_chain);
    add_wake(workers);
    add_idle(workers);
  }
}

}  // namespace bench
