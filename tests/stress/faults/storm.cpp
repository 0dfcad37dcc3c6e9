#include "storm.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <coppice/coppice.hpp>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/check.hpp"
#include "support/fib.hpp"

namespace faults {

nuisance::nuisance(std::function<void()> once)
    : thread_([this, f = std::move(once)] {
        while (!over_) {
          f();
          ++times_;
          std::this_thread::yield();
        }
      }) {}
nuisance::~nuisance() {
  over_ = true;
  thread_.join();
}
void nuisance::wait_for(unsigned n) const {
  const unsigned before = times_;
  while (times_ - before < n) std::this_thread::yield();
}

std::vector<pid_t> other_threads() {
  std::vector<pid_t> all;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    all.push_back(std::stoi(thread.path().filename().string()));
  std::erase(all, static_cast<pid_t>(syscall(SYS_gettid)));
  return all;
}

namespace {

using support::fib;

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

void trees(coppice::scheduler& s) {
  EXPECT_EQ(s.run([] { return fib(14); }), 377);
  std::atomic<int> sum{0};
  s.run([&] {
    coppice::task_group group;
    for (int i = 0; i < 100; ++i) group.spawn([&, i] { sum += i; });
    group.wait();
    coppice::spawn([&] { sum += 50; });
  });
  EXPECT_EQ(sum, 5000);
}

void errors(coppice::scheduler& s) {
  const auto report = support::report_of(
      s,
      [] {
        for (int i = 0; i < 10; ++i) coppice::spawn([] { throw std::runtime_error("x"); });
      },
      support::collecting());
  EXPECT_EQ(report.failed, 10U);
}

void waits(coppice::scheduler& s) {
  std::atomic<bool> go{false};
  auto stands = s.submit([&] {
    while (!go) std::this_thread::yield();
  });
  const auto when = clock_type::now() + 1ms;
  EXPECT_FALSE(stands.wait_until(when));
  EXPECT_GE(clock_type::now(), when) << "a signal is no deadline";
  go = true;
  EXPECT_TRUE(stands.wait_until(clock_type::now() + 1h));

  auto late = s.submit(
      [] {
        while (!coppice::this_task::stop_requested()) std::this_thread::yield();
        coppice::this_task::throw_if_stopped();
      },
      {.deadline = clock_type::now() + 1ms});
  EXPECT_EQ(late.wait().result, coppice::outcome::deadline_exceeded);
}

// More roots than there is room for: the submitter blocks again and again.
void full_queue() {
  coppice::scheduler s({.workers = 2, .injection_capacity = 1, .topology = "core:2 pu:1"});
  std::atomic<int> ran{0};
  std::vector<coppice::job<void>> jobs;
  for (int i = 0; i < 50; ++i) jobs.push_back(s.submit([&] { ++ran; }));
  for (auto& job : jobs) job.get();
  EXPECT_EQ(ran, 50);
}

void fifo() {
  coppice::fifo_pool pool({.workers = 2, .queue_capacity = 2});
  std::vector<coppice::fifo_task<int>> tasks;
  for (int i = 0; i < 50; ++i) tasks.push_back(pool.submit([i] { return i; }));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(tasks[static_cast<std::size_t>(i)].get(), i);
}

}  // namespace

void work_of_each_kind(unsigned rounds) {
  coppice::scheduler s({.workers = 3});
  for (unsigned i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
    trees(s);
    errors(s);
    waits(s);
    full_queue();
    fifo();
  }
  EXPECT_EQ(s.stop().rejected, 0U);
}

}  // namespace faults
