// uts: trees of hashes, unbalanced, fine-grained; a wide root (T1) or a deep one (T3, up to 1572 levels).
#pragma once

#include <vector>

#include "support/uts.hpp"
#include "workloads/base.hpp"
#include "workloads/wide.hpp"

namespace bench {

namespace uts = support::uts;

/// Those of a few million nodes; COPPICE_BENCH_SIZE=long adds those of a hundred million.
inline std::vector<const uts::tree*> uts_trees() {
  std::vector<const uts::tree*> all{uts::find_tree("T1"), uts::find_tree("T3")};
  if (the_settings().size == input_size::huge) {
    all.push_back(uts::find_tree("T1L"));
    all.push_back(uts::find_tree("T3L"));
  }
  return all;
}

inline std::string uts_parameters(const uts::tree& t) { return "tree:" + std::string(t.name); }

template <class Verbs, class Form>
std::uint64_t count_nodes(const uts::tree& t, const uts::node& n) {  // NOLINT(misc-no-recursion)
  return 1 + Form::template sum<Verbs>(uts::children(t, n),
                                       [&](int i) { return count_nodes<Verbs, Form>(t, uts::child(n, i)); });
}

template <class Form>
struct uts_work {
  const uts::tree& tree;
  template <class Verbs>
  std::uint64_t run() {
    return count_nodes<Verbs, Form>(tree, uts::root(tree));
  }
  void check(std::uint64_t nodes) const { bench::check("uts", nodes, tree.nodes); }
};

template <class Runtime, class Form>
void add_uts(const char* runtime, unsigned workers) {
  for (const uts::tree* t : uts_trees())
    add_work_row<Runtime>({"uts", runtime, uts_parameters(*t), workers}, [t] { return uts_work<Form>{*t}; });
}

}  // namespace bench
