// The serial programs, bound to the place of a single worker. All but fib, chain and the walk are the same
// source as everywhere, with forks that are calls: the compiler may inline what it likes.
#include "rows.hpp"

namespace bench {
namespace {

class serial_runtime {
 public:
  using verbs = serial_verbs;
  explicit serial_runtime(unsigned) : bound_(places_of(1).front()) {}
  template <class F>
  auto run(F f) {
    return f();
  }
  template <class F>
  void crowd(F f) {
    call_at_once into;
    f(into);
  }
  template <class F>
  void window(unsigned n, F f) {
    for (unsigned i = 0; i < n; ++i) f();
  }
  void report(benchmark::State&) const {}

 private:
  bound_thread bound_;
};

struct serial_loops {
  template <class T, class F>
  static void each(T* first, T* last, F body) {
    for (; first != last; ++first) body(*first);
  }
  template <class T, class F>
  static T sum(const T* first, const T* last, F map) {
    T sum = 0;
    for (; first != last; ++first) sum += map(*first);
    return sum;
  }
  template <class T>
  static void sort(T* first, T* last) {
    std::sort(first, last);
  }
};

}  // namespace

void add_serial_rows() {
  add_fork_rows<serial_runtime>("serial", 0);
  add_wide_rows<serial_runtime, by_loop>("serial", 0);
  add_group_rows<serial_runtime>("serial", 0);
  add_crowds<serial_runtime>("serial", 0);
  add_chains<serial_runtime>("serial", 0);
  add_many_jobs<serial_runtime>("serial", 0);
  add_oversubscribed<serial_runtime>("serial", 0);
  add_loop_rows<serial_runtime, serial_loops>("serial", 0);
}

}  // namespace bench
