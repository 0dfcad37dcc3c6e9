// A fixture that runs a test with 1, 2, 3, 8 and 64 workers and is a leak test as well: at the end no closure
// lives and no thread is left. With a sanitizer, where each takes its time, it is with the numbers that can
// differ there: races want several threads, and memory is found with one, with two, and with many.
//
//   class joining : public support::on_workers {};
//   SUPPORT_ON_EACH_NUMBER_OF_WORKERS(joining);
//   TEST_P(joining, ResultsComeInOrder) { ... scheduler().run(...) ... }
#pragma once

#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "support/scale.hpp"

namespace support {

class on_workers : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override;
  void TearDown() override;

  unsigned workers() const { return GetParam(); }
  /// What the test's scheduler is made with; more of them can be made.
  coppice::scheduler_options options() const { return {.workers = workers()}; }
  /// Made at the first call.
  coppice::scheduler& scheduler();
  /// Ends it, for tests about what remains.
  void end_scheduler() { scheduler_.reset(); }

 private:
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

#if defined(SUPPORT_THREAD_SANITIZED)
#define SUPPORT_NUMBERS_OF_WORKERS 2U, 8U, 64U
#elif defined(SUPPORT_SANITIZED)
#define SUPPORT_NUMBERS_OF_WORKERS 1U, 2U, 64U
#else
#define SUPPORT_NUMBERS_OF_WORKERS 1U, 2U, 3U, 8U, 64U
#endif

#define SUPPORT_ON_EACH_NUMBER_OF_WORKERS(subject)                                        \
  INSTANTIATE_TEST_SUITE_P(workers, subject, testing::Values(SUPPORT_NUMBERS_OF_WORKERS), \
                           testing::PrintToStringParamName())
