// skynet: a tree in which each node has ten children and does nothing but add up their numbers.
#pragma once

#include "workloads/base.hpp"
#include "workloads/wide.hpp"

namespace bench {

template <class Verbs, class Form>
std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves) {  // NOLINT(misc-no-recursion)
  if (leaves == 1) return first;
  const std::uint64_t each = leaves / 10;
  return Form::template sum<Verbs>(
      10, [=](int i) { return skynet<Verbs, Form>(first + static_cast<std::uint64_t>(i) * each, each); });
}

template <class Form>
struct skynet_work {
  std::uint64_t leaves;
  template <class Verbs>
  std::uint64_t run() {
    return skynet<Verbs, Form>(opaque(std::uint64_t{0}), leaves);
  }
  void check(std::uint64_t sum) const { bench::check("skynet", sum, leaves * (leaves - 1) / 2); }
};

template <class Runtime, class Form>
void add_skynet(const char* runtime, unsigned workers) {
  const std::uint64_t leaves = the_settings().sized<std::uint64_t>(1'000'000, 10'000'000);
  add_work_row<Runtime>({"skynet", runtime, parameter("leaves", leaves), workers},
                        [=] { return skynet_work<Form>{leaves}; });
}

}  // namespace bench
