// The workloads on coppice::fifo_pool. Its tasks may not wait for tasks of the same pool, so no recursion:
// the row names say what stands in its place.
//
//   cutoff   the top of the tree is unfolded before, and each subtree is a serial task
//   levels   one task for each directory of a level; then the next level
#include <coppice/fifo_pool.hpp>
#include <vector>

#include "workload.hpp"

namespace bench {
namespace {

class fifo_runtime {
 public:
  explicit fifo_runtime(unsigned workers) : pool_({.workers = workers, .name = "fifo"}) {
    pool_.submit([] {}).get();
    bind_threads_named("fifo", places_of(workers));
  }
  coppice::fifo_pool& pool() { return pool_; }

 private:
  coppice::fifo_pool pool_;
};

// Enough tasks that the last ones of them even out.
constexpr std::size_t enough_subtrees = 1000;

void add_fib(unsigned workers) {
  add_row({"fib", "fifo_cutoff", fib_parameters(), workers}, [=](benchmark::State& state) {
    fifo_runtime runtime(workers);
    const int n = the_settings().fib;
    for (auto _ : state) {
      std::vector<int> subtrees{n};
      for (std::size_t i = 0; i < subtrees.size() && subtrees.size() < enough_subtrees; ++i)
        if (const int m = subtrees[i]; m >= 2) {
          subtrees[i] = m - 1;
          subtrees.push_back(m - 2);
        }
      std::vector<coppice::fifo_task<long>> tasks;
      for (const int m : subtrees) tasks.push_back(runtime.pool().submit([m] { return serial_fib(m); }));
      long sum = 0;
      for (auto& task : tasks) sum += task.get();
      check("fib", sum, fib_expected(n));
    }
  });
}

void add_uts(unsigned workers) {
  for (const char* tree : uts_names) {
    const uts::tree& t = *uts::find_tree(tree);
    add_row({"uts", "fifo_cutoff", uts_parameters(t), workers}, [=, &t](benchmark::State& state) {
      fifo_runtime runtime(workers);
      for (auto _ : state) {
        std::uint64_t nodes = 0;
        std::vector<uts::node> level{uts::root(t)};
        while (!level.empty() && level.size() < enough_subtrees) {
          std::vector<uts::node> next;
          for (const uts::node& n : level)
            for (int i = 0, k = uts::children(t, n); i < k; ++i) next.push_back(uts::child(n, i));
          nodes += level.size();
          level = std::move(next);
        }
        std::vector<coppice::fifo_task<std::uint64_t>> tasks;
        for (const uts::node& n : level)
          tasks.push_back(runtime.pool().submit([&t, n] { return serial_count(t, n); }));
        for (auto& task : tasks) nodes += task.get();
        check("uts", nodes, t.nodes);
      }
    });
  }
}

void add_tree_walk(unsigned workers) {
  add_row({"tree_walk", "fifo_levels", "", workers}, [=](benchmark::State& state) {
    const tree_totals expected = walk_expected();
    fifo_runtime runtime(workers);
    for (auto _ : state) {
      shared_totals all;
      std::vector<std::string> level{the_settings().directory};
      while (!level.empty()) {
        std::vector<coppice::fifo_task<std::vector<std::string>>> tasks;
        for (const std::string& path : level)
          tasks.push_back(runtime.pool().submit([&all, &path] {
            std::vector<std::string> found;
            all.add(read_directory(path, [&](std::string below) { found.push_back(std::move(below)); }));
            return found;
          }));
        std::vector<std::string> next;
        for (auto& task : tasks)
          for (auto& path : task.get()) next.push_back(std::move(path));
        level = std::move(next);
      }
      check("tree_walk", all.value(), expected);
    }
  });
}

void add_spawn_flat(unsigned workers) {
  add_row({"spawn_flat", "fifo", "", workers}, [=](benchmark::State& state) {
    fifo_runtime runtime(workers);
    marks ran;
    for (auto _ : state) {
      std::vector<coppice::fifo_task<void>> tasks;
      tasks.reserve(flat_children);
      for (std::size_t i = 0; i < flat_children; ++i)
        tasks.push_back(runtime.pool().submit([child = ran.begin() + i] { ++*child; }));
      for (auto& task : tasks) task.get();
      ran.check_and_clear(state);
    }
  });
}

void add_starvation(unsigned workers) {
  add_row({"starvation", "fifo", "", workers}, [=](benchmark::State& state) {
    fifo_runtime runtime(workers);
    const against_best_schedule schedule(workers);
    for (auto _ : state) {
      std::vector<coppice::fifo_task<void>> tasks;
      runtime.pool()
          .submit([&] {
            for (unsigned i = 0; i < coarse_tasks(workers); ++i)
              tasks.push_back(runtime.pool().submit(work_coarse_task));
            work_long_leaf();
          })
          .get();
      for (auto& task : tasks) task.get();
    }
    schedule.report(state);
  });
}

void add_wake(unsigned workers) {
  add_row(
      {"wake", "fifo", "", workers},
      [=](benchmark::State& state) {
        fifo_runtime runtime(workers);
        measure_wake(state, [&](auto task) { return runtime.pool().submit(task).get(); });
      },
      timing::manual)
      ->Iterations(wakes);
}

void add_idle(unsigned workers) {
  add_row({"idle", "fifo", "", workers}, [=](benchmark::State& state) {
    fifo_runtime runtime(workers);
    measure_idle(state);
  })->Iterations(1);
}

}  // namespace

void add_fifo_rows() {
  for (const unsigned workers : the_settings().workers) {
    add_fib(workers);
    add_uts(workers);
    add_tree_walk(workers);
    add_spawn_flat(workers);
    add_starvation(workers);
    add_wake(workers);
    add_idle(workers);
  }
}

}  // namespace bench
