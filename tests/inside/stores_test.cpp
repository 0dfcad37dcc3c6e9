// The stores: the slab of nodes, the tally of a job, the injection queue.
#include <gtest/gtest.h>
#include <coppice/detail/slab.hpp>
#include <coppice/detail/tally.hpp>
#include <coppice/detail/worker.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "stores/injection.hpp"
#include "support/scale.hpp"

namespace {

using coppice::detail::injected;
using coppice::detail::injection_queue;
using coppice::detail::slab;
using coppice::detail::tally;
using coppice::detail::worker;

void* take(coppice::detail::slab& s) {
  void* const node = s.take();
  return node != nullptr ? node : s.take_more();
}

TEST(slab, GivesEachNodeOnceAndTakesItAgain) {
  slab s;
  std::set<void*> nodes;
  for (int i = 0; i < 2000; ++i) EXPECT_TRUE(nodes.insert(take(s)).second);
  for (void* n : nodes) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(n) % slab::node_bytes, 0U);
  for (void* n : nodes) slab::give(&s, n);
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(nodes.erase(take(s)), 1U);
}

// Nodes that another worker frees come back: the owner's memory does not grow.
TEST(slab, TakesBackWhatOthersFree) {
  slab mine;
  slab yours;
  std::set<void*> seen;
  for (int round = 0; round < 50; ++round) {
    std::vector<void*> nodes;
    for (int i = 0; i < 400; ++i) nodes.push_back(take(mine));
    seen.insert(nodes.begin(), nodes.end());
    std::thread other([&] {
      for (void* n : nodes) slab::give(&yours, n);
    });
    other.join();
  }
  EXPECT_LT(seen.size(), 1200U);
}

TEST(tally, IsQuietWhenEndsAddUpToSpawnsAcrossWorkers) {
  const auto a = std::make_unique<worker>();
  const auto b = std::make_unique<worker>();
  tally t;
  auto& mine = t.shard_of(*a);
  auto& yours = t.shard_of(*b);
  EXPECT_NE(&mine, &yours);
  EXPECT_EQ(&t.shard_of(*a), &mine);
  mine.spawned.store(3);
  EXPECT_FALSE(t.quiet());
  yours.succeeded.store(1);
  mine.failed.store(1);
  EXPECT_FALSE(t.quiet());
  yours.skipped.store(1);
  EXPECT_TRUE(t.quiet());
  EXPECT_TRUE(t.claim_end());
  EXPECT_FALSE(t.claim_end());
  EXPECT_EQ(t.counts().ended(), 3U);
}

// Workers pass tasks around at random: each task spawns up to two more into a shared bag. At least one worker
// finds the end, none finds it while a task is left.
TEST(tally, TheLastOneToEndATaskFindsTheEnd) {
  constexpr int team = 4;
  for (int round = 0; round < support::scaled(300); ++round) {
    tally t;
    std::vector<std::unique_ptr<worker>> workers;
    for (int i = 0; i < team; ++i) workers.push_back(std::make_unique<worker>());
    std::atomic<int> bag{1};
    std::atomic<int> left{1};
    std::atomic<bool> over{false};
    std::atomic<int> finders{0};
    t.shard_of(*workers[0]).spawned.store(1, std::memory_order_release);
    std::vector<std::thread> threads;
    for (int i = 0; i < team; ++i)
      threads.emplace_back([&, i] {
        auto& shard = t.shard_of(*workers[static_cast<std::size_t>(i)]);
        std::uint64_t state = static_cast<std::uint64_t>(round * team + i + 1) * 0x9e3779b97f4a7c15U;
        while (!over.load()) {
          int seen = bag.load();
          if (seen == 0 || !bag.compare_exchange_strong(seen, seen - 1)) {
            std::this_thread::yield();
            continue;
          }
          state ^= state << 13;
          state ^= state >> 7;
          state ^= state << 17;
          const int children = left.load() < 200 ? static_cast<int>(state % 3) : 0;
          for (int c = 0; c < children; ++c) {
            coppice::detail::add_as_only_writer(shard.spawned, std::uint64_t{1}, std::memory_order_release);
            left.fetch_add(1);
            bag.fetch_add(1);
          }
          const bool last = left.fetch_sub(1) == 1;
          coppice::detail::add_as_only_writer(shard.succeeded, std::uint64_t{1}, std::memory_order_release);
          if (t.quiet()) {
            EXPECT_EQ(left.load(), 0);
            finders.fetch_add(1);
            over.store(true);
          } else if (last && finders.load() == 0) {
            // Somebody else ended a task at the same time and sees both ends.
            std::this_thread::yield();
          }
        }
      });
    for (std::thread& th : threads) th.join();
    EXPECT_GE(finders.load(), 1);
    EXPECT_TRUE(t.quiet());
  }
}

TEST(injection_queue, IsFirstInFirstOutAndBounded) {
  injection_queue q(2);
  injected a;
  injected b;
  EXPECT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
  EXPECT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
  EXPECT_EQ(q.reserve(false, nullptr), injection_queue::outcome::full);
  q.commit(a);
  q.commit(b);
  EXPECT_FALSE(q.empty());
  EXPECT_EQ(q.take(), &a);
  EXPECT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
  q.cancel_reservation();
  EXPECT_EQ(q.take(), &b);
  EXPECT_EQ(q.take(), nullptr);
  EXPECT_TRUE(q.empty());
}

TEST(injection_queue, GivesARootOutOfTheMiddleOnce) {
  injection_queue q(8);
  std::vector<injected> jobs(3);
  for (injected& j : jobs) {
    ASSERT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
    q.commit(j);
  }
  EXPECT_TRUE(q.remove(jobs[1]));
  EXPECT_FALSE(q.remove(jobs[1]));
  EXPECT_EQ(q.take(), &jobs[0]);
  EXPECT_FALSE(q.remove(jobs[0]));
  EXPECT_EQ(q.take(), &jobs[2]);
}

TEST(injection_queue, ClosingWakesWhoWaitsForRoom) {
  injection_queue q(1);
  ASSERT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
  std::thread closer([&] { q.close(); });
  EXPECT_EQ(q.reserve(true, nullptr), injection_queue::outcome::closed);
  closer.join();
  EXPECT_EQ(q.reserve_unbounded(), injection_queue::outcome::closed);
}

TEST(injection_queue, WaitingForRoomEndsAtTheDeadline) {
  injection_queue q(1);
  ASSERT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
  const auto past = std::chrono::steady_clock::now();
  EXPECT_EQ(q.reserve(true, &past), injection_queue::outcome::timed_out);
}

}  // namespace
