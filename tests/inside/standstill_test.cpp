// When the watchdog of a scheduler says that all workers stood still: from what two looks at it have seen.
#include <gtest/gtest.h>

#include <chrono>

#include "lifecycle/stall_watchdog.hpp"

namespace {

using namespace std::chrono_literals;
using coppice::detail::standstill_look;
using coppice::detail::stood_still;

constexpr auto between = 100ms;

// Two jobs that stand still, and a worker that has polled before it slept.
constexpr standstill_look first_look{.came = 7, .live = 2, .workers = {10s}};
constexpr standstill_look now{.came = 7, .live = 2, .workers = {10s + 1ms}};

TEST(standstill, IsWhatJobsDoThatHaveNotEndedWhileNobodyUsesTheProcessor) {
  EXPECT_TRUE(stood_still(first_look, now, between));
  EXPECT_TRUE(stood_still(first_look, first_look, between));
}

TEST(standstill, IsNoneWithoutJobs) {
  EXPECT_FALSE(stood_still({.came = 7, .live = 0, .workers = {10s}}, {.came = 7, .live = 0, .workers = {10s}},
                           between));
}

TEST(standstill, IsNoneWhereTheProcessorIsUsed) {
  EXPECT_FALSE(stood_still(
      first_look, {.came = 7, .live = 2, .workers = {first_look.workers.used + between / 2}}, between));
}

// A worker that leaves takes its processor time with it, as much as the others have used meanwhile or not.
TEST(standstill, IsNoneWhereAWorkerHasLeft) {
  for (const auto used : {6s, 10s})
    EXPECT_FALSE(
        stood_still(first_look, {.came = 7, .live = 2, .workers = {.used = used, .left = 1}}, between));
}

TEST(standstill, IsNoneOfAJobThatHasJustCome) {
  EXPECT_FALSE(stood_still({.came = 7, .live = 0, .workers = {10s}}, {.came = 8, .live = 1, .workers = {10s}},
                           between));
  EXPECT_FALSE(stood_still({}, {.came = 1, .live = 1, .workers = {1ms}}, between)) << "the first look";
}

TEST(standstill, IsNoneWhereAJobHasEnded) {
  EXPECT_FALSE(stood_still(first_look, {.came = 8, .live = 2, .workers = {10s}}, between))
      << "and one has come";
  EXPECT_FALSE(stood_still(first_look, {.came = 7, .live = 1, .workers = {10s}}, between));
}

TEST(standstill, OfOldJobsIsNotEndedByOneThatComes) {
  EXPECT_TRUE(stood_still(first_look, {.came = 9, .live = 4, .workers = {10s}}, between));
}

}  // namespace
