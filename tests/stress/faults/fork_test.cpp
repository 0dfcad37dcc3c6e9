// C-37: fork at each stage of a scheduler's life. In the child nothing hangs: what belongs to the parent says
// so, and what is made in the child works.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "child.hpp"
#include "support/fib.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using faults::has_text;
using faults::holds_in_child;
using support::fib;

// f throws scheduler_stopped, and its text names the fork.
template <class F>
bool refuses(const F& f) {
  try {
    f();
  } catch (const coppice::scheduler_stopped& e) {
    return CLAIM(has_text(e.what(), "fork"), e.what());
  }
  return CLAIM(false && "it was not refused");
}

bool a_fresh_one_works() {
  coppice::scheduler s({.workers = 2});
  std::atomic<int> sum{0};
  s.run([&] {
    coppice::task_group group;
    for (int i = 0; i < 100; ++i) group.spawn([&, i] { sum += i; });
    group.wait();
  });
  return CLAIM(sum == 4950) && CLAIM(s.run([] { return fib(18); }) == 2584) && CLAIM(s.stop().rejected == 0);
}

// Everything that can be asked of a scheduler that the parent made, in the child.
bool is_refused(std::unique_ptr<coppice::scheduler>& s) {
  auto closure = [v = std::make_unique<int>(1)] { return *v; };
  const bool all = refuses([&] { s->submit(std::move(closure)); }) && CLAIM(closure() == 1) &&  // untouched
                   CLAIM(s->try_submit([] {}).status == coppice::admission::stopped) &&
                   refuses([&] { s->run([] {}); }) && refuses([&] { s->stop(); }) &&
                   refuses([&] { s->stop(coppice::stop_mode::cancel); }) &&
                   refuses([&] { s->stop_until(clock_type::now()); }) && refuses([&] { s->stats(); }) &&
                   refuses([&] { s->describe(); }) && refuses([&] { s->resize(3); });
  s.reset();
  return all;
}

TEST(fork, BeforeAnySchedulerIsAChildLikeAnyOther) {
  EXPECT_TRUE(holds_in_child(a_fresh_one_works));
  EXPECT_TRUE(holds_in_child([] { return bool(holds_in_child(a_fresh_one_works)); })) << "a child's child";
}

TEST(fork, C37AnIdleSchedulerRefusesInTheChildAndWorksOnInTheParent) {
  auto s = std::make_unique<coppice::scheduler>(coppice::scheduler_options{.workers = 2});
  s->submit([] {}, {.deadline = clock_type::now() + 1h}).wait();  // so that its timer has a thread
  for (int i = 0; i < support::scaled(20) && !HasFailure(); ++i)
    EXPECT_TRUE(holds_in_child([&] { return is_refused(s) && a_fresh_one_works(); }));
  EXPECT_EQ(s->run([] { return 1; }), 1);
}

// Whatever state the stream is in; its source and its steps hold locks.
template <class Pool>
void streams_refuse(Pool& pool) {
  for (int i = 0; i < support::scaled(50) && !testing::Test::HasFailure(); ++i) {
    std::vector<int> inputs(1000, i);
    std::optional stream(pool.map(inputs, [](int n) { return n + 1; }, {.capacity = 64, .name = "squares"}));
    for (int k = 0; k < i; ++k) EXPECT_EQ(stream->next()->value(), i + 1);
    EXPECT_TRUE(holds_in_child([&] {
      const bool all = refuses([&] { stream->next(); }) && refuses([&] { stream->begin(); }) &&
                       refuses([&] { stream->done(); }) && refuses([&] { stream->cancel("no"); }) &&
                       refuses([&] { stream->report(); }) &&
                       refuses([&] { pool.map(inputs, [](int n) { return n; }); });
      stream.reset();
      coppice::scheduler fresh({.workers = 2});
      int sum = 0;
      for (auto& r : fresh.map(inputs, [](int) { return 1; })) sum += r.value();
      return all && CLAIM(sum == 1000);
    })) << "after "
        << i << " results";
    std::size_t left = 0;
    while (stream->next()) ++left;
    EXPECT_EQ(left, inputs.size() - static_cast<std::size_t>(i)) << "the parent reads on";
  }
}

TEST(fork, C37AStreamRefusesInTheChildAndIsReadOnInTheParent) {
  coppice::scheduler s({.workers = 3});
  streams_refuse(s);
}

TEST(fork, C37AStreamOfAFifoPoolRefusesInTheChildAndIsReadOnInTheParent) {
  coppice::fifo_pool pool({.workers = 3});
  streams_refuse(pool);
}

TEST(fork, C37AStoppedSchedulerRefusesInTheChild) {
  auto s = std::make_unique<coppice::scheduler>(coppice::scheduler_options{.workers = 2});
  s->stop();
  EXPECT_TRUE(holds_in_child([&] { return is_refused(s) && a_fresh_one_works(); }));
}

// Workers hold locks, have frames stolen, and are anywhere.
TEST(fork, C37ASchedulerThatRunsTreesRefusesInTheChildAndWorksOnInTheParent) {
  auto s = std::make_unique<coppice::scheduler>(coppice::scheduler_options{.workers = 3});
  std::atomic<bool> over{false};
  std::vector<std::thread> submitters;
  for (int t = 0; t < 2; ++t)
    submitters.emplace_back([&] {
      while (!over) {
        auto job = s->submit([] {
          coppice::task_group group;
          for (int i = 0; i < 20; ++i) group.spawn([] { fib(8); });
          group.wait();
          coppice::spawn([] { throw std::runtime_error("an error, for the locks of errors"); });
        });
        job.wait();
        s->stats();
        s->describe();
      }
    });
  for (int i = 0; i < support::scaled(100) && !HasFailure(); ++i)
    EXPECT_TRUE(holds_in_child([&] { return is_refused(s) && a_fresh_one_works(); })) << "fork " << i;
  over = true;
  for (auto& t : submitters) t.join();
  EXPECT_EQ(s->run([] { return fib(15); }), 610);
}

TEST(fork, C37AJobThatRunsRefusesInTheChildAndOneThatEndedGivesItsValue) {
  coppice::scheduler s({.workers = 2});
  std::latch running{1}, release{1};
  std::optional ended(s.submit([] { return std::string("a value that was made before the fork"); }));
  ended->wait();
  std::optional runs(s.submit([&] {
    running.count_down();
    release.wait();
    return 1;
  }));
  std::optional let_go(s.submit([&] { release.wait(); }));
  running.wait();
  EXPECT_TRUE(holds_in_child([&] {
    const bool all = refuses([&] { runs->wait(); }) && refuses([&] { runs->get(); }) &&
                     refuses([&] { runs->wait_until(clock_type::now()); }) &&
                     refuses([&] { runs->cancel("x"); }) &&
                     refuses([&] { static_cast<void>(runs->stop_token()); }) && CLAIM(!runs->done()) &&
                     CLAIM(ended->done()) && CLAIM(ended->wait_until(clock_type::now())) &&
                     CLAIM(ended->wait().result == coppice::outcome::completed) &&
                     CLAIM(ended->get() == "a value that was made before the fork");
    let_go->detach();
    runs.reset();
    ended.reset();
    return all && a_fresh_one_works();
  }));
  release.count_down();
  EXPECT_EQ(runs->get(), 1);
}

TEST(fork, C37ASchedulerThatStopsRefusesInTheChildAndStopsInTheParent) {
  auto s = std::make_unique<coppice::scheduler>(coppice::scheduler_options{.workers = 2});
  std::latch release{1};
  auto job = s->submit([&] { release.wait(); });
  std::thread stopper([&] { s->stop(); });
  while (s->try_submit([] {}).status != coppice::admission::stopped) std::this_thread::yield();
  for (int i = 0; i < support::scaled(20) && !HasFailure(); ++i)
    EXPECT_TRUE(holds_in_child([&] { return is_refused(s) && a_fresh_one_works(); }));
  release.count_down();
  stopper.join();
  EXPECT_TRUE(job.done());
}

// hwloc has locks of its own.
TEST(fork, C37WhileSchedulersStartAndStopAFreshOneInTheChildWorks) {
  std::atomic<bool> over{false};
  std::thread maker([&] {
    while (!over) coppice::scheduler({.workers = 2});
  });
  for (int i = 0; i < support::scaled(100) && !HasFailure(); ++i)
    EXPECT_TRUE(holds_in_child(a_fresh_one_works)) << "fork " << i;
  over = true;
  maker.join();
}

TEST(fork, C37AChildOfATaskIsNoWorkerAndRunsSerially) {
  coppice::scheduler s({.workers = 2});
  EXPECT_TRUE(s.run([&] {
    return bool(holds_in_child([&] {
      return CLAIM(coppice::this_task::worker() == -1) && CLAIM(coppice::this_task::path().empty()) &&
             CLAIM(fib(15) == 610) && refuses([&] { s.submit([] {}); }) && a_fresh_one_works();
    }));
  }));
}

TEST(fork, C37TheGroupOfATaskRefusesInTheChildAndIsWaitedForInTheParent) {
  coppice::scheduler s({.workers = 2});
  EXPECT_TRUE(s.run([] {
    std::latch running{1}, release{1};
    std::optional<coppice::task_group> group(std::in_place);
    group->spawn([&] {
      running.count_down();
      release.wait();
    });
    support::fork_until([&] { return running.try_wait(); });
    bool ran = false;
    const bool held = bool(holds_in_child([&] {
      const bool all = refuses([&] { group->wait(); }) &&
                       refuses([&] { group->spawn([&] { ran = true; }); }) && CLAIM(!ran);
      group.reset();
      return all && a_fresh_one_works();
    }));
    release.count_down();
    group->wait();
    return held;
  }));
}

// A thread outside runs a child of the group and forks in it: what fails in the copy is no error of the task.
TEST(fork, C37WhatFailsInTheCopyOfAChildOfAGroupGoesToTheHandler) {
  static std::string heard;
  coppice::set_unobserved_error_handler([](const coppice::job_report& r) { heard = r.errors.at(0).message; });
  coppice::scheduler s({.workers = 2});
  int status = -1;
  s.run([&] {
    coppice::task_group group;
    std::thread([&] {
      pid_t child = -1;
      group.spawn([&] {
        child = ::fork();
        if (child == 0) throw std::runtime_error("in the copy");
      });
      if (child == 0) ::_exit(heard == "in the copy" ? 0 : 1);
      ::waitpid(child, &status, 0);
    }).join();
    group.wait();
  });
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(status, 0);
}

// What a worker of this process has on its stack where it waits, a child's worker has overwritten there: the
// system gives a child's threads the stacks of those that it has not.
void overwrite_the_stack() {
  volatile char room[256 * 1024];
  for (std::size_t i = 0; i < sizeof room; ++i) room[i] = -1;
}

TEST(fork, C37WhoWaitedForAnotherSchedulersJobIsForgottenInTheChild) {
  coppice::scheduler a({.workers = 1}), b({.workers = 1});
  std::latch release{1};
  auto job = a.submit([&] { b.submit([&] { release.wait(); }).wait(); });
  while (a.stats().standing == 0) std::this_thread::yield();
  EXPECT_TRUE(holds_in_child([] {
    constexpr unsigned workers = 4;
    coppice::scheduler fresh({.workers = workers});
    std::barrier all{workers};
    std::vector<coppice::job<void>> jobs;
    for (unsigned i = 0; i < workers; ++i)
      jobs.push_back(fresh.submit([&] {
        all.arrive_and_wait();
        overwrite_the_stack();
        all.arrive_and_wait();
        fresh.submit([] {}).wait();
      }));
    for (auto& each : jobs) each.get();
    return true;
  }));
  release.count_down();
  job.get();
}

TEST(fork, C37AChildOfATaskOfAFifoPoolIsNoWorkerOfAPoolThatIsMadeInItsPlace) {
  std::optional<coppice::fifo_pool> pool(std::in_place, coppice::fifo_options{.workers = 1});
  EXPECT_TRUE(pool->submit([&] {
                    return bool(holds_in_child([&] {
                      pool.reset();
                      pool.emplace(coppice::fifo_options{.workers = 1});
                      const bool waits = CLAIM(pool->submit([] { return 3; }).get() == 3);
                      return waits && CLAIM(pool->stop().rejected == 0) && a_fresh_one_works();
                    }));
                  })
                  .get());
}

TEST(fork, C37AnUnfinishedTreeOfAnotherProcessIsNotTouched) {
  // The child's memory is a copy: whatever it does to jobs of the parent, the parent's run once.
  coppice::scheduler s({.workers = 2});
  std::atomic<int> ran{0};
  std::vector<coppice::job<void>> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(s.submit([&] { ++ran; }));
  EXPECT_TRUE(holds_in_child([&] {
    jobs.clear();
    return a_fresh_one_works();
  }));
  for (auto& job : jobs) job.get();
  EXPECT_EQ(ran, 100);
}

TEST(fork, C37AFifoPoolRefusesInTheChildAndWorksOnInTheParent) {
  auto pool = std::make_unique<coppice::fifo_pool>(coppice::fifo_options{.workers = 2, .queue_capacity = 4});
  std::atomic<bool> over{false};
  std::thread submitter([&] {
    while (!over)
      pool->submit([] {});  // often blocked, and workers often wait: both are waiters to the child
  });
  std::latch release{1};
  auto ended = std::make_unique<coppice::fifo_task<int>>(pool->submit([] { return 5; }));
  ended->wait();
  auto runs = std::make_unique<coppice::fifo_task<void>>(pool->submit([&] { release.wait(); }));
  for (int i = 0; i < support::scaled(100) && !HasFailure(); ++i)
    EXPECT_TRUE(holds_in_child([&] {
      auto closure = [v = std::make_unique<int>(1)] { return *v; };
      const auto copied = [] {};
      const bool all =
          refuses([&] { pool->submit(std::move(closure)); }) && CLAIM(closure() == 1) &&
          refuses([&] { pool->submit(copied); }) &&
          CLAIM(pool->try_submit([] {}).status == coppice::admission::stopped) &&
          CLAIM(pool->submit_until([] {}, clock_type::now()).status == coppice::admission::stopped) &&
          refuses([&] { pool->stop(); }) && refuses([&] { pool->stats(); }) &&
          refuses([&] { pool->stop_until(clock_type::now()); }) && refuses([&] { pool->resize(3); }) &&
          refuses([&] { runs->wait(); }) && CLAIM(ended->get() == 5);
      runs.reset();
      ended.reset();
      pool.reset();
      coppice::fifo_pool fresh({.workers = 2});
      return all && CLAIM(fresh.submit([] { return 3; }).get() == 3);
    })) << "fork "
        << i;
  release.count_down();
  over = true;
  submitter.join();
  runs->wait();
  EXPECT_EQ(ended->get(), 5);
}

}  // namespace
