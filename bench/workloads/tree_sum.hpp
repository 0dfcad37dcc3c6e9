// tree_sum: the sum over an unbalanced binary tree that lies in memory, a fork for each node with two
// children.
#pragma once

#include <vector>

#include "workloads/base.hpp"

namespace bench {

class tree_sum_work {
 public:
  explicit tree_sum_work(std::uint32_t nodes) : nodes_(nodes) {
    // Children have higher numbers than their parent; the tree is as unbalanced as random search trees are.
    std::uint64_t seed = 11;
    build(0, nodes, seed);
  }

  template <class Verbs>
  std::uint64_t run() {
    return sum<Verbs>(0);
  }
  void check(std::uint64_t sum) const {
    const std::uint64_t n = nodes_.size();
    bench::check("tree_sum", sum, n * (n - 1) / 2);
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  struct node {
    std::uint64_t value = 0;
    std::uint32_t left = none;
    std::uint32_t right = none;
  };

  // `count` nodes from number `first` on, the root of them in front.
  void build(std::uint32_t first, std::uint32_t count, std::uint64_t& seed) {  // NOLINT(misc-no-recursion)
    node& here = nodes_[first];
    here.value = first;
    if (count == 1) return;
    // A quarter to three quarters of the rest on the left.
    const std::uint32_t rest = count - 1;
    const auto left = static_cast<std::uint32_t>(rest / 4 + next_random(seed) % (rest / 2 + 1));
    if (left > 0) build(here.left = first + 1, left, seed);
    if (left < rest) build(here.right = first + 1 + left, rest - left, seed);
  }

  template <class Verbs>
  std::uint64_t sum(std::uint32_t at) {  // NOLINT(misc-no-recursion)
    const node& here = nodes_[at];
    if (here.left == none) return here.value + (here.right == none ? 0 : sum<Verbs>(here.right));
    if (here.right == none) return here.value + sum<Verbs>(here.left);
    auto [a, b] = Verbs::both([this, &here] { return sum<Verbs>(here.left); },
                              [this, &here] { return sum<Verbs>(here.right); });
    return here.value + a + b;
  }

  std::vector<node> nodes_;
};

template <class Runtime>
void add_tree_sum(const char* runtime, unsigned workers) {
  const std::uint32_t nodes = the_settings().sized(1'000'000U, 10'000'000U);
  add_work_row<Runtime>({"tree_sum", runtime, parameter("nodes", nodes), workers},
                        [=] { return tree_sum_work(nodes); });
}

}  // namespace bench
