// All rows of oneTBB, and its loops; and the parallel algorithms of the standard library, which run on
// oneTBB's threads.
#include "runtimes/onetbb.hpp"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/parallel_sort.h>
#include <oneapi/tbb/version.h>

#include <execution>
#include <numeric>

namespace bench {
namespace {

struct onetbb_loops {
  template <class T, class F>
  static void each(T* first, T* last, F body) {
    tbb::parallel_for(std::ptrdiff_t{0}, last - first, [&](std::ptrdiff_t i) { body(first[i]); });
  }
  template <class T, class F>
  static T sum(const T* first, const T* last, F map) {
    return tbb::parallel_reduce(
        tbb::blocked_range<const T*>(first, last), T{0},
        [&](const tbb::blocked_range<const T*>& part, T sum) {
          for (const T x : part) sum += map(x);
          return sum;
        },
        std::plus<>());
  }
  template <class T>
  static void sort(T* first, T* last) {
    tbb::parallel_sort(first, last);
  }
};

struct standard_loops {
  template <class T, class F>
  static void each(T* first, T* last, F body) {
    std::for_each(std::execution::par, first, last, [&](T& x) { body(x); });
  }
  template <class T, class F>
  static T sum(const T* first, const T* last, F map) {
    return std::transform_reduce(std::execution::par, first, last, T{0}, std::plus<>(), map);
  }
  template <class T>
  static void sort(T* first, T* last) {
    std::sort(std::execution::par, first, last);
  }
};

}  // namespace

void add_onetbb_loop_rows(unsigned workers) {
  add_loop_rows<onetbb_runtime<invoke_verbs>, onetbb_loops>("onetbb", workers);
  add_loop_rows<onetbb_runtime<invoke_verbs>, standard_loops>("std_par", workers);
}

void add_onetbb_rows() {
  benchmark::AddCustomContext("onetbb", TBB_runtime_version());
  for (const unsigned workers : the_settings().workers) {
    add_onetbb_invoke_rows(workers);
    add_onetbb_group_rows(workers);
    add_onetbb_loop_rows(workers);
    add_onetbb_stream_rows(workers);
    add_wake<onetbb_runtime<invoke_verbs, true>>("onetbb", workers);
    add_outside_job<onetbb_runtime<invoke_verbs, true>>("onetbb_enqueue", workers);
    add_joined_job<onetbb_runtime<invoke_verbs>>("onetbb_execute", workers);
    add_idle<onetbb_runtime<invoke_verbs>>("onetbb", workers);
    add_many_jobs<onetbb_runtime<invoke_verbs, true>>("onetbb", workers);
  }
  add_oversubscribed<onetbb_runtime<invoke_verbs>>("onetbb_invoke");
  add_oversubscribed<onetbb_runtime<group_verbs>>("onetbb_group");
}

}  // namespace bench
