// The workloads on OpenMP tasks: those of the compiler's own OpenMP library. This file alone is compiled with
// -fopenmp. The thread that opens the parallel region is one of the workers; each is bound at the place where
// coppice has its worker.
#include <omp.h>

#include <optional>

#include "rows.hpp"

namespace bench {
namespace {

struct openmp_verbs {
  template <class F, class G>
  [[gnu::always_inline]] static auto both(F&& f, G&& g) {
    std::invoke_result_t<G> b{};
#pragma omp task shared(b, g)
    b = g();
    const std::invoke_result_t<F> a = f();
#pragma omp taskwait
    return std::pair(a, b);
  }
  // The first branch runs here.
  template <class F, class... Rest>
  [[gnu::always_inline]] static void all(F&& f, Rest&&... rest) {
    (spawn_reference(rest), ...);
    f();
#pragma omp taskwait
  }
  class group {
   public:
    template <class F>
    void spawn(F&& f) {
      std::decay_t<F> mine(std::forward<F>(f));
#pragma omp task firstprivate(mine)
      mine();
    }
    void wait() {
#pragma omp taskwait
    }
  };

 private:
  template <class F>
  [[gnu::always_inline]] static void spawn_reference(F& f) {
#pragma omp task shared(f)
    f();
  }
};

class openmp_runtime {
 public:
  using verbs = openmp_verbs;

  explicit openmp_runtime(unsigned workers)
      : threads_(static_cast<int>(workers)), bound_(places_of(workers).front()) {
    const auto& places = places_of(workers);
    omp_set_num_threads(threads_);
#pragma omp parallel num_threads(threads_)
    bind_this_thread(places[static_cast<std::size_t>(omp_get_thread_num())]);
  }
  /// No thread stays behind and keeps a place warm in the rows of others.
  ~openmp_runtime() { omp_pause_resource_all(omp_pause_hard); }
  openmp_runtime(const openmp_runtime&) = delete;
  openmp_runtime& operator=(const openmp_runtime&) = delete;

  template <class F>
  auto run(F f) {
    std::optional<std::invoke_result_t<F>> value;
#pragma omp parallel num_threads(threads_) shared(value, f)
#pragma omp single
    value.emplace(f());
    return *value;
  }
  // The region ends when all tasks have run.
  template <class F>
  void crowd(F f) {
    run([&] {
      verbs::group into;
      f(into);
      return 0;
    });
  }
  void report(benchmark::State&) const {}

 private:
  int threads_;
  bound_thread bound_;
};

// Loops that are no tasks: a parallel region each.
class openmp_region : public openmp_runtime {
 public:
  using openmp_runtime::openmp_runtime;
  template <class F>
  auto run(F f) {
    return f();
  }
};

struct openmp_loops {
  template <class T, class F>
  static void each(T* first, T* last, F body) {
    const std::ptrdiff_t n = last - first;
#pragma omp parallel for
    for (std::ptrdiff_t i = 0; i < n; ++i) body(first[i]);
  }
  template <class T, class F>
  static T sum(const T* first, const T* last, F map) {
    const std::ptrdiff_t n = last - first;
    T sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (std::ptrdiff_t i = 0; i < n; ++i) sum += map(first[i]);
    return sum;
  }
};

struct openmp_taskloops {
  template <class T, class F>
  static void each(T* first, T* last, F body) {
    const std::ptrdiff_t n = last - first;
#pragma omp taskloop
    for (std::ptrdiff_t i = 0; i < n; ++i) body(first[i]);
  }
};

}  // namespace

void add_openmp_rows() {
  // With 64 tasks queued for each thread libgomp calls a new one within the one that makes it: a search of a
  // graph gets as deep as its longest path of first visits. That of 100,000 nodes takes 42 MiB of stack, that
  // of 2,000,000 more than the 64 MiB that every thread here has.
  const bool graph_fits_stack = the_settings().size == input_size::quick;
  for (const unsigned workers : the_settings().workers) {
    add_fork_rows<openmp_runtime>("openmp", workers);
    add_wide_rows<openmp_runtime, by_group>("openmp", workers);
    add_group_rows<openmp_runtime>("openmp", workers);
    add_spawn_chain<openmp_runtime>("openmp", workers);
    if (graph_fits_stack) add_graph_bfs<openmp_runtime>("openmp", workers);
    add_chains<openmp_runtime>("openmp", workers);
    add_joined_job<openmp_runtime>("openmp", workers);
    add_idle<openmp_runtime>("openmp", workers);
    add_for<openmp_region, openmp_loops>("openmp", workers);
    add_for<openmp_runtime, openmp_taskloops>("openmp_taskloop", workers);
    add_reduce<openmp_region, openmp_loops>("openmp", workers);
  }
}

}  // namespace bench
