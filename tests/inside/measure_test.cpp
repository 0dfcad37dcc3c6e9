// What the statistics of a tree say in words.
#include "job/measure.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;
using coppice::job_stats;
using coppice::detail::advice_on;

job_stats tree(std::uint64_t tasks, std::chrono::nanoseconds work, std::chrono::nanoseconds span) {
  job_stats s;
  s.tasks = tasks;
  s.work = work;
  s.span = span;
  s.workers = 4;
  return s;
}

bool begins(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

TEST(advice, SaysWhichTreeIsTooFineTooSerialStarvedOrRight) {
  EXPECT_TRUE(begins(advice_on(tree(100'000, 5ms, 1ms), 2ms), "too fine")) << "50 ns a task";
  EXPECT_TRUE(begins(advice_on(tree(100, 10ms, 9ms), 10ms), "too serial"));
  EXPECT_TRUE(begins(advice_on(tree(100, 10ms, 1ms), 10ms), "starved")) << "others had the workers";
  EXPECT_TRUE(begins(advice_on(tree(100, 10ms, 1ms), 3ms), "kept 3.3 of 4"));
  EXPECT_TRUE(begins(advice_on(tree(10, 10us, 1us), 3us), "too short"));
}

TEST(advice, SaysThatAJobWaitedInTheQueue) {
  job_stats s = tree(100, 10ms, 1ms);
  s.queued = 50ms;
  EXPECT_TRUE(begins(advice_on(s, 53ms), "starved: it waited"));
}

TEST(advice, SaysHowManyTasksStoodStillWhereMostTimeWentThere) {
  job_stats s = tree(100, 10ms, 1ms);
  s.stands = 100;
  s.stood = 600ms;
  s.queued = 20ms;
  EXPECT_TRUE(begins(advice_on(s, 80ms), "waiting: on average 10.0 of its tasks stood still"))
      << advice_on(s, 80ms);
  s.stood = 39ms;
  EXPECT_TRUE(begins(advice_on(s, 80ms), "starved")) << "most of the work was its own";
}

TEST(advice, OneWorkerIsNotToldThatOthersHadNothing) {
  job_stats s = tree(1, 10ms, 10ms);
  s.workers = 1;
  EXPECT_TRUE(begins(advice_on(s, 10ms), "kept 1.0 of 1"));
}

}  // namespace
