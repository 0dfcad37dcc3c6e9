// What the tests of the FIFO pool share: a gate that keeps its workers, a look at threads, texts of errors.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <coppice/fifo_pool.hpp>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace support {

// Keeps workers busy until it is opened. It outlives the pool: workers leave it after it is open.
class gate {
 public:
  // Returns once a worker stands in the gate.
  coppice::fifo_task<void> hold(coppice::fifo_pool& pool) {
    auto inside = std::make_shared<std::latch>(1);
    auto task = pool.submit([this, inside] {
      inside->count_down();
      open_.wait();
    });
    inside->wait();
    return task;
  }
  void open() { open_.count_down(); }

 private:
  std::latch open_{1};
};

template <class Condition>
void yield_until(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

// The state letter of a thread; S: it sleeps, so it has got as far as it can.
inline bool asleep(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

// Counts the living copies of itself; a closure that captures one is counted with it.
class living {
 public:
  explicit living(std::atomic<int>& count) : count_(&count) { ++*count_; }
  living(const living& other) : count_(other.count_) { ++*count_; }
  living& operator=(const living&) = delete;
  ~living() { --*count_; }

 private:
  std::atomic<int>* count_;
};

template <class Failure, class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Failure& failure) {
    return failure.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

inline int seven() { return 7; }

}  // namespace support
