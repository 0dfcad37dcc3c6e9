// The stores: the slab of nodes, the shelves of jobs' memory, the tally of a job, the injection queue.
#include <gtest/gtest.h>
#include <coppice/detail/slab.hpp>
#include <coppice/detail/tally.hpp>
#include <coppice/detail/worker.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "job/job_state.hpp"
#include "stores/injection.hpp"
#include "stores/shelves.hpp"
#include "support/scale.hpp"

namespace {

using coppice::detail::injected;
using coppice::detail::injection_queue;
using coppice::detail::shard_room;
using coppice::detail::shelves;
using coppice::detail::slab;
using coppice::detail::tally;
using coppice::detail::worker;

class slab_of_each_size : public testing::TestWithParam<std::size_t> {
 protected:
  static std::uint32_t list() { return slab::list_of(GetParam()); }
  static void* take(slab& s) {
    void* const node = s.take(list());
    return node != nullptr ? node : s.take_more(list());
  }
};
INSTANTIATE_TEST_SUITE_P(nodes, slab_of_each_size,
                         testing::Values(1, 72, 73, 80, 88, 96, 104, 112, 120, 121, 128),
                         [](const auto& node) { return std::to_string(node.param) + "_bytes"; });

TEST_P(slab_of_each_size, GivesEachNodeOnceAndTakesItAgain) {
  slab s;
  std::set<void*> nodes;
  for (int i = 0; i < 2000; ++i) EXPECT_TRUE(nodes.insert(take(s)).second);
  for (void* n : nodes) slab::give(&s, n);
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(nodes.erase(take(s)), 1U);
}

// Each is filled to its end: one that overlaps a neighbour or a chunk's header would be seen in it.
TEST_P(slab_of_each_size, NodesDoNotOverlapAndAreAsAlignedAsTheirSize) {
  const std::size_t bytes = GetParam();
  slab s;
  std::vector<unsigned char*> nodes(2000);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i] = static_cast<unsigned char*>(take(s));
    std::memset(nodes[i], static_cast<int>(i % 251), bytes);
  }
  const std::size_t alignment = bytes & (~bytes + 1);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(nodes[i]) % alignment, 0U);
    ASSERT_TRUE(std::all_of(nodes[i], nodes[i] + bytes, [&](unsigned char c) { return c == i % 251; })) << i;
  }
  for (void* n : nodes) slab::give(&s, n);
}

// Nodes that another worker frees come back: the owner's memory does not grow.
TEST_P(slab_of_each_size, TakesBackWhatOthersFree) {
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

// Who gives a node back need not know its size, here or elsewhere; it comes back as one of its size.
TEST(slab, ANodeComesBackToTheListOfItsSize) {
  constexpr std::size_t each = 300;
  slab mine;
  slab yours;
  std::set<void*> nodes[slab::sizes];
  for (std::size_t i = 0; i < each; ++i)
    for (std::uint32_t list = 0; list < slab::sizes; ++list) nodes[list].insert(mine.take_more(list));
  for (slab* giver : {&mine, &yours, &mine, &yours}) {
    for (const auto& of_size : nodes)
      for (void* n : of_size) slab::give(giver, n);
    for (std::uint32_t list = 0; list < slab::sizes; ++list) {
      std::set<void*> awaited = nodes[list];
      // What is left of a stretch may come before what others gave back.
      for (std::size_t i = 0; !awaited.empty() && i < each + 64; ++i) {
        void* const n = mine.take_more(list);
        if (awaited.erase(n) == 0) nodes[list].insert(n);
      }
      EXPECT_TRUE(awaited.empty()) << awaited.size() << " of list " << list;
    }
  }
}

// A worker with a few tasks of each size touches a page or two for each, not a chunk.
TEST(slab, MakesNodesAStretchAtATime) {
  slab s;
  for (std::uint32_t list = 0; list < slab::sizes; ++list) {
    std::size_t at_hand = 1;
    void* const first = s.take_more(list);
    std::vector<void*> nodes;
    while (void* const n = s.take(list)) {
      nodes.push_back(n);
      ++at_hand;
    }
    EXPECT_LE(at_hand * slab::bytes_of(list), 4096U);
    EXPECT_NE(nodes.emplace_back(s.take_at_hand(list)), nullptr) << "the chunk goes on";
    slab::give(&s, first);
    for (void* n : nodes) slab::give(&s, n);
  }
}

TEST(shelves, KeepABoundedNumberOfBlocksAndHandOutEachOnce) {
  shelves s;
  EXPECT_EQ(s.take(0), nullptr);
  constexpr std::size_t most = std::size_t{shelves::number} * shelves::longest_chain;
  for (std::size_t i = 0; i < 2 * most; ++i) s.give(3, ::operator new(64));
  std::set<void*> got;
  while (void* const block = s.take(5)) {
    EXPECT_TRUE(got.insert(block).second);
    ASSERT_LE(got.size(), most);
  }
  EXPECT_EQ(got.size(), most);
  for (void* const block : got) s.give(0, block);
  s.clear();
  EXPECT_EQ(s.take(0), nullptr);
}

TEST(shelves, WhoCollectsHandsOutItsOwnFirstAndHangsUpWholeChains) {
  shelves s;
  {
    shelves::collection mine;
    EXPECT_EQ(mine.take(), nullptr);
    std::set<void*> given;
    for (std::uint32_t i = 0; i < shelves::longest_chain; ++i) {
      void* const block = ::operator new(64);
      given.insert(block);
      s.give(0, mine, block);
    }
    EXPECT_EQ(s.take(0), nullptr) << "it is still collecting";
    void* const own = mine.take();
    EXPECT_EQ(given.count(own), 1U);
    s.give(0, mine, own);
    s.give(0, mine, ::operator new(64));
    for (std::uint32_t i = 0; i < shelves::longest_chain; ++i) {
      void* const block = s.take(1);
      EXPECT_EQ(given.erase(block), 1U) << "each once";
      ::operator delete(block);
    }
    EXPECT_EQ(s.take(0), nullptr);
  }
  {
    shelves::collection mine;
    constexpr std::size_t most = std::size_t{shelves::number + 1} * shelves::longest_chain;
    for (std::size_t i = 0; i < 2 * most; ++i) s.give(0, mine, ::operator new(64));
  }
  std::size_t kept = 0;
  while (void* const block = s.take(0)) {
    ++kept;
    ::operator delete(block);
  }
  EXPECT_EQ(kept, std::size_t{shelves::number} * shelves::longest_chain)
      << "a full collection waits for room";
}

TEST(tally, IsQuietWhenEndsAddUpToSpawnsAcrossWorkers) {
  const auto a = std::make_unique<worker>();
  const auto b = std::make_unique<worker>();
  shard_room room;
  tally t(room);
  auto& mine = t.first_shard(*a);
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

TEST(tally, TheFirstShardLiesInTheRoomAndTheOthersGoWithTheTally) {
  const auto a = std::make_unique<worker>();
  const auto b = std::make_unique<worker>();
  shard_room room;
  {
    tally t(room);
    EXPECT_TRUE(t.quiet()) << "nobody has counted yet";
    EXPECT_EQ(&t.first_shard(*a), &room.made);
    EXPECT_EQ(room.made.next, nullptr);
    EXPECT_EQ(t.shard_of(*b).next, &room.made);
  }
  EXPECT_EQ(room.made.owner, a.get()) << "the room is not the tally's to free";
}

TEST(tally, OneWorkerThatSeesNobodyElseEndsTheJobOnce) {
  const auto a = std::make_unique<worker>();
  const auto b = std::make_unique<worker>();
  shard_room room;
  tally t(room);
  auto& mine = t.first_shard(*a);
  mine.spawned.store(2);
  mine.succeeded.store(1);
  EXPECT_FALSE(t.claim_if_quiet()) << "a task is left";
  t.shard_of(*b).succeeded.store(1);
  EXPECT_TRUE(t.claim_if_quiet());
  EXPECT_FALSE(t.claim_if_quiet());

  shard_room other_room;
  tally alone(other_room);
  auto& all = alone.first_shard(*a);
  all.spawned.store(1);
  all.skipped.store(1);
  EXPECT_TRUE(alone.claim_if_quiet());
  EXPECT_FALSE(alone.claim_if_quiet());
}

// Workers pass tasks around at random: each task spawns up to two more into a shared bag. At least one worker
// finds the end, none finds it while a task is left.
TEST(tally, TheLastOneToEndATaskFindsTheEnd) {
  constexpr int team = 4;
  for (int round = 0; round < support::scaled(300); ++round) {
    shard_room room;
    tally t(room);
    std::vector<std::unique_ptr<worker>> workers;
    for (int i = 0; i < team; ++i) workers.push_back(std::make_unique<worker>());
    std::atomic<int> bag{1};
    std::atomic<int> left{1};
    std::atomic<bool> over{false};
    std::atomic<int> finders{0};
    t.first_shard(*workers[0]).spawned.store(1, std::memory_order_release);
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

// A queued job without a job: the queue touches no more of it than this, but reckons with the lines of a
// whole one.
struct alignas(coppice::detail::job_state) lone_job : injected {};

TEST(injection_queue, IsFirstInFirstOutAndBounded) {
  injection_queue q(2);
  lone_job a;
  lone_job b;
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
  std::vector<lone_job> jobs(3);
  for (lone_job& j : jobs) {
    ASSERT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
    q.commit(j);
  }
  EXPECT_TRUE(q.remove(jobs[1]));
  EXPECT_FALSE(q.remove(jobs[1]));
  EXPECT_EQ(q.take(), &jobs[0]);
  EXPECT_FALSE(q.remove(jobs[0]));
  EXPECT_EQ(q.take(), &jobs[2]);
}

TEST(injection_queue, TheEndOfOneAndTheNextAreOneVisit) {
  injection_queue q(8);
  std::vector<lone_job> jobs(2);
  for (lone_job& j : jobs) {
    ASSERT_EQ(q.reserve(false, nullptr), injection_queue::outcome::reserved);
    q.commit(j);
  }
  ASSERT_EQ(q.take(), &jobs[0]);
  injection_queue::end first{.job = &jobs[0], .ran = 2, .skipped = 1, .when = {}};
  EXPECT_EQ(q.take_after(first), &jobs[1]);
  EXPECT_FALSE(first.was_last);
  EXPECT_EQ(q.now().live, 1U);
  injection_queue::end last{.job = &jobs[1], .ran = 3, .skipped = 0, .when = {}};
  EXPECT_EQ(q.take_after(last), nullptr);
  EXPECT_TRUE(last.was_last);
  EXPECT_EQ(q.now().live, 0U);
  EXPECT_EQ(q.now().ran, 5U);
  EXPECT_EQ(q.now().skipped, 1U);
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
