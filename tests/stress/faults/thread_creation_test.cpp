// No thread: pthread_create is replaced in this program (ld --wrap), and fails at the k-th call; and for
// real, at the limit of processes of a user.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdio>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "child.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

std::atomic<int> creations_left{-1};  // negative: no fault
std::function<void()> before_return;  // what goes on while a creation that has succeeded has not returned

}  // namespace

extern "C" {
int __real_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int __wrap_pthread_create(pthread_t* t, const pthread_attr_t* a, void* (*f)(void*), void* argument) {
  if (creations_left.load() >= 0 && creations_left.fetch_sub(1) == 0) return EAGAIN;
  const int error = __real_pthread_create(t, a, f, argument);
  if (const auto meanwhile = std::exchange(before_return, nullptr)) meanwhile();
  return error;
}
}

namespace {

using namespace std::chrono_literals;
using faults::has_text;

class no_thread : public support::without_leaks {
 protected:
  void TearDown() override {
    creations_left = -1;
    without_leaks::TearDown();
  }
};

// What is wrong with the error of a thread that cannot be started; "" if nothing.
template <class F>
std::string fault_in_error_of(const std::string& thread, const F& f) {
  try {
    f();
  } catch (const std::system_error& e) {
    const std::string text = e.what();
    if (e.code() != std::errc::resource_unavailable_try_again) return "another code: " + text;
    if (!has_text(text, thread)) return "it does not name " + thread + ": " + text;
    for (const char* advice : {"fewer workers", "limits"})
      if (!has_text(text, advice)) return "it does not say what to do: " + text;
    return {};
  }
  return "nothing was thrown";
}

TEST_F(no_thread, WhicheverWorkerCannotStartThoseThatDidAreJoinedAndTheErrorNamesIt) {
  constexpr unsigned workers = 12;
  for (unsigned k = 0; k < workers; ++k) {
    creations_left = static_cast<int>(k);
    const std::string name = std::string("crew-") + (k < 10 ? "0" : "") + std::to_string(k);
    EXPECT_EQ(fault_in_error_of(name, [] { coppice::scheduler({.workers = workers, .name = "crew"}); }), "");
    EXPECT_EQ(support::threads_settled(support::threads_at_rest()), support::threads_at_rest()) << k;
  }
  creations_left = static_cast<int>(workers);
  EXPECT_EQ(coppice::scheduler({.workers = workers}).run([] { return 1; }), 1)
      << "the next thread is not needed";
  std::printf("faults injected: %u\n", workers);
}

cpu_set_t cpus_of_the_worker(coppice::scheduler& s) {
  return s.run([] {
    coppice::blocking([] {});  // the worker looks around anew
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
    return set;
  });
}

TEST_F(no_thread, AResizeThatCannotStartAThreadLeavesThePlanAsItWas) {
  coppice::scheduler s({.workers = 1, .name = "crew"});
  const std::string plan = s.describe();
  const cpu_set_t cpus = cpus_of_the_worker(s);
  const std::size_t threads = support::threads_now();
  for (const int k : {0, 1, 20}) {
    creations_left = k;
    EXPECT_EQ(fault_in_error_of("crew-", [&] { s.resize(64); }), "");
    EXPECT_EQ(s.workers(), 1U);
    EXPECT_EQ(support::threads_settled(threads), threads) << "those that were started leave";
    EXPECT_EQ(s.describe(), plan);
    const cpu_set_t now = cpus_of_the_worker(s);
    EXPECT_TRUE(CPU_EQUAL(&now, &cpus)) << "the worker is bound as before";
  }
  s.resize(64);
  EXPECT_EQ(s.workers(), 64U);
  std::printf("faults injected: 3\n");
}

TEST_F(no_thread, AJobWhoseDeadlineNobodyCouldWatchIsRefusedAndTheNextOneIsTaken) {
  coppice::scheduler s({.workers = 2, .name = "crew"});
  const coppice::job_options in_an_hour{.deadline = std::chrono::steady_clock::now() + 1h};
  auto closure = [v = std::make_unique<int>(1)] { return *v; };
  for (int i = 0; i < 3; ++i) {
    creations_left = 0;
    EXPECT_EQ(fault_in_error_of("crew-timer", [&] { s.submit(std::move(closure), in_an_hour); }), "");
    creations_left = 0;
    EXPECT_EQ(fault_in_error_of("crew-timer", [&] { s.try_submit(std::move(closure), in_an_hour); }), "");
  }
  EXPECT_EQ(s.stats().jobs, 0U) << "nothing was counted";
  EXPECT_EQ(s.run(std::move(closure), in_an_hour), 1) << "untouched";
  EXPECT_EQ(s.stop().rejected, 0U);
}

// An inner job gets its outer one's deadline after it was accepted: then it can only be stopped.
TEST_F(no_thread, AnInnerJobWhoseInheritedDeadlineNobodyCouldWatchIsStopped) {
  coppice::scheduler s({.workers = 2});
  coppice::scheduler other({.workers = 1});
  const coppice::job_options in_an_hour{.deadline = std::chrono::steady_clock::now() + 1h};
  const auto result = s.run(
      [&] {
        creations_left = 0;
        return other.submit([] {}).wait().result;
      },
      in_an_hour);
  EXPECT_EQ(result, coppice::outcome::deadline_exceeded);
  EXPECT_EQ(other.run([] { return 1; }), 1);
}

TEST_F(no_thread, ASpareWorkerThatCannotStartLeavesACoreVacantUntilALaterLook) {
  for (int repetition = 0; repetition < 20; ++repetition) {
    coppice::scheduler s({.workers = 1});
    std::latch release(1);
    std::atomic<unsigned> ran{0};
    auto standing = s.submit([&] {
      return coppice::blocking([&] {
        release.wait();
        return 1;
      });
    });
    while (s.stats().standing != 1) std::this_thread::yield();
    creations_left = 0;
    auto left_alone = s.submit([&] { ++ran; });
    EXPECT_EQ(creations_left, -1) << "a spare worker was asked for";
    EXPECT_TRUE(has_text(s.describe(), "1 could not be (no thread or no memory)")) << s.describe();
    EXPECT_EQ(ran, 0U);
    EXPECT_EQ(s.stats().spares, 0U);
    if (repetition % 2 == 0) {
      // Work that comes later makes it try again.
      s.submit([&] { ++ran; }).get();
      left_alone.wait();
      EXPECT_EQ(ran, 2U);
      EXPECT_EQ(s.stats().spares, 1U);
    }
    release.count_down();
    EXPECT_EQ(standing.get(), 1);
    EXPECT_EQ(left_alone.wait().succeeded, 1U);
  }
  std::printf("faults injected: 20\n");
}

// Others are there: whoever is refused a thread leaves the work to them.
TEST_F(no_thread, WorkOfALenderThatIsRefusedASpareWorkerIsRunByOthers) {
  coppice::scheduler s({.workers = 3});
  std::atomic<int> faults{0};
  for (int repetition = 0; repetition < 50; ++repetition) {
    std::atomic<unsigned> ran{0};
    creations_left = repetition % 3;
    s.run([&] {
      coppice::task_group group;
      for (int i = 0; i < 10; ++i)
        group.spawn([&] {
          coppice::blocking([] { std::this_thread::yield(); });
          ++ran;
        });
      group.wait();
    });
    if (creations_left.exchange(-1) < 0) ++faults;
    ASSERT_EQ(ran, 10U);
  }
  std::printf("faults injected: %d\n", faults.load());
}

// The core of a worker that comes back is held by a spare worker, so it parks and is given another core: by
// somebody who runs before its creator does.
class slow_creator {
 public:
  void run() {
    auto first = s_.submit([this] { begin(); });
    auto second = s_.submit([this] { begin(); });
    while (s_.stats().standing != 1) std::this_thread::yield();
    auto holds_core = s_.submit([this] { hold_core(); });
    wait_until(is_held_);
    comes_back_ = true;
    while (s_.stats().standing != 0) std::this_thread::yield();
    const std::size_t threads = support::threads_now();
    s_.resize(1);
    leaves_ = true;
    EXPECT_EQ(support::threads_settled(threads - 1), threads - 1);
    before_return = [this] { give_it_the_first_core(); };
    s_.resize(2);
    EXPECT_FALSE(before_return) << "no thread was made";
    before_return = nullptr;
    over_ = true;
    first.get();
    second.get();
    holds_core.get();
  }

 private:
  static void wait_until(const std::atomic<bool>& flag) {
    while (!flag) std::this_thread::yield();
  }

  void begin() {
    both_run_.arrive_and_wait();
    if (coppice::this_task::worker() == 0) return lend_first_core();
    coppice::blocking([this] { wait_until(comes_back_); });
    wait_until(leaves_);
  }

  // The spare worker: before the other comes back, or that one would be alone there, and take this on too.
  void hold_core() {
    EXPECT_EQ(s_.stats().spares, 1U);
    is_held_ = true;
    wait_until(over_);
  }

  void lend_first_core() {
    for (unsigned round = 1; !over_; std::this_thread::yield())
      if (lends_ == round) coppice::blocking([this, &round] { lends_.wait(round); }), round += 2;
  }

  void give_it_the_first_core() {
    const std::uint64_t borrowings = s_.stats().borrowings;
    for (unsigned round = 1; s_.stats().borrowings == borrowings; round += 2) {
      lends_ = round;
      while (s_.stats().standing != 1) std::this_thread::yield();
      EXPECT_EQ(s_.submit([] { return coppice::this_task::worker(); }).get(), 1);
      lends_ = round + 1;
      lends_.notify_all();
      while (s_.stats().standing != 0) std::this_thread::yield();
    }
  }

  std::latch both_run_{2};
  std::atomic<bool> is_held_{false}, comes_back_{false}, leaves_{false}, over_{false};
  std::atomic<unsigned> lends_{0};
  coppice::scheduler s_{{.workers = 2, .max_spare_workers = 1}};
};

TEST_F(no_thread, AWorkerMayBeGivenAnotherCoreBeforeTheCreationOfItsThreadHasReturned) {
  slow_creator().run();
}

// A user who may have a few threads and no more. False: it cannot be arranged here.
bool become_a_user_of(rlim_t threads) {
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return false;
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // /proc/self stays readable
  rlimit limit{};
  if (getrlimit(RLIMIT_NPROC, &limit) != 0) return false;
  limit.rlim_cur = std::min(threads, limit.rlim_max);
  return setrlimit(RLIMIT_NPROC, &limit) == 0;
}

bool raise_the_limit() {
  rlimit now{};
  if (getrlimit(RLIMIT_NPROC, &now) != 0) return false;
  now.rlim_cur = now.rlim_max;
  return setrlimit(RLIMIT_NPROC, &now) == 0;
}

TEST_F(no_thread, AtTheLimitOfAUserTheSchedulerAndThePoolRefuseAndWorkOnceItIsRaised) {
  EXPECT_TRUE(faults::holds_in_child([] {
    if (!become_a_user_of(6)) {
      std::puts(
          "NOT DONE HERE: this process cannot become another user, so pthread_create was replaced only");
      return true;
    }
    const std::size_t at_rest = support::threads_now() + (support::sanitized ? 1 : 0);
    for (int i = 0; i < 5; ++i) {
      const std::string wrong =
          fault_in_error_of("crew-", [] { coppice::scheduler({.workers = 16, .name = "crew"}); });
      if (!CLAIM(wrong.empty(), wrong)) return false;
      bool refused = false;
      try {
        coppice::fifo_pool({.workers = 16});
      } catch (const std::system_error& e) {
        refused = e.code() == std::errc::resource_unavailable_try_again;
      }
      if (!CLAIM(refused) || !CLAIM(support::threads_settled(at_rest) <= at_rest)) return false;
    }
    if (!CLAIM(raise_the_limit())) return false;
    coppice::scheduler s({.workers = 16});
    coppice::fifo_pool pool({.workers = 16});
    return CLAIM(s.run([] { return 1; }) == 1) && CLAIM(pool.submit([] { return 1; }).get() == 1);
  }));
}

}  // namespace
