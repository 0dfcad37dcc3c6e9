// Runs programs on coppice and writes down what happens. Knows nothing of what ought to happen.
#pragma once

#include <coppice/coppice.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "observation.hpp"
#include "program.hpp"

namespace fuzz {

/// Schedulers that programs run on, one after the other: made when asked for, kept for the next program.
class stage {
 public:
  coppice::scheduler& scheduler(unsigned workers, std::size_t injection_capacity, unsigned spares);

 private:
  std::map<std::tuple<unsigned, std::size_t, unsigned>, std::unique_ptr<coppice::scheduler>> made_;
};

/// Runs the program to its end. A program with detached jobs gets schedulers of its own, which are stopped.
observation run(const program& p, stage& on);

}  // namespace fuzz
