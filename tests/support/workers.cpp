#include "support/workers.hpp"

#include "support/process.hpp"
#include "support/tracked.hpp"

namespace support {

namespace {

void expect_clean_start() {
  EXPECT_EQ(threads_settled(threads_at_rest()), threads_at_rest());
  EXPECT_EQ(tracked::live(), 0);
}

void expect_nothing_left() {
  EXPECT_EQ(tracked::live(), 0) << "closures or results are alive";
  EXPECT_EQ(threads_settled(threads_at_rest()), threads_at_rest()) << "threads are left";
}

}  // namespace

void on_workers::SetUp() { expect_clean_start(); }
void on_workers::TearDown() {
  end_scheduler();
  expect_nothing_left();
}

coppice::scheduler& on_workers::scheduler() {
  if (scheduler_ == nullptr) scheduler_ = std::make_unique<coppice::scheduler>(options());
  return *scheduler_;
}

void without_leaks::SetUp() { expect_clean_start(); }
void without_leaks::TearDown() { expect_nothing_left(); }

}  // namespace support
