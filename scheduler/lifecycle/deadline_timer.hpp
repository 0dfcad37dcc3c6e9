// The timer: cancels jobs at their deadlines. One thread, started by the first job that has one.
//
// Threads: all members from any thread. It holds a reference on every job that it knows.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "platform/deadline_clock.hpp"
#include "platform/thread.hpp"
#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

class job_core;
struct crew;

class deadline_timer {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  deadline_timer(const crew& team, std::string name) : team_(team), name_(std::move(name)) {}
  ~deadline_timer() { stop(); }
  deadline_timer(const deadline_timer&) = delete;
  deadline_timer& operator=(const deadline_timer&) = delete;

  // Starts the thread if need be. Throws std::system_error, std::bad_alloc.
  void start();
  // The job's own deadline. Throws std::bad_alloc.
  void watch(job_core& job, time_point when);
  void forget(job_core& job, time_point when) noexcept;
  void stop() noexcept;
  // In a stop callback that it calls.
  bool runs_on_this_thread() noexcept;

 private:
  void run() noexcept;

  const crew& team_;  // whose topology knows where it may run
  const std::string name_;
  mutex lock_;
  condition_variable changed_;
  std::set<std::pair<time_point, job_core*>> watched_;
  // The thread looks at what is watched then, or sooner: a job that is over leaves that as it is. So many
  // jobs with the same time limit, one after the other, wake it once in that time.
  time_point looks_at_ = time_point::max();
  bool stopping_ = false;
  bool over_ = false;  // its thread ends, and another one may have the handle then
  std::optional<platform::thread> thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
