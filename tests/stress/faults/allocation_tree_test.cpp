// No memory while a tree grows.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include "allocation_faults.hpp"
#include "support/fib.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using faults::complaint;
using faults::survives_each_fault;
using support::fib;

TEST(allocation, ATreeOfJoinsGivesItsValueOrThrowsBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    return s.run([] { return fib(15); }) == 610 ? nullptr : "another value";
  });
}

// The value of a tree whose root holds memory off from within, so that the job is there already; nothing is
// let in before it ends.
long value_without_memory(coppice::scheduler& s) {
  return s.run([] {
    const faults::no_memory from_now_on;
    for (int i = 0; i < 20; ++i) {
      std::atomic<bool> stolen{false};
      coppice::join([&] { support::fork_until([&] { return stolen.load(); }); }, [&] { stolen = true; });
    }
    return fib(support::sanitized ? 20 : 27);
  });
}
constexpr long value_with_memory = support::sanitized ? 6765 : 196418;

TEST(allocation, ATreeOfJoinsThatRunsNeedsNoMemory) {
  const auto before = faults::faults_injected();
  // A join that waits may want a spare worker for its core: the next test.
  coppice::scheduler_options options = faults::two_workers();
  options.max_spare_workers = 0;
  coppice::scheduler s(options);
  EXPECT_EQ(value_without_memory(s), value_with_memory);
  EXPECT_GT(s.stats().steals_cache + s.stats().steals_node + s.stats().steals_remote, 0U)
      << "nothing was shared";
  EXPECT_EQ(faults::faults_injected(), before) << "it asked for memory, though it did without";
}

TEST(allocation, ATreeOfJoinsGoesOnWithoutTheSpareWorkerThatThereIsNoMemoryFor) {
  coppice::scheduler s(faults::two_workers());
  EXPECT_EQ(value_without_memory(s), value_with_memory);
  EXPECT_EQ(s.run([] { return fib(15); }), 610);
}

TEST(allocation, SpawnedChildrenAllRunOrBadAllocIsReported) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::atomic<unsigned> ran{0};
    auto job = s.submit(
        [&] {
          for (int i = 0; i < 20; ++i)
            coppice::spawn([&] {
              ++ran;
              coppice::spawn([&] { ++ran; }, "a name of a child that is not short");
            });
        },
        {.errors = coppice::error_policy::collect_all()});
    const coppice::job_report& r = job.wait();
    if (ran != r.spawned - 1) return "a child that was counted did not run";
    if (r.result == coppice::outcome::completed && ran != 40) return "a child is missing, and nobody says so";
    return faults::judged(r);
  });
}

TEST(allocation, AGroupsChildrenAllRunOrBadAllocIsThrown) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::atomic<unsigned> ran{0};
    s.run([&] {
      coppice::task_group group;
      for (int i = 0; i < 20; ++i)
        group.spawn([&ran, t = support::tracked()] { ++ran; }, "a name of a child that is not short");
      group.wait();
    });
    return ran == 20 ? nullptr : "a child is missing, and nobody says so";
  });
  EXPECT_EQ(support::tracked::live(), 0) << "closures of children for whose names there was no memory";
}

// They do not fit into a node, so each has an allocation of its own.
TEST(allocation, LargeAndOverAlignedClosuresRunOrBadAllocIsThrown) {
  struct alignas(256) large {
    std::array<char, 512> bytes{};
  };
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::atomic<unsigned> ran{0};
    s.run([&] {
      coppice::task_group group;
      for (int i = 0; i < 8; ++i) group.spawn([&ran, v = large()] { ran += v.bytes[0] == 0 ? 1 : 0; });
      group.wait();
    });
    return ran == 8 ? nullptr : "a child is missing, and nobody says so";
  });
}

// More children than the room that a worker has at first, and a line of ancestors to tidy.
TEST(allocation, ALongLineOfChildrenRunsOrBadAllocIsReported) {
  struct line {
    std::atomic<unsigned>& ran;
    unsigned left;
    void operator()() const {
      ++ran;
      if (left != 0) coppice::spawn(line{ran, left - 1});
    }
  };
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::atomic<unsigned> ran{0};
    auto job = s.submit(line{ran, 1500});
    const coppice::job_report& r = job.wait();
    if (ran != r.spawned) return "a child that was counted did not run";
    if (r.result == coppice::outcome::completed && ran != 1501) return "the line ends early";
    return faults::judged(r);
  });
}

TEST(allocation, LoopsVisitEachIndexOrBadAllocIsThrown) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::atomic<int> sum{0};
    s.run([&] { coppice::parallel_for(0, 100, [&](int i) { sum += i; }); });
    return sum == 4950 ? nullptr : "another sum";
  });
}

TEST(allocation, AReductionGivesItsSumOrBadAllocIsThrown) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    const long sum = s.run([] {
      return coppice::parallel_reduce(
          0, 1000, 0L, [](int i) { return long{i}; }, [](long a, long b) { return a + b; });
    });
    return sum == 499500 ? nullptr : "another sum";
  });
}

TEST(allocation, ASortSortsOrThrowsBadAllocAndLosesNoElement) {
  std::vector<int> input(20'000);
  std::iota(input.begin(), input.end(), 0);
  std::shuffle(input.begin(), input.end(), support::random_source());
  survives_each_fault([&](coppice::scheduler& s) -> complaint {
    std::vector<int> v = input;
    s.run([&] { coppice::parallel_sort(v.begin(), v.end()); });
    return std::is_sorted(v.begin(), v.end()) ? nullptr : "not sorted";
  });
}

TEST(allocation, AWalkVisitsEachNodeOrBadAllocIsThrown) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    std::atomic<unsigned> visited{0};
    const auto children = [](int n) {
      return n < 32 ? std::vector<int>{2 * n, 2 * n + 1} : std::vector<int>{};
    };
    s.run([&] { coppice::walk_tree(1, children, [&](int) { ++visited; }); });
    return visited == 63 ? nullptr : "a node is missing, and nobody says so";
  });
}

}  // namespace
