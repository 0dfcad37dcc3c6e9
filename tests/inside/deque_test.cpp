// The split deque under real threads: exactly once, oldest first, refilled slots, exposure. The order of its
// memory accesses is argued in scheduler/worker/deque.md.
#include <gtest/gtest.h>
#include <coppice/detail/deque.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "platform/membarrier.hpp"
#include "support/scale.hpp"

namespace {

using coppice::detail::basic_split_deque;
using coppice::detail::frame;

// A frame that counts how often it was taken.
struct item : frame {
  item() : frame{nullptr, frame::fresh} {}
  std::atomic<int> taken{0};
};

template <class Deque>
void push(Deque& d, frame& f) {
  coppice::detail::deque_index index = 0;
  ASSERT_TRUE(d.has_room());
  ASSERT_TRUE(d.push_below_bound(f, &index));
}

TEST(split_deque, OwnerTakesTheNewestFirst) {
  basic_split_deque<8> d;
  std::array<item, 5> items;
  for (item& i : items) push(d, i);
  for (std::size_t i = items.size(); i-- > 0;) EXPECT_EQ(d.pop(), &items[i]);
  EXPECT_EQ(d.pop(), nullptr);
  EXPECT_TRUE(d.empty_for_owner());
}

TEST(split_deque, ThiefTakesTheOldestSharedAndNothingPrivate) {
  basic_split_deque<8> d;
  std::array<item, 4> items;
  for (item& i : items) push(d, i);
  EXPECT_EQ(d.steal(), nullptr);
  EXPECT_EQ(d.share(), 2U);
  EXPECT_EQ(d.steal(), &items[0]);
  EXPECT_EQ(d.steal(), &items[1]);
  EXPECT_EQ(d.steal(), nullptr);
  EXPECT_EQ(d.pop(), &items[3]);
  EXPECT_EQ(d.pop(), &items[2]);
  EXPECT_EQ(d.pop(), nullptr);
}

TEST(split_deque, OwnerTakesSharedFramesBackNewestFirst) {
  basic_split_deque<8> d;
  std::array<item, 6> items;
  for (item& i : items) push(d, i);
  EXPECT_EQ(d.share_all(), 6U);
  EXPECT_EQ(d.steal(), &items[0]);
  for (std::size_t i = items.size(); i-- > 1;) EXPECT_EQ(d.pop(), &items[i]);
  EXPECT_EQ(d.pop(), nullptr);
}

TEST(split_deque, RefusesWhenFullAndHasRoomAgainAfterASteal) {
  basic_split_deque<4> d;
  std::array<item, 5> items;
  for (std::size_t i = 0; i < 4; ++i) push(d, items[i]);
  EXPECT_FALSE(d.has_room());
  d.share();
  EXPECT_FALSE(d.has_room());
  EXPECT_EQ(d.steal(), &items[0]);
  EXPECT_TRUE(d.has_room());
  push(d, items[4]);
  EXPECT_FALSE(d.has_room());
  EXPECT_EQ(d.pop(), &items[4]);
}

TEST(split_deque, AJoinFindsItsFrameStolenWhenEverythingBelowIs) {
  basic_split_deque<8> d;
  std::array<item, 2> items;
  coppice::detail::deque_index index = 0;
  ASSERT_TRUE(d.push_below_bound(items[0], &index));
  d.share();
  EXPECT_EQ(d.steal(), &items[0]);
  EXPECT_FALSE(d.pop_if_private(index));
  EXPECT_EQ(d.pop(), nullptr);
  // The next fork lies above the stolen one and is found again.
  ASSERT_TRUE(d.push_below_bound(items[1], &index));
  EXPECT_TRUE(d.pop_if_private(index));
}

TEST(split_deque, AStealThatWasLookedAtInAnotherStrandFails) {
  basic_split_deque<8> d;
  std::array<item, 2> items;
  push(d, items[0]);
  d.share();
  const std::uint64_t seen = d.look();
  d.begin_strand();
  EXPECT_EQ(d.steal_seen(seen), nullptr);
  EXPECT_EQ(d.steal_seen(d.look()), &items[0]);
}

#ifndef SUPPORT_SANITIZED  // which find nothing in one thread's indices, and take 19 s
TEST(split_deque, IndicesWrapAroundTheirTwentyFourBits) {
  auto d = std::make_unique<basic_split_deque<4>>();
  item first;
  item second;
  // Each round moves tail by one: past 2^24 rounds every index has wrapped.
  for (std::uint32_t round = 0; round < (1U << 24) + 16; ++round) {
    coppice::detail::deque_index index = 0;
    if (!d->push_below_bound(first, &index)) {
      ASSERT_TRUE(d->has_room()) << round;
      ASSERT_TRUE(d->push_below_bound(first, &index));
    }
    d->share();
    const bool taken_once = d->steal() == &first && d->steal() == nullptr;
    if (!taken_once || !d->empty_for_owner()) FAIL() << round;
  }
  push(*d, first);
  push(*d, second);
  EXPECT_EQ(d->size(), 2U);
  EXPECT_EQ(d->pop(), &second);
  EXPECT_EQ(d->pop(), &first);
}
#endif

TEST(split_deque, ExposureSharesHalfOfWhatABusyOwnerKeeps) {
  basic_split_deque<8> d;
  std::array<item, 5> items;
  for (item& i : items) push(d, i);
  EXPECT_EQ(d.expose([] { return true; }), 3U);
  EXPECT_EQ(d.steal(), &items[0]);
  EXPECT_EQ(d.expose([] { return true; }), 1U);
  EXPECT_EQ(d.expose([] { return true; }), 1U);
  EXPECT_EQ(d.expose([] { return true; }), 0U);
}

TEST(split_deque, ExposureGivesNothingThatTheOwnerPopsMeanwhile) {
  basic_split_deque<8> d;
  std::array<item, 4> items;
  for (item& i : items) push(d, i);
  // The owner takes three of the four between the announcement and the look: above the limit by itself, below
  // it through the lock, which an exposure holds. So here it stops at the limit.
  const std::uint32_t exposed = d.expose([&] {
    EXPECT_EQ(d.pop(), &items[3]);
    EXPECT_EQ(d.pop(), &items[2]);
    return true;
  });
  EXPECT_EQ(exposed, 2U);
  EXPECT_EQ(d.steal(), &items[0]);
  EXPECT_EQ(d.pop(), &items[1]);
  EXPECT_EQ(d.pop(), nullptr);
}

TEST(split_deque, TheReserveIsLeftToThoseThatAskForIt) {
  basic_split_deque<8, 3> d;
  std::array<item, 9> items;
  for (std::size_t i = 0; i < 5; ++i) push(d, items[i]);
  EXPECT_FALSE(d.has_room());
  EXPECT_EQ(d.room(), 0U);
  for (std::size_t i = 5; i < 8; ++i) EXPECT_TRUE(d.push_into_reserve(items[i]));
  EXPECT_FALSE(d.push_into_reserve(items[8]));
  EXPECT_FALSE(d.has_room());
  for (std::size_t i = 8; i-- > 5;) EXPECT_EQ(d.pop(), &items[i]);
  EXPECT_EQ(d.room(), 0U) << "what the reserve held is no room for others";
  EXPECT_EQ(d.pop(), &items[4]);
  EXPECT_EQ(d.room(), 1U);
  push(d, items[8]);
  EXPECT_FALSE(d.has_room());
  while (d.pop() != nullptr) {
  }
  EXPECT_EQ(d.room(), 5U);
}

// By turns, and nobody counts the room in between.
TEST(split_deque, WhatHasBeenInTheReserveMakesNoRoomForOthers) {
  basic_split_deque<8, 3> d;
  std::array<item, 7> items;
  for (std::size_t i = 0; i < 5; ++i) push(d, items[i]);
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(d.push_into_reserve(items[5])) << round;
    EXPECT_EQ(d.pop(), &items[5]);
    coppice::detail::deque_index index = 0;
    EXPECT_FALSE(d.push_below_bound(items[6], &index)) << round;
    EXPECT_FALSE(d.has_room()) << round;
  }
  EXPECT_EQ(d.size(), 5U);
  EXPECT_TRUE(d.push_into_reserve(items[5]));
  EXPECT_EQ(d.pop(), &items[5]);
  d.put_back(items[5]);
  EXPECT_EQ(d.size(), 6U) << "and what was popped may come back to where it was";
}

// One owner pushes and pops in a pattern that grows and shrinks, thieves steal and expose. Each item is taken
// exactly once per time that it was pushed. Capacity 8: slots are refilled under thieves all the time.
template <std::uint32_t Capacity>
void storm(unsigned thieves, std::uint64_t rounds, bool expose) {
  auto d = std::make_unique<basic_split_deque<Capacity>>();
  constexpr std::size_t batch = 64;
  std::vector<item> items(batch);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> stolen{0};
  std::latch ready(static_cast<std::ptrdiff_t>(thieves) + 1);
  std::vector<std::thread> team;
  for (unsigned t = 0; t < thieves; ++t)
    team.emplace_back([&, t] {
      ready.arrive_and_wait();
      for (std::uint64_t n = t; !stop.load(std::memory_order_relaxed); ++n) {
        if (frame* const f = d->steal()) {
          static_cast<item*>(f)->taken.fetch_add(1, std::memory_order_release);
          stolen.fetch_add(1, std::memory_order_relaxed);
        } else if (expose && n % 16 == 0) {
          d->expose(&coppice::platform::barrier_on_every_thread);
        } else {
          std::this_thread::yield();
        }
      }
    });
  ready.arrive_and_wait();
  std::uint64_t state = 88172645463325252ULL;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::size_t pushed = 0;
    while (pushed < batch) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      if (state % 3 != 0 && d->has_room()) {
        coppice::detail::deque_index index = 0;
        ASSERT_TRUE(d->push_below_bound(items[pushed++], &index));
      } else if (frame* const f = d->pop()) {
        static_cast<item*>(f)->taken.fetch_add(1, std::memory_order_relaxed);
      } else {
        std::this_thread::yield();
      }
      if (!expose && state % 5 == 0) d->share();
    }
    while (frame* const f = d->pop()) static_cast<item*>(f)->taken.fetch_add(1, std::memory_order_relaxed);
    for (item& i : items) {
      while (i.taken.load(std::memory_order_acquire) == 0) std::this_thread::yield();
      ASSERT_EQ(i.taken.exchange(0), 1) << "round " << round;
    }
  }
  stop.store(true);
  for (std::thread& t : team) t.join();
  testing::Test::RecordProperty("stolen", std::to_string(stolen.load()));
}

// Pages that the system gives when they are touched first.
class untouched_memory {
 public:
  explicit untouched_memory(std::size_t bytes)
      : bytes_(bytes), at_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    madvise(at_, bytes, MADV_NOHUGEPAGE);  // one page at a time
  }
  ~untouched_memory() { munmap(at_, bytes_); }
  untouched_memory(const untouched_memory&) = delete;
  untouched_memory& operator=(const untouched_memory&) = delete;

  void* at() const { return at_ == MAP_FAILED ? nullptr : at_; }
  std::size_t touched_pages() const {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> present((bytes_ + page - 1) / page);
    EXPECT_EQ(mincore(at_, bytes_, present.data()), 0);
    return static_cast<std::size_t>(
        std::count_if(present.begin(), present.end(), [](unsigned char p) { return (p & 1) != 0; }));
  }

 private:
  std::size_t bytes_;
  void* at_;
};

TEST(split_deque, TakesNoMemoryForSlotsBeforeTheyAreUsed) {
  using deque = basic_split_deque<8192>;
  const untouched_memory room(sizeof(deque));
  ASSERT_NE(room.at(), nullptr);
  EXPECT_EQ(room.touched_pages(), 0U);
  deque& d = *::new (room.at()) deque;
  EXPECT_EQ(room.touched_pages(), 1U);
  item only;
  push(d, only);
  EXPECT_EQ(d.pop(), &only);
  EXPECT_EQ(room.touched_pages(), 1U);
  d.~deque();
}

constexpr std::uint64_t rounds = support::sanitized ? 300 : 30000;

TEST(split_deque, ThiefTakesEachItemOnceWhileOwnerRefillsTheSlot) { storm<8>(3, rounds, false); }
TEST(split_deque, EachItemIsTakenOnceWhileThievesExposeTheOwner) {
  if (coppice::platform::has_barrier_on_every_thread())
    storm<8>(3, rounds, true);
  else
    storm<8>(3, rounds, false);
}
TEST(split_deque, EachItemIsTakenOnceWithRoomForAll) { storm<128>(2, rounds, true); }

}  // namespace
