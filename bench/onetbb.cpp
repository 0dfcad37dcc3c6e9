// The workloads on oneTBB. The thread that waits is one of the workers, as oneTBB has it: W workers are this
// thread and W - 1 others, each at the place where coppice has its worker.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_invoke.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/task_scheduler_observer.h>
#include <oneapi/tbb/version.h>

#include <optional>
#include <semaphore>

#include "workload.hpp"

namespace bench {
namespace {

// Puts each of oneTBB's threads that joins the arena at its place. The thread that the arena shares with its
// user is bound by whoever runs there.
class placement : public tbb::task_scheduler_observer {
 public:
  placement(tbb::task_arena& arena, const std::vector<cpu_set_t>& places)
      : tbb::task_scheduler_observer(arena), places_(places) {
    observe(true);
  }
  ~placement() override { observe(false); }
  placement(const placement&) = delete;
  placement& operator=(const placement&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    const int index = tbb::this_task_arena::current_thread_index();
    if (is_worker && index >= 0 && static_cast<std::size_t>(index) < places_.size())
      bind_this_thread(places_[static_cast<std::size_t>(index)]);
  }

 private:
  const std::vector<cpu_set_t>& places_;
};

class onetbb_runtime {
 public:
  /// outside: the user's thread is not among the workers.
  explicit onetbb_runtime(unsigned workers, bool outside = false)
      : threads_(tbb::global_control::max_allowed_parallelism, workers + (outside ? 1U : 0U)),
        stacks_(tbb::global_control::thread_stack_size, stack_bytes),
        arena_(static_cast<int>(workers), outside ? 0 : 1),
        placement_(arena_, places_of(workers)) {
    if (!outside) bound_.emplace(places_of(workers).front());
    // Its threads start when there is work.
    if (!outside)
      arena_.execute([] { tbb::parallel_for(0, 1000, [](int) { work_for(std::chrono::microseconds(1)); }); });
  }

  /// No thread stays behind and keeps a place warm in the rows of others.
  ~onetbb_runtime() { tbb::finalize(all_threads_, std::nothrow); }
  onetbb_runtime(const onetbb_runtime&) = delete;
  onetbb_runtime& operator=(const onetbb_runtime&) = delete;

  template <class F>
  auto run(F f) {
    return arena_.execute(std::move(f));
  }

  /// Runs f by a worker, and comes back with its value.
  template <class F>
  auto submit(F f) {
    std::invoke_result_t<F> value{};
    std::binary_semaphore done(0);
    arena_.enqueue([&] {
      value = f();
      done.release();
    });
    done.acquire();
    return value;
  }

 private:
  tbb::task_scheduler_handle all_threads_{tbb::attach{}};
  tbb::global_control threads_;
  tbb::global_control stacks_;
  tbb::task_arena arena_;
  placement placement_;
  std::optional<bound_thread> bound_;
};

long fib_by_invoke(int n) {  // NOLINT(misc-no-recursion)
  if (n < 2) return n;
  long a = 0;
  long b = 0;
  tbb::parallel_invoke([&] { a = fib_by_invoke(n - 1); }, [&] { b = fib_by_invoke(n - 2); });
  return a + b;
}

long fib_by_group(int n) {  // NOLINT(misc-no-recursion)
  if (n < 2) return n;
  long b = 0;
  tbb::task_group group;
  group.run([&] { b = fib_by_group(n - 2); });
  const long a = fib_by_group(n - 1);
  group.wait();
  return a + b;
}

void add_fib(const char* name, unsigned workers, long (*fib)(int)) {
  add_row({"fib", name, fib_parameters(), workers}, [=](benchmark::State& state) {
    onetbb_runtime runtime(workers);
    const int n = the_settings().fib;
    for (auto _ : state) check("fib", runtime.run([=] { return fib(n); }), fib_expected(n));
  });
}

std::uint64_t count_by_group(const uts::tree& t, const uts::node& n) {  // NOLINT(misc-no-recursion)
  const int k = uts::children(t, n);
  if (k == 0) return 1;
  std::atomic<std::uint64_t> below = 0;
  tbb::task_group group;
  for (int i = 0; i < k; ++i)
    group.run([&, i] { below.fetch_add(count_by_group(t, uts::child(n, i)), std::memory_order_relaxed); });
  group.wait();
  return 1 + below;
}

std::uint64_t count_by_invoke(const uts::tree& t, const uts::node& n);

// Children [first, last) of a node, halved until there is one.
std::uint64_t count_range(const uts::tree& t, const uts::node& n, int first,  // NOLINT(misc-no-recursion)
                          int last) {
  if (last - first == 1) return count_by_invoke(t, uts::child(n, first));
  const int middle = first + (last - first) / 2;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  tbb::parallel_invoke([&] { a = count_range(t, n, first, middle); },
                       [&] { b = count_range(t, n, middle, last); });
  return a + b;
}

std::uint64_t count_by_invoke(const uts::tree& t, const uts::node& n) {  // NOLINT(misc-no-recursion)
  const int k = uts::children(t, n);
  return k == 0 ? 1 : 1 + count_range(t, n, 0, k);
}

void add_uts(const char* name, unsigned workers, std::uint64_t (*count)(const uts::tree&, const uts::node&)) {
  for (const char* tree : uts_names) {
    const uts::tree& t = *uts::find_tree(tree);
    add_row({"uts", name, uts_parameters(t), workers}, [=, &t](benchmark::State& state) {
      onetbb_runtime runtime(workers);
      for (auto _ : state) check("uts", runtime.run([&] { return count(t, uts::root(t)); }), t.nodes);
    });
  }
}

void walk(const std::string& path, shared_totals& all) {  // NOLINT(misc-no-recursion)
  tbb::task_group group;
  all.add(read_directory(
      path, [&](std::string below) { group.run([&all, below = std::move(below)] { walk(below, all); }); }));
  group.wait();
}

void add_tree_walk(unsigned workers) {
  add_row({"tree_walk", "onetbb", "", workers}, [=](benchmark::State& state) {
    const tree_totals expected = walk_expected();
    onetbb_runtime runtime(workers);
    for (auto _ : state) {
      shared_totals all;
      runtime.run([&] { walk(the_settings().directory, all); });
      check("tree_walk", all.value(), expected);
    }
  });
}

void add_spawn_flat(unsigned workers) {
  add_row({"spawn_flat", "onetbb", "", workers}, [=](benchmark::State& state) {
    onetbb_runtime runtime(workers);
    marks ran;
    for (auto _ : state) {
      runtime.run([child = ran.begin()] {
        tbb::task_group group;
        for (std::size_t i = 0; i < flat_children; ++i) group.run([child, i] { ++child[i]; });
        group.wait();
      });
      ran.check_and_clear(state);
    }
  });
}

void add_starvation(unsigned workers) {
  add_row({"starvation", "onetbb", "", workers}, [=](benchmark::State& state) {
    onetbb_runtime runtime(workers);
    const against_best_schedule schedule(workers);
    for (auto _ : state)
      runtime.run([=] {
        tbb::task_group group;
        for (unsigned i = 0; i < coarse_tasks(workers); ++i) group.run(work_coarse_task);
        work_long_leaf();
        group.wait();
      });
    schedule.report(state);
  });
}

// The empty side is what a thief can take: it gains nothing by it.
long chain(int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return 0;
  long rest = 0;
  long here = 0;
  tbb::parallel_invoke([&] { rest = chain(depth - 1); }, [&] { here = 1; });
  return rest + here;
}

// The whole rest is what a thief can take: then the owner has nothing to do.
long stolen_chain(int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return 0;
  long here = 0;
  long rest = 0;
  tbb::parallel_invoke([&] { here = 1; }, [&] { rest = stolen_chain(depth - 1); });
  return here + rest;
}

void add_chain(const char* name, unsigned workers, long (*link)(int)) {
  add_row({"chain", name, "", workers}, [=](benchmark::State& state) {
    onetbb_runtime runtime(workers);
    for (auto _ : state) {
      const long forks = runtime.run([link] {
        long sum = 0;
        for (int i = 0; i < chains; ++i) sum += link(chain_depth);
        return sum;
      });
      check("chain", forks, chain_expected);
    }
  });
}

void add_wake(unsigned workers) {
  add_row(
      {"wake", "onetbb", "", workers},
      [=](benchmark::State& state) {
        onetbb_runtime runtime(workers, true);
        runtime.submit([] { return 0; });
        measure_wake(state, [&](auto task) { return runtime.submit(task); });
      },
      timing::manual)
      ->Iterations(wakes);
}

void add_idle(unsigned workers) {
  add_row({"idle", "onetbb", "", workers}, [=](benchmark::State& state) {
    onetbb_runtime runtime(workers);
    runtime.run([] { return fib_by_invoke(20); });
    measure_idle(state);
  })->Iterations(1);
}

}  // namespace

void add_onetbb_rows() {
  benchmark::AddCustomContext("onetbb", TBB_runtime_version());
  for (const unsigned workers : the_settings().workers) {
    add_fib("onetbb_invoke", workers, fib_by_invoke);
    add_fib("onetbb_group", workers, fib_by_group);
    add_uts("onetbb_invoke", workers, count_by_invoke);
    add_uts("onetbb_group", workers, count_by_group);
    add_tree_walk(workers);
    add_spawn_flat(workers);
    add_starvation(workers);
    add_chain("onetbb", workers, chain);
    add_chain("onetbb_stolen", workers, stolen_chain);
    add_wake(workers);
    add_idle(workers);
  }
}

}  // namespace bench
