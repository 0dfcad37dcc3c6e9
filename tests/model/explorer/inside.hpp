// While the explorer itself works, on a fiber of the program, plain accesses are not the program's.
#pragma once

#include "explorer/execution.hpp"

namespace model {

class inside_explorer {
 public:
  inside_explorer() noexcept : was_(watching) { watching = false; }
  ~inside_explorer() { watching = was_; }
  inside_explorer(const inside_explorer&) = delete;
  inside_explorer& operator=(const inside_explorer&) = delete;

 private:
  const bool was_;
};

}  // namespace model
