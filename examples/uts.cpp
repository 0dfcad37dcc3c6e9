// Unbalanced Tree Search: counts the nodes of a tree whose shape nobody knows before having walked it. Shows
// recursion over a range of children that is split in halves, with a result that is summed on the way up; and
// how work stealing copes with a tree where one branch of thousands holds most of the nodes.
//
//   $ uts --tree T1
//   T1: 4130071 nodes, 3305118 leaves, depth 10 (0.428 s, 2 workers)
//   $ uts --tree T3 --json
//   {"tree":"T3","nodes":4112897,"leaves":3599034,"max_depth":1572,"seconds":0.401,"workers":2}
#include <fmt/format.h>

#include <coppice/coppice.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "support/command_line.hpp"
#include "support/program.hpp"
#include "support/uts.hpp"

namespace {

namespace uts = support::uts;

uts::census walk(const uts::tree& t, const uts::node& n);

// The children [first, last) of parent and all below them.
uts::census walk_children(const uts::tree& t, const uts::node& parent, int first, int last) {
  if (last - first == 1) return walk(t, uts::child(parent, first));
  const int middle = first + (last - first) / 2;
  // parent stands below this frame until both have ended, so a reference is enough.
  auto [left, right] =
      coppice::join([&t, &parent, first, middle] { return walk_children(t, parent, first, middle); },
                    [&t, &parent, middle, last] { return walk_children(t, parent, middle, last); });
  left += right;
  return left;
}

uts::census walk(const uts::tree& t, const uts::node& n) {
  const int children = uts::children(t, n);
  if (children == 0) return {1, 1, n.depth};
  uts::census sum{1, 0, n.depth};
  sum += walk_children(t, n, 0, children);
  return sum;
}

uts::census serial_walk(const uts::tree& t, const uts::node& n) {
  const int children = uts::children(t, n);
  if (children == 0) return {1, 1, n.depth};
  uts::census sum{1, 0, n.depth};
  for (int i = 0; i < children; ++i) sum += serial_walk(t, uts::child(n, i));
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Walks a tree of the Unbalanced Tree Search benchmark.", "uts");
  support::run_options options;
  std::string name;
  line.add_option("--tree", name, "T1 and T3: 4 million nodes; T1L and T3L: 100 million")
      .required()
      .one_of({"T1", "T3", "T1L", "T3L"});
  support::add_run_options(line, options);
  return support::run_program(line, argc, argv, [&] {
    const uts::tree& t = *uts::find_tree(name);
    const auto m = support::measure(
        options, [&] { return serial_walk(t, uts::root(t)); }, [&] { return walk(t, uts::root(t)); });
    const uts::census& found = m.result;
    if (options.json) {
      const nlohmann::ordered_json json = {{"tree", name},           {"nodes", found.nodes},
                                           {"leaves", found.leaves}, {"max_depth", found.max_depth},
                                           {"seconds", m.seconds},   {"workers", m.workers}};
      fmt::print("{}\n", json.dump());
    } else {
      fmt::print("{}: {} nodes, {} leaves, depth {} ({})\n", name, found.nodes, found.leaves, found.max_depth,
                 support::time_text(options, m.seconds, m.workers));
    }
    if (found.nodes == t.nodes) return 0;
    fmt::print(stderr, "uts: {} has {} nodes, not {}\n", name, t.nodes, found.nodes);
    return 1;
  });
}
