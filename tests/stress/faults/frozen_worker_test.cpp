// A worker that stands still: in the middle of a task, where the others must do without it; at any
// instruction, where they may have to wait for a lock that it holds, and must go on once it does; and all at
// once, as a shell stops and continues a process.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <coppice/coppice.hpp>
#include <csignal>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "storm.hpp"
#include "support/fib.hpp"
#include "support/ledger.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

using support::fib;

// The handler says that it is there and waits for a byte: both may be done in a handler.
std::atomic<bool> is_frozen{false};
static_assert(std::atomic<bool>::is_always_lock_free);
int pipe_out = -1;

void stand(int) {
  const int kept = errno;
  is_frozen.store(true);
  char byte = 0;
  while (read(pipe_out, &byte, 1) != 1) {
  }
  errno = kept;
}

class frozen_worker : public support::without_leaks {
 protected:
  void SetUp() override {
    without_leaks::SetUp();
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pipe_out = ends[0];
    pipe_in_ = ends[1];
    struct sigaction action {};
    action.sa_handler = &stand;
    ASSERT_EQ(sigaction(SIGUSR2, &action, &before_), 0);
  }
  void TearDown() override {
    sigaction(SIGUSR2, &before_, nullptr);
    close(pipe_out);
    close(pipe_in_);
    without_leaks::TearDown();
  }

  static void freeze(pthread_t thread) {
    is_frozen = false;
    ASSERT_EQ(pthread_kill(thread, SIGUSR2), 0);
    while (!is_frozen) sched_yield();
  }
  void thaw() const {
    const char byte = 0;
    ASSERT_EQ(write(pipe_in_, &byte, 1), 1);
  }

 private:
  int pipe_in_ = -1;
  struct sigaction before_ {};
};

// The worker is frozen in a leaf, with children in its deque that nobody asked for yet. They must all run on
// the others: its private part is exposed.
TEST_F(frozen_worker, InALeafItKeepsNobodyFromTheWorkBehindIt) {
  for (const unsigned workers : {2U, 3U, 8U})
    for (int i = 0; i < support::scaled(50); ++i) {
      coppice::scheduler s({.workers = workers});
      if (s.describe().find("no membarrier") != std::string::npos)
        GTEST_SKIP() << "without membarrier, work behind a long leaf waits for its next fork";
      constexpr std::size_t children = 40;
      support::ledger ran(children);
      std::atomic<pthread_t> leaf{};
      std::atomic<bool> over{false};
      auto job = s.submit([&] {
        for (std::size_t c = 0; c < children; ++c) coppice::spawn([&ran, c] { ran.enter(c); });
        leaf = pthread_self();
        while (!over) {
        }
      });
      while (leaf == pthread_t{}) sched_yield();
      freeze(leaf);
      while (ran.entries() != children) sched_yield();
      auto other = s.submit([] { return 1; });
      EXPECT_EQ(other.get(), 1) << "and a new job needs it neither";
      EXPECT_FALSE(job.done());
      over = true;
      thaw();
      EXPECT_EQ(job.wait().succeeded, children + 1);
      EXPECT_TRUE(ran.exactly_once());
    }
}

// The same for branches of joins, and for a thief that was frozen in what it stole.
TEST_F(frozen_worker, AThiefInItsBranchKeepsNobodyButWhoeverWaitsForTheBranch) {
  for (int i = 0; i < support::scaled(50); ++i) {
    coppice::scheduler s({.workers = 3});
    std::atomic<pthread_t> thief{};
    std::atomic<bool> over{false};
    auto waits = s.submit([&] {
      const auto own = pthread_self();
      coppice::join([&] { support::fork_until([&] { return thief != pthread_t{}; }); },
                    [&] {
                      thief = pthread_self();
                      while (!over) {
                      }
                    });
      return own != thief.load();
    });
    while (thief == pthread_t{}) sched_yield();
    freeze(thief);
    for (int k = 0; k < 20; ++k) EXPECT_EQ(s.run([] { return 1; }), 1);
    EXPECT_FALSE(waits.done());
    over = true;
    thaw();
    EXPECT_TRUE(waits.get());
  }
}

// pthread_self() of each worker.
std::vector<pthread_t> threads_of(coppice::scheduler& s) {
  std::vector<pthread_t> all(s.workers());
  std::atomic<unsigned> there{0};
  std::vector<coppice::job<void>> jobs;
  for (unsigned i = 0; i < s.workers(); ++i)
    jobs.push_back(s.submit([&] {
      all[static_cast<std::size_t>(coppice::this_task::worker())] = pthread_self();
      ++there;
      while (there != s.workers()) sched_yield();
    }));
  for (auto& job : jobs) job.get();
  return all;
}

TEST_F(frozen_worker, AtAnyInstructionItDelaysAndBreaksNothing) {
  auto random = support::random_source();
  coppice::scheduler s({.workers = 3});
  const std::vector<pthread_t> workers = threads_of(s);
  std::atomic<bool> over{false};
  std::atomic<unsigned> jobs{0};
  std::thread submitter([&] {
    while (!over) {
      EXPECT_EQ(s.run([] { return fib(12); }), 144);
      std::atomic<int> sum{0};
      s.run([&] {
        coppice::task_group group;
        for (int i = 0; i < 50; ++i) group.spawn([&] { ++sum; });
        group.wait();
        coppice::spawn([&] { coppice::spawn([&] { ++sum; }); });
      });
      EXPECT_EQ(sum, 51);
      try {
        s.run([] { coppice::join([] { fib(5); }, [] { throw std::runtime_error("x"); }); });
        ADD_FAILURE() << "no error";
      } catch (const coppice::job_error&) {
        ++jobs;
      }
    }
  });
  for (int i = 0; i < support::scaled(2000); ++i) {
    freeze(workers[random() % workers.size()]);
    // Mostly short: where other programs want the processor a yield takes milliseconds.
    for (auto n = random() % (i % 16 == 0 ? 50 : 3); n != 0; --n) sched_yield();
    thaw();
    if (i % 8 == 0) {
      const unsigned before = jobs;
      while (jobs == before) sched_yield();  // everything goes on
    }
  }
  over = true;
  submitter.join();
}

TEST_F(frozen_worker, AProcessThatIsStoppedAndContinuedGoesOn) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    alarm(support::sanitized ? 600 : 60);
    char byte = 0;
    if (write(ready[1], &byte, 1) != 1) _exit(2);
    faults::work_of_each_kind(support::scaled(100));
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  unsigned stops = 0;
  int status = 0;
  for (;;) {
    kill(child, SIGSTOP);
    ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
    if (!WIFSTOPPED(status)) break;
    ++stops;
    kill(child, SIGCONT);
    ASSERT_EQ(waitpid(child, &status, WCONTINUED), child);
    if (!WIFCONTINUED(status)) break;
    for (int i = 0; i < 20; ++i) sched_yield();
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  EXPECT_GT(stops, 3U);
}

}  // namespace
