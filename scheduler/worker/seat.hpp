// What a watched worker runs, for the eyes of the watchdog: the tasks and stolen branches on its stack,
// innermost last. Only schedulers with a watchdog have seats.
//
// Who writes what. Everything under the lock: the worker when it begins and ends a piece, the watchdog reads.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

class seat {
 public:
  struct piece_of_work {
    std::string path, name, job;
    clock::time_point since;
  };
  // Without memory the piece has no words.
  void begin(std::string path, std::string name, std::string job) noexcept {
    const auto now = clock::now();
    const std::lock_guard hold(lock_);
    ++depth_;
    try {
      if (known_.size() + 1 == depth_)
        known_.push_back({std::move(path), std::move(name), std::move(job), now});
    } catch (const std::bad_alloc&) {
    }
  }
  void end() noexcept {
    const std::lock_guard hold(lock_);
    if (known_.size() == depth_) known_.pop_back();
    --depth_;
  }
  // The innermost one that is known. Throws std::bad_alloc.
  std::optional<piece_of_work> innermost() const {
    const std::lock_guard hold(lock_);
    return known_.empty() ? std::nullopt : std::optional(known_.back());
  }

 private:
  mutable mutex lock_;
  std::vector<piece_of_work> known_;
  std::size_t depth_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
