// A watchdog for tests that would hang rather than fail: when nobody reports progress for some time it says
// on stderr who runs what, and aborts.
//
//   support::watchdog dog(std::chrono::seconds(60));
//   for (...) { round(); dog.progress(); }
//
// Each thread of the process speaks for itself, in a signal handler: its name, what the system says it is
// doing, and if it is a worker its number, the path of the code that it runs, what lies in its deque, and
// what is asked of it. A thread that does not answer in time is named as well. SIGUSR2 is taken for this
// while a watchdog lives.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace support {

class watchdog {
 public:
  /// `what` is printed with the dump: a seed, the name of a program.
  explicit watchdog(std::chrono::milliseconds patience, std::string what = {});
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog();

  /// Threads: any. Cost: one store to a shared line, so not in the innermost loop.
  void progress() noexcept { beats_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void run();

  const std::chrono::milliseconds patience_;
  const std::string what_;
  std::atomic<std::uint64_t> beats_{0};
  std::mutex lock_;
  std::condition_variable over_changed_;
  bool over_ = false;
  std::thread thread_;
};

/// Prints on stderr what each thread of this process does now. One call at a time; requires a living
/// watchdog.
void print_who_runs_what();

}  // namespace support
