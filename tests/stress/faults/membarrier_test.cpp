// No membarrier: everything is right without it, and describe() says what is missing.
//
// All in children: a process learns once whether it has one.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <coppice/coppice.hpp>
#include <functional>
#include <stdexcept>
#include <string>

#include "child.hpp"
#include "support/check.hpp"
#include "support/fib.hpp"
#include "support/ledger.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

using faults::has_text;
using faults::holds_in_child;
using support::fib;

testing::AssertionResult holds_without_membarrier(const std::function<bool(coppice::scheduler&)>& claims) {
  for (const int error : {ENOSYS, EPERM}) {
    const auto held = holds_in_child([&] {
      faults::refuse_system_call(SYS_membarrier, error);
      for (const unsigned workers : {1U, 2U, 3U}) {
        coppice::scheduler s({.workers = workers});
        const std::string text = s.describe();
        if (!CLAIM(has_text(text, "no membarrier here") && !has_text(text, "exposed by"), text)) return false;
        if (!claims(s) || !CLAIM(s.stats().exposures == 0)) return false;
      }
      return true;
    });
    if (!held) return testing::AssertionFailure() << "error " << error << ": " << held.message();
  }
  return testing::AssertionSuccess();
}

TEST(no_membarrier, TreesGiveTheirValue) {
  EXPECT_TRUE(holds_without_membarrier([](coppice::scheduler& s) {
    for (int i = 0; i < 20; ++i)
      if (!CLAIM(s.run([] { return fib(18); }) == 2584)) return false;
    return true;
  }));
}

TEST(no_membarrier, EachChildRunsOnce) {
  EXPECT_TRUE(holds_without_membarrier([](coppice::scheduler& s) {
    const std::size_t children = support::scaled(std::size_t{20'000});
    support::ledger all(children);
    s.run([&] {
      coppice::task_group group;
      for (std::size_t i = 0; i < children; ++i) group.spawn([&all, i] { all.enter(i); });
      group.wait();
    });
    return CLAIM(all.exactly_once());
  }));
}

TEST(no_membarrier, WhatLiesBehindALongLeafIsSharedAtItsNextFork) {
  EXPECT_TRUE(holds_without_membarrier([](coppice::scheduler& s) {
    if (s.workers() == 1) return true;
    for (int i = 0; i < 20; ++i) {
      std::atomic<bool> taken{false};
      int who = -1;
      int other = -1;
      s.run([&] {
        who = coppice::this_task::worker();
        coppice::join([&] { support::fork_until([&] { return taken.load(); }); },
                      [&] {
                        other = coppice::this_task::worker();
                        taken = true;
                      });
      });
      if (!CLAIM(other != -1 && other != who)) return false;
    }
    return true;
  }));
}

TEST(no_membarrier, ErrorsCancelsAndStopsAreAsEver) {
  EXPECT_TRUE(holds_without_membarrier([](coppice::scheduler& s) {
    auto failing = s.submit([] {
      coppice::task_group group;
      for (int i = 0; i < 50; ++i) group.spawn([] { throw std::runtime_error("x"); });
      group.wait();
    });
    auto cancelled = s.submit([] {
      for (;;) coppice::join([] {}, [] {});
    });
    cancelled.cancel();
    return CLAIM(failing.wait().result == coppice::outcome::failed) &&
           CLAIM(cancelled.wait().result == coppice::outcome::cancelled) && CLAIM(s.stop().skipped == 0);
  }));
}

}  // namespace
