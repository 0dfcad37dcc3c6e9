// parallel_sort against std::sort; walk_tree on random trees and on chains longer than any stack.
#include <gtest/gtest.h>

#include <algorithm>
#include <compare>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "support/check.hpp"
#include "support/ledger.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using coppice::parallel_sort;
using support::failure;
using support::tracked;

class sorting : public support::on_workers {};
class walking : public support::on_workers {};

const std::size_t many = support::scaled(std::size_t{200'000});

TEST_ON_WORKERS(sorting, GivesWhatStdSortGives) {
  auto random = support::random_source();
  std::vector<std::vector<int>> inputs;
  for (const std::size_t n :
       {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{4096}, std::size_t{4097}, many}) {
    std::vector<int> v(n);
    for (int& x : v) x = static_cast<int>(random());
    inputs.push_back(v);
    std::sort(v.begin(), v.end());
    inputs.push_back(v);
    std::reverse(v.begin(), v.end());
    inputs.push_back(v);
    for (int& x : v) x = static_cast<int>(random() % 3);
    inputs.push_back(v);
    inputs.emplace_back(n, 7);
  }
  for (const auto& input : inputs) {
    auto wanted = input, got = input, backwards = input;
    std::sort(wanted.begin(), wanted.end());
    scheduler().run([&] {
      parallel_sort(got.begin(), got.end());
      parallel_sort(backwards.begin(), backwards.end(), std::greater<>());
    });
    EXPECT_EQ(got, wanted);
    std::reverse(wanted.begin(), wanted.end());
    EXPECT_EQ(backwards, wanted);
  }
}

TEST_ON_WORKERS(sorting, MoveOnlyElementsKeepTheirIdentity) {
  auto random = support::random_source();
  const std::size_t n = many / 10;
  std::vector<std::unique_ptr<tracked>> v(n);
  std::set<const tracked*> before;
  for (auto& p : v) {
    p = std::make_unique<tracked>(static_cast<int>(random() % 1000));
    before.insert(p.get());
  }
  scheduler().run([&] {
    parallel_sort(v.begin(), v.end(), [](const auto& a, const auto& b) { return a->value() < b->value(); });
  });
  EXPECT_TRUE(std::is_sorted(v.begin(), v.end(),
                             [](const auto& a, const auto& b) { return a->value() < b->value(); }));
  for (const auto& p : v) EXPECT_EQ(before.erase(p.get()), 1U);
}

TEST_ON_WORKERS(sorting, AComparisonThatThrowsLeavesLivingElements) {
  auto random = support::random_source();
  const std::size_t n = many / 4;
  for (int i = 0; i < 5; ++i) {
    std::vector<tracked> v;
    for (std::size_t k = 0; k < n; ++k) v.emplace_back(static_cast<int>(random() % 100'000));
    const std::uint64_t when = random() % (n * 4);
    std::atomic<std::uint64_t> comparisons{0};
    const auto report = support::report_of(scheduler(), [&] {
      parallel_sort(v.begin(), v.end(), [&](const tracked& a, const tracked& b) {
        if (comparisons.fetch_add(1, std::memory_order_relaxed) == when) throw failure("compared enough");
        return a.value() < b.value();
      });
    });
    EXPECT_EQ(support::lines(report).size(), 1U);
    EXPECT_EQ(tracked::live(), static_cast<long>(n)) << "none is lost, none is doubled";
  }
}

// Counts its distances in as few bits as the standard lets it.
class short_iterator {
 public:
  using iterator_category = std::random_access_iterator_tag;
  using value_type = int;
  using difference_type = short;
  using pointer = int*;
  using reference = int&;

  short_iterator() = default;
  explicit short_iterator(int* at) : at_(at) {}
  int& operator*() const { return *at_; }
  int& operator[](short n) const { return at_[n]; }
  short_iterator& operator+=(short n) {
    at_ += n;
    return *this;
  }
  short_iterator& operator-=(short n) {
    at_ -= n;
    return *this;
  }
  short_iterator& operator++() { return *this += 1; }
  short_iterator& operator--() { return *this -= 1; }
  short_iterator operator++(int) { return short_iterator(at_++); }
  short_iterator operator--(int) { return short_iterator(at_--); }
  friend short_iterator operator+(short_iterator i, short n) { return i += n; }
  friend short_iterator operator-(short_iterator i, short n) { return i -= n; }
  friend short operator-(short_iterator a, short_iterator b) { return static_cast<short>(a.at_ - b.at_); }
  friend auto operator<=>(short_iterator, short_iterator) = default;

 private:
  int* at_ = nullptr;
};

TEST_ON_WORKERS(sorting, ARangeIsSortedThatIsCountedInAShort) {
  std::vector<int> v(30'000);
  std::iota(v.begin(), v.end(), 0);
  const auto wanted = v;
  std::shuffle(v.begin(), v.end(), support::random_source());
  scheduler().run([&] {
    const short_iterator first(v.data());
    parallel_sort(first, first + static_cast<short>(v.size()));
  });
  EXPECT_EQ(v, wanted);
}

TEST(sorting_serially, OutsideOfATaskItSortsHere) {
  std::vector<int> v(10'000);
  std::iota(v.rbegin(), v.rend(), 0);
  parallel_sort(v.begin(), v.end());
  EXPECT_TRUE(std::is_sorted(v.begin(), v.end()));
}

using tree = std::vector<std::vector<std::size_t>>;

template <class Visit>
void walk_all_of(const tree& t, Visit visit) {
  coppice::walk_tree(
      std::size_t{0}, [&t](std::size_t node) -> const std::vector<std::size_t>& { return t[node]; }, visit);
}

// Each node's parent is a random earlier one.
tree random_tree(std::size_t n, std::mt19937_64& random) {
  tree t(n);
  for (std::size_t i = 1; i < n; ++i) t[random() % i].push_back(i);
  return t;
}

tree chain(std::size_t n) {
  tree t(n);
  for (std::size_t i = 1; i < n; ++i) t[i - 1].push_back(i);
  return t;
}

// Visits all nodes, each once and after its parent. The flags are plain: C-06 from parent to child.
void expect_full_walk(coppice::scheduler& s, const tree& t) {
  std::vector<std::size_t> parent(t.size());
  for (std::size_t i = 0; i < t.size(); ++i)
    for (const std::size_t c : t[i]) parent[c] = i;
  support::ledger book(t.size());
  std::vector<char> visited(t.size());
  s.run([&] {
    walk_all_of(t, [&](std::size_t node) {
      book.enter(node);
      if (node != 0) {
        EXPECT_EQ(visited[parent[node]], 1) << "a node before its children";
      }
      visited[node] = 1;
    });
    EXPECT_TRUE(book.exactly_once());
  });
}

TEST_ON_WORKERS(walking, EachNodeOfARandomTreeIsVisitedOnceAfterItsParent) {
  auto random = support::random_source();
  for (const std::size_t n :
       {std::size_t{1}, std::size_t{2}, std::size_t{1000}, support::scaled(std::size_t{30'000})})
    expect_full_walk(scheduler(), random_tree(n, random));
}

TEST_ON_WORKERS(walking, AChainOf100000NodesIsNoDeeperThanAStack) {
  expect_full_walk(scheduler(), chain(support::scaled(std::size_t{100'000})));
}

TEST_ON_WORKERS(walking, ABroomHasManyChildrenBelowALongChain) {
  tree t = chain(1000);
  for (std::size_t i = 0; i < 2000; ++i) {
    t[999].push_back(t.size());
    t.emplace_back();
  }
  expect_full_walk(scheduler(), t);
}

TEST_ON_WORKERS(walking, TheLeftmostFailureComesOut) {
  auto random = support::random_source();
  const tree t = random_tree(2000, random);
  const auto report = support::report_of(
      scheduler(),
      [&] {
        walk_all_of(t, [&](std::size_t node) {
          if (!t[node].empty() || node == 0) return;
          throw failure(node);
        });
      },
      support::collecting());
  // The leaf that a serial walk reaches first.
  std::size_t leftmost = 0;
  while (!t[leftmost].empty()) leftmost = t[leftmost].front();
  ASSERT_FALSE(report.errors.empty());
  EXPECT_EQ(report.errors.front().message, std::to_string(leftmost));
  EXPECT_FALSE(report.errors.front().secondary);
}

// Nodes 0 to n-1 are a chain; node n is the root's second child.
tree chain_beside_a_leaf(std::size_t n) {
  tree t = chain(n);
  t[0].push_back(n);
  t.emplace_back();
  return t;
}

TEST_ON_WORKERS(walking, C10C25AFailureDeepBelowTheLeftIsNotLostToAShallowOneOnTheRight) {
  constexpr std::size_t length = 600, deep = 500;
  const tree t = chain_beside_a_leaf(length);
  for (const auto& policy : {coppice::error_policy::collect_all(), coppice::error_policy::serial_first()}) {
    std::atomic<std::size_t> visited{0};
    const auto report = support::report_of(scheduler(),
                                           [&] {
                                             walk_all_of(t, [&](std::size_t node) {
                                               ++visited;
                                               if (node == deep || node == length) throw failure(node);
                                             });
                                           },
                                           {.errors = policy});
    ASSERT_FALSE(report.errors.empty());
    EXPECT_EQ(report.errors.front().message, std::to_string(deep));
    EXPECT_FALSE(report.errors.front().secondary);
    EXPECT_EQ(report.errors_total, policy.collects_all() ? 2U : report.errors_total);
    EXPECT_GT(visited, deep);
  }
}

TEST_ON_WORKERS(walking, UnderCollectAllEverythingIsVisitedThatIsNotBelowAFailure) {
  constexpr std::size_t length = 1000;
  const tree t = chain_beside_a_leaf(length);
  std::atomic<std::size_t> visited{0};
  const auto report = support::report_of(
      scheduler(),
      [&] {
        walk_all_of(t, [&](std::size_t node) {
          ++visited;
          if (node == length) throw failure(node);
        });
      },
      support::collecting());
  EXPECT_EQ(report.errors_total, 1U);
  EXPECT_EQ(visited, t.size());
}

// The children of a number, each a thing that cannot be copied.
std::vector<std::unique_ptr<int>> two_below(const std::unique_ptr<int>& node) {
  std::vector<std::unique_ptr<int>> below;
  if (*node < 64)
    for (const int digit : {0, 1}) below.push_back(std::make_unique<int>(2 * *node + digit));
  return below;
}

TEST_ON_WORKERS(walking, NodesThatCannotBeCopiedAreMovedOutOfTheirContainer) {
  std::atomic<int> visited{0};
  const auto walk = [&] {
    coppice::walk_tree(std::make_unique<int>(1), two_below, [&](const auto&) { ++visited; });
  };
  scheduler().run(walk);
  EXPECT_EQ(visited, 127);
  walk();
  EXPECT_EQ(visited, 2 * 127);
}

TEST_ON_WORKERS(walking, WhatAViewShowsIsCopied) {
  std::vector<std::vector<std::string>> t{{"1", "2"}, {}, {}};
  const auto wanted = t;
  std::atomic<int> visited{0};
  scheduler().run([&] {
    coppice::walk_tree(
        std::string("0"), [&](const std::string& node) { return std::span(t[std::stoul(node)]); },
        [&](const std::string&) { ++visited; });
  });
  EXPECT_EQ(visited, 3);
  EXPECT_EQ(t, wanted);
}

TEST(walking_serially, OutsideOfATaskAChainIsNoDeeperThanAStack) {
  const int length = support::scaled(1'000'000);
  int visited = 0;
  coppice::walk_tree(
      0, [&](int node) { return node + 1 < length ? std::vector<int>{node + 1} : std::vector<int>(); },
      [&](int node) { EXPECT_EQ(node, visited++); });
  EXPECT_EQ(visited, length);
}

TEST(walking_serially, OutsideOfATaskTheFirstFailureEndsTheWalk) {
  const tree t = chain_beside_a_leaf(600);
  std::size_t visited = 0;
  EXPECT_EQ(support::failure_of([&] {
              coppice::walk_tree(
                  std::size_t{0}, [&](std::size_t node) { return t[node]; },
                  [&](std::size_t node) {
                    ++visited;
                    if (node == 500 || node == 600) throw failure(node);
                  });
            }),
            "500");
  EXPECT_EQ(visited, 501U);
}

TEST(walking_serially, OutsideOfATaskANodeComesBeforeItsChildrenInOrder) {
  const tree t{{1, 4}, {2, 3}, {}, {}, {}};
  std::vector<std::size_t> order;
  coppice::walk_tree(
      std::size_t{0}, [&](std::size_t node) { return t[node]; },
      [&](std::size_t node) { order.push_back(node); });
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
}

}  // namespace
