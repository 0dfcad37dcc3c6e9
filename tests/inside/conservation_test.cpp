// The check that every report passes (C-26): that it lets through what adds up, and nothing else.
#include "job/conservation.hpp"

#include <gtest/gtest.h>

namespace {

using coppice::job_report;

job_report counts(std::uint64_t spawned, std::uint64_t succeeded, std::uint64_t failed,
                  std::uint64_t cancelled, std::uint64_t skipped) {
  job_report r;
  r.name = "crawl";
  r.spawned = spawned;
  r.succeeded = succeeded;
  r.failed = failed;
  r.cancelled = cancelled;
  r.skipped = skipped;
  return r;
}

TEST(conservation, C26WhatAddsUpPasses) {
  coppice::detail::insist_on_conservation(counts(0, 0, 0, 0, 0));
  coppice::detail::insist_on_conservation(counts(10, 1, 2, 3, 4));
}

TEST(conservation, C26ALostTaskEndsTheProgramWithTheCounts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(coppice::detail::insist_on_conservation(counts(11, 1, 2, 3, 4)),
               "job \"crawl\" has lost count: 11 spawned are not 1 succeeded \\+ 2 failed");
  EXPECT_DEATH(coppice::detail::insist_on_conservation(counts(9, 1, 2, 3, 4)), "lost count");
}

}  // namespace
