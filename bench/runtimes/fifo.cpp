// The workloads on coppice::fifo_pool. Its tasks may not wait for tasks of the same pool, so no recursion:
// the row names say what stands in its place.
//
//   cutoff   the top of the tree is unfolded before, and each subtree is a serial task
//   levels   one task for each directory of a level; then the next level
//   chunks   a loop in 8 pieces for each worker
#include <coppice/fifo_pool.hpp>
#include <vector>

#include "rows.hpp"

namespace bench {
namespace {

// The pool of the row; one at a time.
coppice::fifo_pool* the_pool = nullptr;

// Flat groups only: the parent is no task of the pool.
struct flat_verbs {
  class group {
   public:
    template <class F>
    void spawn(F&& f) {
      tasks_.push_back(the_pool->submit(std::forward<F>(f)));
    }
    void wait() {
      for (auto& task : tasks_) task.get();
      tasks_.clear();
    }

   private:
    std::vector<coppice::fifo_task<void>> tasks_;
  };
};

class fifo_runtime {
 public:
  using verbs = flat_verbs;
  static constexpr bool caller_stays_outside = true;
  static constexpr bool root_is_no_task = true;
  explicit fifo_runtime(unsigned workers) : pool_({.workers = workers, .name = "fifo"}) {
    the_pool = &pool_;
    pool_.submit([] {}).get();
    bind_threads_named("fifo", places_of(workers));
  }
  coppice::fifo_pool& pool() { return pool_; }

  // Not a root of a tree: a task may not wait for others. What the caller waits for, it waits for outside.
  template <class F>
  auto run(F f) {
    return f();
  }
  template <class F>
  auto submit(F f) {
    return pool_.submit(f).get();
  }
  template <class F>
  void window(unsigned n, F f) {
    std::vector<coppice::fifo_task<void>> tasks;
    tasks.reserve(n);
    for (unsigned i = 0; i < n; ++i) tasks.push_back(pool_.submit(f));
    for (auto& task : tasks) task.get();
  }
  std::uint64_t stream(unsigned rounds, bool ordered) { return read_stream(pool_, rounds, ordered); }
  void report(benchmark::State&) const {}

 private:
  coppice::fifo_pool pool_;
};

// Enough tasks that the last ones of them even out.
constexpr std::size_t enough_subtrees = 1000;

void add_fib_cutoff(unsigned workers) {
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

void add_uts_cutoff(unsigned workers) {
  for (const uts::tree* t : uts_trees())
    add_row({"uts", "fifo_cutoff", uts_parameters(*t), workers}, [=](benchmark::State& state) {
      fifo_runtime runtime(workers);
      for (auto _ : state) {
        std::uint64_t nodes = 0;
        std::vector<uts::node> level{uts::root(*t)};
        while (!level.empty() && level.size() < enough_subtrees) {
          std::vector<uts::node> next;
          for (const uts::node& n : level)
            for (int i = 0, k = uts::children(*t, n); i < k; ++i) next.push_back(uts::child(n, i));
          nodes += level.size();
          level = std::move(next);
        }
        std::vector<coppice::fifo_task<std::uint64_t>> tasks;
        for (const uts::node& n : level)
          tasks.push_back(
              runtime.pool().submit([t, n] { return count_nodes<serial_verbs, by_loop>(*t, n); }));
        for (auto& task : tasks) nodes += task.get();
        check("uts", nodes, t->nodes);
      }
    });
}

void add_tree_walk_by_levels(unsigned workers) {
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

void add_idle_pool(unsigned workers) {
  add_row({"idle", "fifo", "", workers}, [=](benchmark::State& state) {
    fifo_runtime runtime(workers);
    measure_idle(state);
  })->Iterations(1);
}

// Chunks: 8 for each worker, which is what one writes who has to choose.
struct fifo_chunks {
  template <class T, class F>
  static void each(T* first, T* last, F body) {
    flat_verbs::group group;
    chunks(first, last, [&](T* from, T* to) {
      group.spawn([&body, from, to] {
        for (T* at = from; at != to; ++at) body(*at);
      });
    });
    group.wait();
  }
  template <class T, class F>
  static T sum(const T* first, const T* last, F map) {
    std::vector<coppice::fifo_task<T>> parts;
    chunks(first, last, [&](const T* from, const T* to) {
      parts.push_back(the_pool->submit([&map, from, to] {
        T sum = 0;
        for (const T* at = from; at != to; ++at) sum += map(*at);
        return sum;
      }));
    });
    T all = 0;
    for (auto& part : parts) all += part.get();
    return all;
  }

 private:
  template <class T, class Use>
  static void chunks(T* first, T* last, Use use) {
    const auto n = static_cast<std::size_t>(last - first);
    const std::size_t parts = std::min<std::size_t>(n, std::size_t{8} * the_pool->stats().workers);
    for (std::size_t i = 0; i < parts; ++i) use(first + n * i / parts, first + n * (i + 1) / parts);
  }
};

}  // namespace

void add_fifo_rows() {
  for (const unsigned workers : the_settings().workers) {
    add_fib_cutoff(workers);
    add_uts_cutoff(workers);
    add_tree_walk_by_levels(workers);
    add_spawn_flat<fifo_runtime>("fifo", workers);
    add_starvation<fifo_runtime>("fifo", workers);
    add_imbalance<fifo_runtime>("fifo", workers);
    add_bursts<fifo_runtime>("fifo", workers);
    add_wake<fifo_runtime>("fifo", workers);
    add_outside_job<fifo_runtime, serial_verbs>("fifo", workers);
    add_many_jobs<fifo_runtime>("fifo", workers);
    add_streams<fifo_runtime>("fifo", workers);
    add_idle_pool(workers);
    add_for<fifo_runtime, fifo_chunks>("fifo_chunks", workers);
    add_reduce<fifo_runtime, fifo_chunks>("fifo_chunks", workers);
  }
}

}  // namespace bench
