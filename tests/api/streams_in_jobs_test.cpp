// Streams that are made and read by tasks.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/scale.hpp"
#include "support/streams.hpp"
#include "support/workers.hpp"

namespace {

using coppice::outcome;
using support::generated;
using support::numbers;

class streams_in_jobs : public support::on_workers {};

TEST_ON_WORKERS(streams_in_jobs, ATaskReadsAStreamOfItsOwnScheduler) {
  auto& s = scheduler();
  const long sum = s.run([&s] {
    long total = 0;
    for (auto& r : s.map(numbers(500), [](int i) { return long{i}; }, {.capacity = 8})) total += r.value();
    return total;
  });
  EXPECT_EQ(sum, 124750);
}

TEST_ON_WORKERS(streams_in_jobs, ATaskReadsAStageThatAnotherPoolFeeds) {
  // The only worker stands still until something comes; then it is the one who has to work on it.
  auto& s = scheduler();
  coppice::fifo_pool other({.workers = 1});
  const long sum = s.run([&] {
    long total = 0;
    auto fed = other.map(numbers(2000),
                         [](int i) {
                           std::this_thread::yield();
                           return i;
                         },
                         {.capacity = 1});
    auto stage = s.map(std::move(fed), [](int i) { return i; }, {.capacity = 2});
    for (auto& r : s.map(std::move(stage), [](int i) { return long{i}; }, {.capacity = 2}))
      total += r.value();
    return total;
  });
  EXPECT_EQ(sum, 1999000);
}

TEST_ON_WORKERS(streams_in_jobs, StreamsAndStagesNest) {
  auto& s = scheduler();
  const long sum = s.run([&s] {
    long total = 0;
    auto rows = s.map(numbers(20), [&s](int i) {
      long row = 0;
      for (auto& r : s.map(s.map(numbers(20), [](int k) { return k; }, {.capacity = 2}),
                           [i](int k) { return long{i} * k; }, {.capacity = 2}))
        row += r.value();
      return row;
    });
    for (auto& r : rows) total += r.value();
    return total;
  });
  EXPECT_EQ(sum, 190 * 190);
}

TEST_ON_WORKERS(streams_in_jobs, AFunctionMayForkAndItsErrorsKeepTheirPlace) {
  auto& s = scheduler();
  auto stream = s.map(numbers(40), [](int i) {
    auto [a, b] = coppice::join([i] { return i; },
                                [i] {
                                  if (i == 17) throw std::runtime_error("right branch");
                                  return i;
                                });
    return a + b;
  });
  std::vector<int> values(40);
  for (auto& r : stream) {
    if (r.index == 17) {
      EXPECT_EQ(r.error().path, "root/17/1");
      EXPECT_EQ(r.error().message, "right branch");
    } else {
      EXPECT_EQ(r.value(), 2 * static_cast<int>(r.index));
    }
  }
}

TEST_ON_WORKERS(streams_in_jobs, C17WhoCancelsInAStreamIsItsInputWithItsReason) {
  auto stream = scheduler().map(std::views::iota(0),
                                [](int i) {
                                  if (i == 2) coppice::this_task::cancel_job("found it");
                                  return i;
                                },
                                {.capacity = 8});
  while (stream.next()) continue;
  ASSERT_TRUE(stream.report().cancel);
  EXPECT_EQ(stream.report().cancel->by, "root/2");
  EXPECT_EQ(stream.report().cancel->reason, "found it");
}

// Two inputs run on the two workers when one of them cancels.
TEST(streams_in_jobs_of_two, C14C19ACancelByAnInputStopsTheStreamAtOnce) {
  coppice::scheduler two({.workers = 2});
  std::barrier both_run(2);
  std::latch cancelled(1);
  std::atomic<int> begun{0};
  auto stream = two.map(std::views::iota(0),
                        [&](int i) {
                          ++begun;
                          both_run.arrive_and_wait();
                          if (i == 0) {
                            EXPECT_TRUE(coppice::this_task::cancel_job("the first"));
                            EXPECT_TRUE(coppice::this_task::stop_requested());
                            cancelled.count_down();
                          } else {
                            cancelled.wait();
                            EXPECT_TRUE(coppice::this_task::stop_requested());
                            EXPECT_FALSE(coppice::this_task::cancel_job("the second"));
                          }
                          return i;
                        },
                        {.capacity = 8});
  while (stream.next()) continue;
  EXPECT_EQ(begun, 2) << "none begins after it";
  ASSERT_TRUE(stream.report().cancel);
  EXPECT_EQ(stream.report().cancel->by, "root/0");
  EXPECT_EQ(stream.report().cancel->reason, "the first");
  EXPECT_EQ(stream.report().cancel->running, 2U);
}

TEST_ON_WORKERS(streams_in_jobs, C21AStreamThatOutlivesItsJobHasItsDeadlineStill) {
  using namespace std::chrono_literals;
  auto& s = scheduler();
  coppice::fifo_pool other({.workers = 1});
  const auto made_in_a_job = [&](auto& pool, auto deadline, bool shield) {
    return s
        .submit(
            [&] {
              return pool.map(std::views::iota(0), [](int) { return coppice::this_task::remaining(); },
                              {.capacity = 4, .shield = shield});
            },
            {.deadline = std::chrono::steady_clock::now() + deadline})
        .get();
  };
  const auto expect_its_end = [&](auto& pool) {
    for (const bool shield : {false, true}) {
      auto stream = made_in_a_job(pool, 20ms, shield);
      while (stream.next()) continue;
      EXPECT_EQ(stream.report().result, outcome::deadline_exceeded);
    }
  };
  expect_its_end(s);
  expect_its_end(other);
  EXPECT_LE(made_in_a_job(s, 1h, false).next()->value(), 1h);
  EXPECT_LE(made_in_a_job(s, 1h, true).next()->value(), 1h);
}

TEST_ON_WORKERS(streams_in_jobs, C21TheDeadlineOfTheJobIsThatOfItsStreams) {
  auto& s = scheduler();
  coppice::fifo_pool other({.workers = 1});
  const auto read_all = [](auto& pool) {
    auto stream = pool.map(std::views::iota(0), [](int i) { return i; }, {.capacity = 4});
    while (stream.next()) continue;
    return stream.report().result;
  };
  outcome own{}, others{};
  auto job = s.submit(
      [&] {
        others = read_all(other);
        own = read_all(s);
      },
      {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5)});
  job.wait();
  if (job.wait().succeeded == 0) return;  // it never began
  EXPECT_EQ(others, outcome::deadline_exceeded);
  EXPECT_EQ(own, outcome::deadline_exceeded);
}

TEST_ON_WORKERS(streams_in_jobs, C21AShieldedStreamOfAnyPoolHasTheDeadlineOfItsJobToo) {
  auto& s = scheduler();
  coppice::fifo_pool other({.workers = 1});
  const auto read_late = [](auto& pool) {
    auto stream = pool.map(numbers(50), [](int i) { return i; }, {.capacity = 1, .shield = true});
    while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    while (stream.next()) continue;
    return stream.report().result;
  };
  outcome own = outcome::deadline_exceeded, others = own;
  auto job = s.submit(
      [&] {
        others = read_late(other);
        own = read_late(s);
      },
      {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5)});
  job.wait();
  EXPECT_EQ(others, outcome::deadline_exceeded);
  EXPECT_EQ(own, outcome::deadline_exceeded);
}

TEST_ON_WORKERS(streams_in_jobs, C04WhatAFunctionRecordsIsTheErrorOfItsInput) {
  const auto io = std::make_error_code(std::errc::io_error);
  auto stream = scheduler().map(numbers(10),
                                [&](int i) {
                                  if (i == 2) coppice::this_task::fail(io, "disk");
                                  if (i == 4) {
                                    coppice::this_task::fail(io, "first");
                                    throw 4;
                                  }
                                  return i;
                                },
                                {.ordered = true, .name = "name"});
  std::vector<std::size_t> failed;
  while (const auto r = stream.next()) {
    if (r->ok()) continue;
    failed.push_back(r->index);
    EXPECT_EQ(r->error().path, "root/" + std::to_string(r->index));
    EXPECT_EQ(r->error().name, "name");
    EXPECT_TRUE(r->error().message.starts_with(r->index == 2 ? "disk" : "first")) << r->error();
  }
  EXPECT_EQ(failed, (std::vector<std::size_t>{2, 4}));
  EXPECT_EQ(stream.report().failed, 2u);
}

TEST_ON_WORKERS(streams_in_jobs, ThePathOfAnInputIsItsPlace) {
  auto& s = scheduler();
  for (auto& r : s.map(numbers(20), [](int) { return coppice::this_task::path(); }))
    EXPECT_EQ(r.value(), "root/" + std::to_string(r.index));
}

TEST_ON_WORKERS(streams_in_jobs, C20CancellingTheJobCancelsTheStreamsMadeInIt) {
  auto& s = scheduler();
  std::latch made{1};
  auto job = s.submit([&] {
    auto stream = s.map(std::views::iota(0),
                        [](int i) {
                          coppice::this_task::throw_if_stopped();
                          return i;
                        },
                        {.capacity = 4});
    made.count_down();
    std::uint64_t read = 0;
    while (stream.next()) ++read;
    EXPECT_EQ(stream.report().spawned, read);
    EXPECT_EQ(stream.report().result, outcome::cancelled);
  });
  made.wait();
  job.cancel("enough");
  job.wait();
}

TEST_ON_WORKERS(streams_in_jobs, C14ACancelReachesTheCodeThatRuns) {
  auto& s = scheduler();
  std::latch running{1};
  auto stream = s.map(numbers(1), [&running](int i) {
    running.count_down();
    while (!coppice::this_task::stop_requested()) std::this_thread::yield();
    coppice::this_task::throw_if_stopped();
    return i;
  });
  running.wait();
  stream.cancel("stop it");
  auto r = stream.next();
  ASSERT_TRUE(r && !r->ok());
  EXPECT_NE(r->error().message.find("stop it"), std::string::npos);
  EXPECT_THROW(r->value(), coppice::job_cancelled);
  EXPECT_FALSE(stream.next());
  EXPECT_EQ(stream.report().cancelled, 1u);
  EXPECT_EQ(stream.report().result, outcome::cancelled);
}

// Of three results the first is there before what the others wait for.
template <class Open>
void read_the_first_then(coppice::results<int>& stream, Open open) {
  const auto first = stream.next();
  open();
  ASSERT_EQ(first->value(), 0);
  int rest = 0;
  while (stream.next()) ++rest;
  ASSERT_EQ(rest, 2);
}

// Who reads runs steps of the stream while there is nothing to read. The source waits until the first result
// has been read.
TEST_ON_WORKERS(streams_in_jobs, C33ASourceThatBlocksHoldsNothingUpForAReaderThatHelps) {
  auto& s = scheduler();
  s.run([&s] {
    for (const unsigned stages : {1U, 2U}) {
      std::latch open{1};
      int given = 0;
      auto stream = s.map(generated([&]() -> std::optional<int> {
                            if (given == 1) open.wait();
                            return given < 3 ? std::optional(given++) : std::nullopt;
                          }),
                          [](int i) { return i; });
      if (stages == 2) stream = s.map(std::move(stream), [](int i) { return i; });
      read_the_first_then(stream, [&] { open.count_down(); });
    }
  });
}

TEST_ON_WORKERS(streams_in_jobs, C33AnInputThatWaitsForItsReaderHoldsNothingUpForOneThatHelps) {
  auto& s = scheduler();
  s.run([&s] {
    std::latch open{1};
    auto stream = s.map(numbers(3),
                        [&](int i) {
                          if (i == 1) open.wait();
                          return i;
                        },
                        {.ordered = true});
    read_the_first_then(stream, [&] { open.count_down(); });
  });
}

// The reader lends its core for a moment: a step that it runs itself takes one input, and is a job.
TEST(streams_in_jobs_serially, AReaderOfShortInputsLeavesStepsOfManyToOthers) {
  coppice::scheduler s({.workers = 1});
  const int n = support::scaled(20000);
  s.run([&] {
    int sum = 0;
    for (auto& r : s.map(std::views::iota(0, n), [](int) { return 1; })) sum += r.value();
    EXPECT_EQ(sum, n);
  });
  EXPECT_LT(s.stats().jobs, static_cast<std::uint64_t>(n) / 2);
}

// After some short waits a reader lets results gather, of which no more than two come before it reads on.
TEST_ON_WORKERS(streams_in_jobs, C33ASourceThatWaitsForTheReaderGoesOnThoughTheReaderLetsResultsGather) {
  auto& s = scheduler();
  const int n = support::scaled(400);
  std::atomic<int> read{0};
  const auto read_all = [&] {
    int given = 0;
    read = 0;
    auto stream = s.map(generated([&]() -> std::optional<int> {
                          for (int r = read; r + 1 < given; r = read) read.wait(r);
                          return given < n ? std::optional(given++) : std::nullopt;
                        }),
                        [](int i) { return i; });
    for (auto& r : stream) {
      EXPECT_EQ(r.value(), static_cast<int>(r.index));
      ++read;
      read.notify_one();
    }
    EXPECT_EQ(read, n);
  };
  s.run(read_all);
  read_all();
}

// One worker stands still with the only loan, one is in an input that waits for the next, one reads: only the
// reader can run that, on the core that it keeps.
TEST(streams_in_jobs_serially, C33AReaderWhoseCoreNobodyIsLentRunsWhatIsPosted) {
  coppice::scheduler s({.workers = 2, .max_spare_workers = 1});
  std::latch stands{1}, read{1}, begun{1}, both{2};
  auto blocker = s.submit([&] {
    coppice::blocking([&] {
      stands.count_down();
      read.wait();
    });
  });
  stands.wait();
  s.run([&] {
    auto stream = s.map(numbers(2), [&](int i) {
      if (i == 0) begun.count_down();
      both.arrive_and_wait();
      return i;
    });
    begun.wait();
    int n = 0;
    while (stream.next()) ++n;
    EXPECT_EQ(n, 2);
  });
  read.count_down();
}

// The input ends some time after the reader has begun to wait for it.
TEST_ON_WORKERS(streams_in_jobs, WaitingForAResultIsNoWork) {
  auto& s = scheduler();
  coppice::fifo_pool other({.workers = 1});
  constexpr std::chrono::milliseconds some_time{20};
  auto job = s.submit(
      [&] {
        auto stream = other.map(numbers(1), [&](int i) {
          while (s.stats().standing == 0) std::this_thread::yield();
          for (const auto since = std::chrono::steady_clock::now();
               std::chrono::steady_clock::now() - since < some_time;)
            std::this_thread::yield();
          return i;
        });
        while (stream.next()) continue;
      },
      {.stats = true});
  const coppice::job_report& report = job.wait();
  ASSERT_TRUE(report.stats);
  EXPECT_LE(report.stats->work + some_time, report.elapsed) << report;
}

}  // namespace
