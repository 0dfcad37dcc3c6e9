// A fixture that runs a test with 1, 2, 3, 8 and 64 workers and is a leak test as well: at the end no closure
// lives and no thread is left. With a sanitizer, where each takes its time, it is with the numbers that can
// differ there: races want several threads, and memory is found with one, with two, and with many.
//
//   class joining : public support::on_workers {};
//   TEST_ON_WORKERS(joining, ResultsComeInOrder) { ... scheduler().run(...) ... }
//
// A fixture that has its own numbers_of_workers() runs with those.
#pragma once

#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace support {

class on_workers : public testing::Test {
 public:
  struct description {
    const char* fixture;
    const char* name;
    const char* file;
    int line;
  };

  static std::vector<unsigned> numbers_of_workers();
  /// Registers a test as workers/<fixture>.<name>/<number>, once for each number. TEST_P would do so too, but
  /// compiles some thirty templates for each fixture: a fifth of the time that it takes to compile a file of
  /// tests.
  static bool add(const description& test, const std::vector<unsigned>& numbers, on_workers* (*make)());

 protected:
  void SetUp() override;
  void TearDown() override;

  unsigned workers() const { return workers_; }
  /// What the test's scheduler is made with; more of them can be made.
  coppice::scheduler_options options() const { return {.workers = workers()}; }
  /// Made at the first call.
  coppice::scheduler& scheduler();
  /// Ends it, for tests about what remains.
  void end_scheduler() { scheduler_.reset(); }

 private:
  unsigned workers_ = 0;
  std::unique_ptr<coppice::scheduler> scheduler_;
};

/// As on_workers, for tests that bring their own numbers of workers.
class without_leaks : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
};

/// In a task: forks until `over`, so that whatever waits in this worker's deque can be taken. A worker that
/// only stood still would keep it where nobody can look behind a long leaf.
template <class Over>
void fork_until(const Over& over) {
  while (!over()) {
    coppice::join([] {}, [] {});
    std::this_thread::yield();
  }
}

/// Runs f where its scope is left, by whatever way.
template <class F>
class at_end {
 public:
  explicit at_end(F f) : f_(std::move(f)) {}
  at_end(const at_end&) = delete;
  at_end& operator=(const at_end&) = delete;
  ~at_end() { f_(); }

 private:
  F f_;
};

}  // namespace support

#define TEST_ON_WORKERS(fixture, name)                                                                \
  class fixture##_##name##_test : public fixture {                                                    \
    void TestBody() override;                                                                         \
  };                                                                                                  \
  [[maybe_unused]] const bool fixture##_##name##_added =                                              \
      support::on_workers::add({#fixture, #name, __FILE__, __LINE__}, fixture::numbers_of_workers(),  \
                               []() -> support::on_workers* { return new fixture##_##name##_test; }); \
  void fixture##_##name##_test::TestBody()
