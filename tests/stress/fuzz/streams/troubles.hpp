// What a run finds wrong while it goes on.
#pragma once

#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace fuzz::streams {

/// Threads: any.
class troubles {
 public:
  template <class... Parts>
  void tell(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    const std::lock_guard hold(lock_);
    told_.push_back(text.str());
  }
  template <class... Parts>
  void expect(bool holds, const Parts&... parts) {
    if (!holds) tell(parts...);
  }
  std::vector<std::string> take() {
    const std::lock_guard hold(lock_);
    return std::exchange(told_, {});
  }

 private:
  std::mutex lock_;
  std::vector<std::string> told_;
};

}  // namespace fuzz::streams
