// Parking and the counts of searchers and sleepers.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <thread>

#include "support/scale.hpp"
#include "worker/idle.hpp"
#include "worker/parker.hpp"

namespace {

using coppice::detail::idle_counts;
using coppice::detail::parker;

TEST(parker, KeepsAWakeThatComesFirst) {
  parker p;
  p.unpark();
  EXPECT_TRUE(p.park());
}

TEST(parker, KeepsOneWakeAtMost) {
  parker p;
  p.unpark();
  p.unpark();
  EXPECT_TRUE(p.park());
  const auto past = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_FALSE(p.park(&past));
}

TEST(parker, ADeadlineInThePastEndsTheSleepWithoutAWake) {
  parker p;
  const auto past = std::chrono::steady_clock::time_point{};
  EXPECT_FALSE(p.park(&past));
  p.unpark();
  EXPECT_TRUE(p.park(&past));
}

// A wake comes for a sleep that has ended by itself, and is used up just when the next one comes.
TEST(parker, LosesNoWakeThatComesWhileAnEarlierOneIsUsedUp) {
  parker p;
  const int rounds = support::scaled(200000);
  std::atomic<int> waits_for{0}, awake{0};
  std::thread sleeper([&] {
    for (int i = 1; i <= rounds; ++i) {
      waits_for = i;
      while (awake < i) p.park();
    }
  });
  for (int i = 1; i <= rounds; ++i) {
    while (waits_for < i) std::this_thread::yield();
    p.unpark();
    for (int k = 0; k < i % 16; ++k) coppice::detail::compiler_barrier();
    awake = i;
    p.unpark();
  }
  sleeper.join();
  EXPECT_EQ(awake, rounds);
}

// Two threads hand a turn to each other; what one writes before its wake the other sees after its sleep.
TEST(parker, LosesNoWakeBetweenTwoThreadsThatTakeTurns) {
  parker mine;
  parker yours;
  const int turns = support::scaled(100000);
  int plain = 0;  // on purpose: the thread sanitizer judges the parker's ordering
  std::thread other([&] {
    for (int i = 0; i < turns; ++i) {
      yours.park();
      ++plain;
      mine.unpark();
    }
  });
  for (int i = 0; i < turns; ++i) {
    ++plain;
    yours.unpark();
    mine.park();
  }
  other.join();
  EXPECT_EQ(plain, 2 * turns);
}

TEST(idle_counts, TheLastSearcherThatFindsWorkOwesAWake) {
  idle_counts idle;
  idle.begin_search();
  idle.begin_search();
  EXPECT_FALSE(idle.end_search());
  EXPECT_TRUE(idle.end_search());
}

TEST(idle_counts, NobodyIsWokenWhileSomebodySearches) {
  idle_counts idle;
  EXPECT_FALSE(idle.someone_to_wake());
  idle.begin_search();
  idle.announce_sleep();
  EXPECT_TRUE(idle.someone_to_wake());
  EXPECT_EQ(idle.sleepers(), 1U);
  idle.begin_search();
  EXPECT_FALSE(idle.someone_to_wake());
  EXPECT_TRUE(idle.end_search());
  idle.leave_sleep();  // woken: a searcher again
  EXPECT_FALSE(idle.someone_to_wake());
  EXPECT_EQ(idle.sleepers(), 0U);
  EXPECT_TRUE(idle.end_search());
}

}  // namespace
