// Paths of long lines: both ends are kept, the middle is counted, however often the line was folded. And
// whose code a worker runs: what it keeps is what the way up through the places says.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <coppice/detail/place.hpp>
#include <cstdint>
#include <numeric>
#include <thread>

#include "job/failure.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

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

class whose_code : public support::on_workers {};

struct sightings {
  std::atomic<unsigned> right{0};
  std::atomic<unsigned> wrong{0};
  void look() {
    const coppice::detail::worker* const w = coppice::detail::this_worker;
    const auto* const on_the_way = w->where() ? coppice::detail::task_of(w->where()) : nullptr;
    ++(w->task == on_the_way && coppice::detail::current_task() == on_the_way ? right : wrong);
  }
};

// A task of each kind below each kind of place, some of which fail.
void walk(sightings& seen, unsigned seed, unsigned levels) {
  seen.look();
  std::this_thread::yield();
  if (levels == 0) {
    if (seed % 5 == 0) throw seed;
    return;
  }
  const auto below = [&seen, seed, levels](unsigned branch) {
    return [&seen, next = seed * 7 + branch, levels] { walk(seen, next, levels - 1); };
  };
  switch (seed % 4) {
    case 0:
      try {
        coppice::join(below(1), below(2), below(3));
      } catch (unsigned) {
        seen.look();
      }
      break;
    case 1: {
      coppice::task_group group;
      group.spawn(below(1));
      coppice::join(below(2), [&] {
        group.spawn(below(3), "named");
        seen.look();
      });
      group.wait();
      break;
    }
    case 2:
      coppice::spawn(below(1));
      coppice::spawn(below(2));
      break;
    default:
      coppice::parallel_for(0U, 3U, [&](unsigned i) { below(i)(); });
  }
  seen.look();
}

TEST_ON_WORKERS(whose_code, IsKnownWithoutTheWayToItsTask) {
  sightings seen;
  unsigned failed = 0;
  for (unsigned seed = 1; seed <= (support::sanitized ? 10 : 40); ++seed) {
    auto job =
        scheduler().submit([&] { walk(seen, seed, 6); }, {.errors = coppice::error_policy::collect_all()});
    failed += job.wait().result == coppice::outcome::failed ? 1U : 0U;
  }
  EXPECT_EQ(seen.wrong.load(), 0U);
  EXPECT_GT(seen.right.load(), 1000U);
  EXPECT_GT(failed, 0U) << "the way out of what fails is part of it";
}

TEST_ON_WORKERS(whose_code, IsThatOfTheWaitersAgainAfterAnInnerJob) {
  sightings seen;
  scheduler().run([&] {
    coppice::join(
        [&] {
          scheduler().submit([&] { walk(seen, 2, 3); }).wait();
          seen.look();
        },
        [&] {
          scheduler().submit([&] { seen.look(); }).wait();
          seen.look();
        });
    seen.look();
  });
  EXPECT_EQ(seen.wrong.load(), 0U);
  EXPECT_GT(seen.right.load(), 5U);
}

}  // namespace
