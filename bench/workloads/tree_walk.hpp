// tree_walk: directories, system calls, strings; the tree that people do walk. The kernel's caches are warm.
#pragma once

#include "workloads/base.hpp"
#include "workloads/file_tree.hpp"

namespace bench {

inline tree_totals serial_walk(const std::string& path) {  // NOLINT(misc-no-recursion)
  tree_totals all;
  const auto add = [&](const tree_totals& t) {
    all.directories += t.directories;
    all.files += t.files;
    all.bytes += t.bytes;
  };
  add(read_directory(path, [&](const std::string& below) { add(serial_walk(below)); }));
  return all;
}

/// The first call fills the caches of the kernel.
inline const tree_totals& walk_expected() {
  static const tree_totals expected = serial_walk(the_settings().directory);
  return expected;
}

template <class Verbs>
void walk(const std::string& path, shared_totals& all) {  // NOLINT(misc-no-recursion)
  typename Verbs::group group;
  all.add(read_directory(path, [&](std::string below) {
    group.spawn([&all, below = std::move(below)] { walk<Verbs>(below, all); });
  }));
  group.wait();
}

struct tree_walk_work {
  tree_totals expected = walk_expected();
  template <class Verbs>
  tree_totals run() {
    if constexpr (std::is_same_v<Verbs, serial_verbs>) return serial_walk(the_settings().directory);
    shared_totals all;
    walk<Verbs>(the_settings().directory, all);
    return all.value();
  }
  void check(const tree_totals& got) const { bench::check("tree_walk", got, expected); }
};

template <class Runtime>
void add_tree_walk(const char* runtime, unsigned workers) {
  add_work_row<Runtime>({"tree_walk", runtime, "", workers}, [] { return tree_walk_work{}; });
}

}  // namespace bench
