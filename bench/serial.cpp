// The serial programs, bound to the place of a single worker.
#include "workload.hpp"

namespace bench {
namespace {

const cpu_set_t& the_place() { return places_of(1).front(); }

void add_fib() {
  add_row({"fib", "serial", fib_parameters()}, [](benchmark::State& state) {
    const bound_thread bound(the_place());
    const int n = the_settings().fib;
    for (auto _ : state) check("fib", serial_fib(n), fib_expected(n));
  });
}

void add_uts() {
  for (const char* tree : uts_names) {
    const uts::tree& t = *uts::find_tree(tree);
    add_row({"uts", "serial", uts_parameters(t)}, [&t](benchmark::State& state) {
      const bound_thread bound(the_place());
      for (auto _ : state) check("uts", serial_count(t, uts::root(t)), t.nodes);
    });
  }
}

void add_tree_walk() {
  add_row({"tree_walk", "serial"}, [](benchmark::State& state) {
    const bound_thread bound(the_place());
    const tree_totals expected = walk_expected();
    for (auto _ : state) check("tree_walk", serial_walk(the_settings().directory), expected);
  });
}

BENCH_REAL_CALLS void mark(unsigned char* child) { ++*child; }

void add_spawn_flat() {
  add_row({"spawn_flat", "serial"}, [](benchmark::State& state) {
    const bound_thread bound(the_place());
    marks ran;
    for (auto _ : state) {
      for (std::size_t i = 0; i < flat_children; ++i) mark(ran.begin() + i);
      ran.check_and_clear(state);
    }
  });
}

void add_chain() {
  add_row({"chain", "serial"}, [](benchmark::State& state) {
    const bound_thread bound(the_place());
    for (auto _ : state) {
      long forks = 0;
      for (int i = 0; i < chains; ++i) forks += serial_chain(opaque(chain_depth));
      check("chain", forks, chain_expected);
    }
  });
}

}  // namespace

void add_serial_rows() {
  add_fib();
  add_uts();
  add_tree_walk();
  add_spawn_flat();
  add_chain();
}

}  // namespace bench
