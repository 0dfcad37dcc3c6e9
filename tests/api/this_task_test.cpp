// What a task can ask about itself, and the serial elision of it: outside of a task all say "nothing".
#include <gtest/gtest.h>

#include <chrono>
#include <coppice/coppice.hpp>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "support/check.hpp"
#include "support/workers.hpp"

namespace {

namespace this_task = coppice::this_task;

class asking : public support::on_workers {};

void expect_outside() {
  EXPECT_FALSE(this_task::stop_requested());
  EXPECT_NO_THROW(this_task::throw_if_stopped());
  EXPECT_FALSE(this_task::stop_token().stop_possible());
  EXPECT_FALSE(this_task::cancel_job("nobody's"));
  EXPECT_EQ(this_task::remaining(), std::chrono::nanoseconds::max());
  EXPECT_EQ(this_task::path(), "");
  EXPECT_EQ(this_task::worker(), -1);
}

TEST_ON_WORKERS(asking, OutsideOfATaskAllSayNothingAlsoWhileAndAfterASchedulerLives) {
  expect_outside();
  scheduler().run([] { std::thread(expect_outside).join(); });
  expect_outside();
  end_scheduler();
  expect_outside();
}

TEST_ON_WORKERS(asking, AWorkerHasANumberAndAThreadOfItsOwn) {
  scheduler().run([&] {
    EXPECT_GE(this_task::worker(), 0);
    EXPECT_LT(this_task::worker(), static_cast<int>(workers()));
    EXPECT_EQ(this_task::path(), "root");
    EXPECT_TRUE(this_task::stop_token().stop_possible());
  });
  EXPECT_EQ(scheduler().workers(), workers());
  EXPECT_EQ(scheduler().stats().workers, workers());
}

TEST_ON_WORKERS(asking, TheTokenOfATaskAndOfItsHandleStopTogether) {
  auto job = scheduler().submit([] {
    const std::stop_token mine = this_task::stop_token();
    coppice::task_group group;
    group.spawn([mine] { EXPECT_EQ(this_task::stop_token(), mine); });
    group.wait();
    EXPECT_TRUE(this_task::cancel_job("both"));
    EXPECT_TRUE(mine.stop_requested());
  });
  const std::stop_token outside = job.stop_token();
  support::checked(job);
  EXPECT_TRUE(outside.stop_requested());
}

TEST_ON_WORKERS(asking, JobsAreCountedAndSoIsWhatIsStolen) {
  for (int i = 0; i < 10; ++i) scheduler().run([] {});
  EXPECT_EQ(scheduler().stats().jobs, 10U);
  if (workers() == 1) {
    EXPECT_EQ(scheduler().stats().steals(), 0U);
  }
  const std::string text = scheduler().describe();
  EXPECT_NE(text.find("workers: " + std::to_string(workers())), std::string::npos) << text;
}

}  // namespace
