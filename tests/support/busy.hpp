// Ways to bring a scheduler into a state that tests about queues and stops need: all workers busy, submitters
// blocked, door closed.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

namespace support {

/// Jobs that keep all workers of a scheduler busy until they are released. Each gives 1.
class busy_workers {
 public:
  explicit busy_workers(coppice::scheduler& s);
  void release() { release_.count_down(); }
  std::vector<coppice::job<int>>& jobs() { return jobs_; }

 private:
  std::atomic<unsigned> standing_{0};
  std::latch release_{1};
  std::vector<coppice::job<int>> jobs_;
};

/// Threads that submit one job each. The constructor returns when each stands in submit, or is through.
class submitters {
 public:
  submitters(coppice::scheduler& s, std::size_t threads, const std::function<void()>& body);
  bool all_blocked() const;

  struct ends {
    int refused = 0;     ///< by scheduler_stopped
    int unfinished = 0;  ///< by a job_exception
  };
  ends join();

 private:
  struct one {
    std::atomic<pid_t> number{0};
    std::atomic<bool> over{false};
    bool refused = false, unfinished = false;
  };
  std::deque<one> all_;
  std::vector<std::thread> threads_;
};

/// Returns when the scheduler takes no more jobs.
void wait_until_closed(coppice::scheduler& s);

}  // namespace support
