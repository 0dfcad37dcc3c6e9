// Searches that spawn a task for each thing they find and wait for none: more unstarted children than a deque
// holds, no deeper a stack, nothing lost.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "support/check.hpp"
#include "support/ledger.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

class searching : public support::on_workers {};

constexpr std::size_t narrow_stack = support::sanitized ? std::size_t{2} << 20 : std::size_t{512} << 10;
constexpr std::uint32_t degree = 6;

// A random graph; whoever claims a node visits it.
class graph {
 public:
  explicit graph(std::size_t nodes) : visits(nodes), claimed_(nodes) {
    claimed_[0].store(true, std::memory_order_relaxed);
  }

  template <class Found>
  void each_new_neighbour(std::size_t node, const Found& found) {
    visits.enter(node);
    std::uint64_t random = node * 0x9e3779b97f4a7c15U + 1;
    for (std::uint32_t i = 0; i < degree; ++i) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      // The next node too, so that each can be reached.
      const std::size_t to = i == 0 ? (node + 1) % claimed_.size() : random % claimed_.size();
      if (!claimed_[to].exchange(true, std::memory_order_relaxed)) found(to);
    }
  }

  support::ledger visits;

 private:
  std::vector<std::atomic<bool>> claimed_;
};

struct by_the_job {
  template <class F>
  void spawn(F&& f) const {
    coppice::spawn(std::forward<F>(f));
  }
};

template <class Into>
void visit(graph& g, Into& into, std::size_t node) {
  g.each_new_neighbour(node, [&](std::size_t to) {
    into.spawn([&g, &into, to, t = support::tracked()] { visit(g, into, to); });
  });
}

TEST_ON_WORKERS(searching, ASearchWhoseTasksTheJobWaitsForNeedsNoDeepStack) {
  coppice::scheduler small({.workers = workers(), .stack_bytes = narrow_stack});
  graph g(support::scaled(std::size_t{200'000}));
  by_the_job into;
  const auto report = support::report_of(small, [&] { visit(g, into, 0); });
  EXPECT_EQ(report.result, coppice::outcome::completed) << report;
  EXPECT_EQ(report.succeeded, g.visits.entries());
  EXPECT_TRUE(g.visits.exactly_once());
  if (workers() == 1 && !support::sanitized) {
    EXPECT_GT(small.stats().bundled, 0U);
  }
}

TEST_ON_WORKERS(searching, ASearchWhoseTasksAGroupWaitsForNeedsNoDeepStack) {
  coppice::scheduler small({.workers = workers(), .stack_bytes = narrow_stack});
  graph g(support::scaled(std::size_t{200'000}));
  const auto report = support::report_of(small, [&] {
    coppice::task_group group;
    visit(g, group, 0);
    group.wait();
    EXPECT_TRUE(g.visits.exactly_once()) << "the wait is over";
  });
  EXPECT_EQ(report.result, coppice::outcome::completed) << report;
  EXPECT_EQ(report.succeeded, g.visits.entries());
}

// Joins and waits among the spawns: each finds its own children and runs them, and none of the others' are
// lost.
void visit_and_wait(graph& g, std::size_t node) {
  g.each_new_neighbour(node, [&](std::size_t to) { coppice::spawn([&g, to] { visit_and_wait(g, to); }); });
  int left = 0, right = 0;
  coppice::join(
      [&] {
        coppice::spawn([] {});
        ++left;
      },
      [&] { ++right; });
  EXPECT_EQ(left + right, 2);
  coppice::task_group group;
  std::atomic<int> children = 0;
  for (int i = 0; i < 3; ++i) group.spawn([&] { ++children; });
  group.wait();
  EXPECT_EQ(children, 3);
}

TEST_ON_WORKERS(searching, JoinsAndWaitsOnAFullDequeFindTheirOwnChildren) {
  coppice::scheduler small({.workers = workers(), .stack_bytes = narrow_stack});
  graph g(support::scaled(std::size_t{60'000}));
  const auto report = support::report_of(small, [&] { visit_and_wait(g, 0); });
  EXPECT_EQ(report.result, coppice::outcome::completed) << report;
  EXPECT_EQ(report.succeeded, g.visits.entries() * 5);
  EXPECT_TRUE(g.visits.exactly_once());
}

// The deque is full of branches, which cannot be put aside: what is left for spawns suffices.
TEST_ON_WORKERS(searching, ASearchBelowTenThousandJoinsIsDoneToo) {
  graph g(support::scaled(std::size_t{100'000}));
  by_the_job into;
  const auto below = [&](const auto& self, int joins) -> void {
    if (joins == 0) {
      visit(g, into, 0);
      return;
    }
    coppice::join([&] { self(self, joins - 1); }, [] {});
  };
  const auto report = support::report_of(scheduler(), [&] { below(below, support::scaled(10'000)); });
  EXPECT_EQ(report.result, coppice::outcome::completed) << report;
  EXPECT_TRUE(g.visits.exactly_once());
}

// Whoever comes after the one that cancels waits for it: the search never ends before.
void visit_some(graph& g, std::atomic<std::int64_t>& left, std::size_t node) {
  const std::int64_t before = left.fetch_sub(1, std::memory_order_relaxed);
  if (before == 1) coppice::this_task::cancel_job("enough");
  while (before < 1 && !coppice::this_task::stop_requested()) std::this_thread::yield();
  g.each_new_neighbour(node, [&](std::size_t to) {
    coppice::spawn([&g, &left, to, t = support::tracked()] { visit_some(g, left, to); });
  });
}

TEST_ON_WORKERS(searching, C15ASearchThatIsCancelledSkipsWhatWasPutAside) {
  coppice::scheduler small({.workers = workers(), .stack_bytes = narrow_stack});
  graph g(support::scaled(std::size_t{200'000}));
  std::atomic<std::int64_t> left = support::scaled(50'000);
  const auto report = support::report_of(small, [&] { visit_some(g, left, 0); });
  EXPECT_EQ(report.result, coppice::outcome::cancelled) << report;
  EXPECT_GT(report.skipped, 0U);
  EXPECT_TRUE(g.visits.at_most_once());
  EXPECT_EQ(support::tracked::live(), 0);
}

}  // namespace
