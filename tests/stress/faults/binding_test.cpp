// No binding: what a whole scheduler makes of each refusal that tests/inside/topology_binding_test.cpp knows,
// and of hwloc descriptions that are none. With require_pinning each is an error.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <coppice/coppice.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <latch>
#include <string>
#include <system_error>
#include <thread>

#include "child.hpp"
#include "support/process.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"

namespace {

using faults::has_text;
using faults::holds_in_child;

// It runs, says why it is not pinned, and with require_pinning it is an error with the same words.
bool runs_unpinned_and_says(const std::string& why, coppice::scheduler_options options = {}) {
  // A sanitizer may start a thread of its own.
  const std::size_t at_rest = support::threads_now() + (support::sanitized ? 1 : 0);
  for (int i = 0; i < 3; ++i) {
    coppice::scheduler s(options);
    const std::string text = s.describe();
    if (!CLAIM(has_text(text, "pinning: not pinned"), text) || !CLAIM(has_text(text, why), text))
      return false;
    const auto [a, b] = s.run([] { return coppice::join([] { return 1; }, [] { return 2; }); });
    if (!CLAIM(a + b == 3)) return false;
    s.stop();
    options.require_pinning = true;
    std::string refusal;
    try {
      coppice::scheduler strict(options);
    } catch (const std::system_error& e) {
      refusal = e.what();
    }
    options.require_pinning = false;
    if (!CLAIM(has_text(refusal, "require_pinning"), refusal) || !CLAIM(has_text(refusal, why), refusal) ||
        !CLAIM(support::threads_settled(at_rest) <= at_rest))
      return false;
  }
  return true;
}

TEST(no_binding, WhereTheKernelForbidsIt) {
  EXPECT_TRUE(holds_in_child([] {
    faults::refuse_system_call(SYS_sched_setaffinity, EPERM);
    return runs_unpinned_and_says("EPERM: not permitted");
  }));
}

TEST(no_binding, SpareWorkersRunUnboundWhereTheKernelForbidsIt) {
  EXPECT_TRUE(holds_in_child([] {
    faults::refuse_system_call(SYS_sched_setaffinity, EPERM);
    coppice::scheduler s({.workers = 2});
    std::latch release(1);
    auto job = s.submit([&] {
      for (int i = 0; i < 8; ++i) coppice::spawn([&] { coppice::blocking([&] { release.wait(); }); });
    });
    while (s.stats().standing != 8) std::this_thread::yield();
    release.count_down();
    return CLAIM(job.wait().succeeded == 9);
  }));
}

TEST(no_binding, WhereTheKernelDoesNotKnowIt) {
  EXPECT_TRUE(holds_in_child([] {
    faults::refuse_system_call(SYS_sched_setaffinity, ENOSYS);
    return runs_unpinned_and_says("ENOSYS: not supported");
  }));
}

TEST(no_binding, WhereThePlacesDoNotExist) {
  EXPECT_TRUE(holds_in_child([] {
    setenv("HWLOC_THISSYSTEM", "1", 1);
    return runs_unpinned_and_says("EINVAL: none of these PUs may be used",
                                  {.topology = "core:3 pu:1(indexes=40000,40001,40002)"});
  }));
}

// The second worker's place does not exist.
TEST(no_binding, AResizeThatRequiresPinningIsRefusedAndLeavesAllAsItWas) {
  EXPECT_TRUE(holds_in_child([] {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    if (!CLAIM(sched_getaffinity(0, sizeof mine, &mine) == 0)) return false;
    unsigned first = 0;
    while (!CPU_ISSET(first, &mine)) ++first;
    setenv("HWLOC_THISSYSTEM", "1", 1);
    coppice::scheduler s({.workers = 1,
                          .require_pinning = true,
                          .topology = "core:2 pu:1(indexes=" + std::to_string(first) + ",40000)"});
    const std::string plan = s.describe();
    const std::size_t threads = support::threads_now();
    std::string refusal;
    try {
      s.resize(2);
    } catch (const std::system_error& e) {
      refusal = e.what();
    }
    return CLAIM(has_text(refusal, "require_pinning"), refusal) &&
           CLAIM(has_text(refusal, "worker 1 to PU 40000: EINVAL"), refusal) && CLAIM(s.workers() == 1) &&
           CLAIM(s.describe() == plan, s.describe()) && CLAIM(support::threads_settled(threads) == threads) &&
           CLAIM(s.run([] { return coppice::this_task::worker(); }) == 0);
  }));
}

TEST(no_binding, WhereTheMaskCannotBeReadEither) {
  if (support::sanitized) GTEST_SKIP() << "a sanitizer asks each thread for its mask, and ends without";
  EXPECT_TRUE(holds_in_child([] {
    setenv("HWLOC_COMPONENTS", "stop", 1);  // hwloc has no way of looking at the machine
    faults::refuse_system_call(SYS_sched_getaffinity, EPERM);
    return runs_unpinned_and_says("hwloc could not read this machine");
  }));
}

long nested(long levels) {
  if (levels == 0) return 0;
  const auto [a, b] = coppice::join([=] { return nested(levels - 1); }, [] { return 1L; });
  return a + b;
}

// The C library asks for the mask when it is asked where a stack ends.
TEST(no_binding, WhereTheMaskCannotBeReadRecursionIsRefusedAllTheSame) {
  if (support::sanitized) GTEST_SKIP() << "a sanitizer asks each thread for its mask, and ends without";
  EXPECT_TRUE(holds_in_child([] {
    setenv("HWLOC_COMPONENTS", "stop", 1);  // hwloc would ask again and again
    faults::refuse_system_call(SYS_sched_getaffinity, EPERM);
    coppice::scheduler s({.workers = 2, .stack_bytes = std::size_t{1} << 20});
    try {
      s.run([] { return nested(1'000'000'000); });
    } catch (const coppice::job_error& e) {
      return CLAIM(has_text(e.what(), "recursion too deep"), e.what()) &&
             CLAIM(s.run([] { return nested(100); }) == 100);
    }
    return CLAIM(false);
  }));
}

// hwloc takes the variable, and falls back to the machine if it can read nothing else there.
bool works_with_description(const std::string& file) {
  setenv("HWLOC_XMLFILE", file.c_str(), 1);
  coppice::scheduler s;
  const std::string text = s.describe();
  return CLAIM(s.workers() >= 1) && CLAIM(has_text(text, "pinning: "), text) &&
         CLAIM(s.run([] { return 1; }) == 1);
}

TEST(no_binding, WhereHwlocIsSentToAFileThatDoesNotExist) {
  EXPECT_TRUE(holds_in_child([] { return works_with_description("/nonexistent/machine.xml"); }));
}

TEST(no_binding, WhereHwlocIsSentToGarbage) {
  auto random = support::random_source();
  for (const std::string start :
       {"", "<", "<?xml version=\"1.0\"?><topology version=\"2.0\"><object type=\"Machine\""}) {
    const std::string file = testing::TempDir() + "coppice-garbage-" + std::to_string(getpid()) + ".xml";
    {
      std::ofstream out(file, std::ios::binary);
      out << start;
      for (int i = 0; i < 4096; ++i) out.put(static_cast<char>(random()));
    }
    EXPECT_TRUE(holds_in_child([&] { return works_with_description(file); })) << start;
    std::remove(file.c_str());
  }
}

}  // namespace
