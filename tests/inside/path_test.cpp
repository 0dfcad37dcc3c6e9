// Paths of long lines: both ends are kept, the middle is counted, however often the line was folded.
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>

#include "job/failure.hpp"

namespace {

using coppice::detail::is_earlier;
using coppice::detail::length_of;
using coppice::detail::shorten;
using coppice::detail::task_path;
using coppice::detail::to_text;

task_path counting(std::uint32_t first, std::size_t n) {
  task_path path(n);
  std::iota(path.begin(), path.end(), first);
  return path;
}

TEST(task_path, IsPrintedFromTheRoot) {
  EXPECT_EQ(to_text({}), "root");
  EXPECT_EQ(to_text({3, 1}), "root/3/1");
}

TEST(task_path, AShortOneIsLeftAlone) {
  task_path path = counting(0, 64);
  shorten(path, 32);
  EXPECT_EQ(path, counting(0, 64));
}

TEST(task_path, ALongOneKeepsBothEndsAndTheNumberBetween) {
  task_path path = counting(0, 100);
  shorten(path, 32);
  EXPECT_EQ(length_of(path), 100U);
  const std::string text = to_text(path);
  EXPECT_NE(text.find("/31/(+36)/68/"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("/99")) << text;
}

// Folded a little at a time, as a line of tasks is, or at once: the same path.
TEST(task_path, DoesNotDependOnWhenItWasFolded) {
  task_path at_once = counting(0, 1000);
  shorten(at_once, 32);
  for (const std::size_t step : {1U, 7U, 40U, 500U}) {
    task_path path;
    for (std::uint32_t next = 0; next < 1000;) {
      for (std::size_t i = 0; i < step && next < 1000; ++i) path.push_back(next++);
      shorten(path, 32);
    }
    EXPECT_EQ(path, at_once) << step;
  }
}

TEST(task_path, ChildrenComeBeforeWhatTheirParentDoesAfterThem) {
  EXPECT_TRUE(is_earlier(task_path{3, 1}, task_path{3}));
  EXPECT_FALSE(is_earlier(task_path{3}, task_path{3, 1}));
  EXPECT_TRUE(is_earlier(task_path{2, 9}, task_path{3}));
  EXPECT_FALSE(is_earlier(task_path{3}, task_path{3}));
}

}  // namespace
