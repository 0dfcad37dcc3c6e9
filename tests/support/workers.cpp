#include "support/workers.hpp"

#include <string>

#include "support/process.hpp"
#include "support/scale.hpp"
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

std::vector<unsigned> on_workers::numbers_of_workers() {
#if defined(SUPPORT_THREAD_SANITIZED)
  return {2, 8, 64};
#elif defined(SUPPORT_SANITIZED)
  return {1, 2, 64};
#else
  return {1, 2, 3, 8, 64};
#endif
}

bool on_workers::add(const description& test, const std::vector<unsigned>& numbers, on_workers* (*make)()) {
  const std::string suite = std::string("workers/") + test.fixture;
  for (const unsigned number : numbers) {
    const std::string shown = std::to_string(number);
    testing::RegisterTest(suite.c_str(), (std::string(test.name) + '/' + shown).c_str(), nullptr,
                          shown.c_str(), test.file, test.line, [make, number] {
                            on_workers* const made = make();
                            made->workers_ = number;
                            return made;
                          });
  }
  return true;
}

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
