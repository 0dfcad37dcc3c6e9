// What happens to a process from outside while it works: signals, masks, stops. A nuisance runs on a thread
// of its own from its making to its end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace faults {

/// Calls `once` again and again on a thread of its own.
class nuisance {
 public:
  explicit nuisance(std::function<void()> once);
  nuisance(const nuisance&) = delete;
  nuisance& operator=(const nuisance&) = delete;
  ~nuisance();

  /// Returns when it has happened n more times.
  void wait_for(unsigned n) const;

 private:
  std::atomic<bool> over_{false};
  std::atomic<unsigned> times_{0};
  std::thread thread_;
};

/// All threads of this process but the calling one.
std::vector<pid_t> other_threads();

/// Work of each kind, with its own checks: joins, groups, spawns, errors, parks between jobs, waits with and
/// without a deadline, a full queue, a FIFO pool.
void work_of_each_kind(unsigned rounds);

}  // namespace faults
