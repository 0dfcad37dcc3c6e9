// What those were told whose wait could never end.
#pragma once

#include <gtest/gtest.h>

#include <coppice/error.hpp>
#include <mutex>
#include <string>
#include <vector>

namespace support {

class told {
 public:
  // Runs `wait`; a deadlock is noted.
  template <class F>
  void by(F wait) {
    try {
      wait();
    } catch (const coppice::would_deadlock& e) {
      const std::lock_guard hold(lock_);
      texts_.emplace_back(e.what());
    }
  }
  // Exactly one was, and its text has all of these parts.
  void once(const std::vector<std::string>& parts) {
    const std::lock_guard hold(lock_);
    ASSERT_EQ(texts_.size(), 1U);
    for (const std::string& part : parts)
      EXPECT_NE(texts_[0].find(part), std::string::npos) << part << " is not in: " << texts_[0];
    texts_.clear();
  }
  void nobody() {
    const std::lock_guard hold(lock_);
    EXPECT_EQ(texts_, std::vector<std::string>{});
  }

 private:
  std::mutex lock_;
  std::vector<std::string> texts_;
};

}  // namespace support
