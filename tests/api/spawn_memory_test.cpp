// What a spawned child that has not started takes: a frame of 64 bytes and its closure.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>

#include "support/check.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

constexpr std::size_t fills_a_deque = 9000;
// Of a full deque children run one within the other, until the next one has to wait: there `body` runs.
template <class Body>
class below_inline_runs {
 public:
  explicit below_inline_runs(Body& body) : body_(body) {}
  void operator()() {
    if (done_) return;
    const std::size_t begun = ++begun_;
    coppice::spawn([this] { (*this)(); });
    if (begun_ != begun || done_) return;
    done_ = true;
    body_();
  }

 private:
  Body& body_;
  std::size_t begun_ = 0;
  bool done_ = false;
};

template <std::size_t Words>
struct closure {
  std::atomic<std::uint64_t>* sum;
  std::uint64_t words[Words - 1];
  void operator()() const { sum->fetch_add(words[0], std::memory_order_relaxed); }
};

// Bytes for each of `tasks` live children with closures of this many words.
template <std::size_t Words>
double bytes_of_each(std::size_t tasks) {
  coppice::scheduler one({.workers = 1});
  std::atomic<std::uint64_t> sum = 0;
  std::size_t grown = 0;
  bool none_ran = false;
  auto measure = [&] {
    const std::uint64_t inline_runs = one.stats().inline_runs;
    const std::size_t before = support::resident_bytes();
    for (std::size_t i = 0; i < tasks; ++i) coppice::spawn(closure<Words>{&sum, {i}});
    grown = support::resident_bytes() - before;
    none_ran = sum.load() == 0 && one.stats().inline_runs == inline_runs;
  };
  below_inline_runs below(measure);
  const auto report = support::report_of(one, [&] {
    for (std::size_t i = 0; i < fills_a_deque; ++i) coppice::spawn([] {});
    below();
  });
  EXPECT_TRUE(none_ran) << "all of them are live at the same time";
  EXPECT_EQ(report.result, coppice::outcome::completed) << report;
  EXPECT_EQ(sum.load(), tasks * (tasks - 1) / 2) << "each has run once";
  return static_cast<double>(grown) / static_cast<double>(tasks);
}

// One in 64 is a bundle's: 72 bytes.
constexpr double share_of_a_bundle = 72.0 / 63;

TEST(spawn_memory, AMillionLiveChildrenTake64BytesAndTheirClosureEach) {
  const std::size_t tasks = support::scaled(std::size_t{1'000'000});
  const double with_two_words = bytes_of_each<2>(tasks);
  const double with_five_words = bytes_of_each<5>(tasks);
  const double with_eight_words = bytes_of_each<8>(tasks);
  // Page tables of the sanitizers are no memory of ours.
  if (support::sanitized) return;
  constexpr double slack = 2.0;  // a chunk's header and its last node, a page for each block
  EXPECT_LE(with_two_words, 64 + 2 * 8 + share_of_a_bundle + slack);
  EXPECT_LE(with_five_words, 64 + 5 * 8 + share_of_a_bundle + slack);
  EXPECT_LE(with_eight_words, 64 + 8 * 8 + share_of_a_bundle + slack);
}

template <std::size_t Alignment>
struct alignas(Alignment) aligned {
  std::atomic<std::size_t>* right;
  void operator()() const { *right += reinterpret_cast<std::uintptr_t>(this) % Alignment == 0 ? 1U : 0U; }
};

class closures : public support::on_workers {};

TEST_ON_WORKERS(closures, OfEachAlignmentAreAlignedAndEndWhereTheyAreStolen) {
  constexpr std::size_t each = support::scaled(std::size_t{2000});
  std::atomic<std::size_t> right = 0;
  const auto report = support::report_of(scheduler(), [&] {
    coppice::task_group group;
    for (std::size_t i = 0; i < each; ++i) {
      group.spawn(aligned<8>{&right});
      group.spawn(aligned<16>{&right});
      group.spawn(aligned<32>{&right});
      group.spawn(aligned<64>{&right});
      group.spawn(aligned<128>{&right});
      group.spawn([&right, a = 1, b = 2L, c = 3L, d = 4L] { right += a + b + c + d == 10 ? 1U : 0U; });
    }
    group.wait();
  });
  EXPECT_EQ(report.result, coppice::outcome::completed) << report;
  EXPECT_EQ(right.load(), 6 * each);
}

}  // namespace
