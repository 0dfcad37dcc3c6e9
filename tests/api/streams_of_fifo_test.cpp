// Streams that a worker of a FIFO pool reads of which a stage runs on that pool (C-32).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <functional>
#include <latch>
#include <optional>
#include <ranges>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/scale.hpp"
#include "support/streams.hpp"

namespace {

using coppice::fifo_pool;
using coppice::outcome;
using coppice::recursion;
using coppice::results;
using support::numbers;

int same(int i) { return i; }

// Where the stages run of a stream that `own` takes part in, first to last.
struct shape {
  const char* name;
  std::function<results<int>(fifo_pool& own, fifo_pool& other, coppice::scheduler& trees)> make;
};
const std::vector<shape>& shapes() {
  static const std::vector<shape> all{
      {"own", [](auto& own, auto&, auto&) { return own.map(numbers(5), same, {.name = "last"}); }},
      {"own, own",
       [](auto& own, auto&, auto&) { return own.map(own.map(numbers(5), same), same, {.name = "last"}); }},
      {"own, other", [](auto& own, auto& other,
                        auto&) { return other.map(own.map(numbers(5), same), same, {.name = "last"}); }},
      {"other, own", [](auto& own, auto& other,
                        auto&) { return own.map(other.map(numbers(5), same), same, {.name = "last"}); }},
      {"own, scheduler",
       [](auto& own, auto&, auto& trees) {
         return trees.map(own.map(numbers(5), same), same, {.name = "last"});
       }},
      {"own, other, own",
       [](auto& own, auto& other, auto&) {
         return own.map(other.map(own.map(numbers(5), same), same), same, {.name = "last"});
       }},
      {"own, other, scheduler, of one place each",
       [](auto& own, auto& other, auto& trees) {
         return trees.map(other.map(own.map(numbers(5), same, {.capacity = 1}), same, {.capacity = 1}), same,
                          {.capacity = 1, .name = "last"});
       }},
  };
  return all;
}

struct reading {
  int results = 0;
  std::string told;
};
template <class Stream>
reading read_all(Stream& stream) {
  reading r;
  try {
    while (stream.next()) ++r.results;
  } catch (const coppice::would_deadlock& e) {
    r.told = e.what();
  }
  return r;
}

TEST(streams_of_fifo, C32AWorkerThatReadsAStreamOfItsOwnPoolIsTold) {
  fifo_pool pool({.workers = 1});
  std::string told;
  pool.submit([&] {
        auto stream = pool.map(numbers(3), [](int i) { return i; }, {.name = "inner"});
        try {
          (void)stream.next();
        } catch (const coppice::would_deadlock& e) {
          told = e.what();
        }
      })
      .get();
  EXPECT_NE(told.find("worker 0 runs task 0 and waits for a result of stream \"inner\""), std::string::npos)
      << told;
}

TEST(streams_of_fifo, C32HelpingReadsAStreamOfTheOwnPool) {
  for (const unsigned workers : {1u, 2u, 8u}) {
    fifo_pool pool({.workers = workers, .on_recursion = recursion::help});
    const int sum = pool.submit([&pool] {
                          int total = 0;
                          for (auto& r : pool.map(numbers(300), [](int i) { return i; }, {.capacity = 4}))
                            total += r.value();
                          return total;
                        })
                        .get();
    EXPECT_EQ(sum, 44850);
  }
}

TEST(streams_of_fifo, C32AWorkerThatReadsStagesOfWhichOneNeedsItIsTold) {
  for (int round = 0; round < support::scaled(50); ++round) {
    fifo_pool other({.workers = 1});
    coppice::scheduler trees({.workers = 1});
    for (const shape& each : shapes()) {
      fifo_pool pool({.workers = 1});
      const reading r = pool.submit([&] {
                              auto stream = each.make(pool, other, trees);
                              return read_all(stream);
                            })
                            .get();
      EXPECT_EQ(r.results, 0) << each.name;
      EXPECT_NE(r.told.find("worker 0 runs task 0 and waits for a result of stream \"last\""),
                std::string::npos)
          << each.name << ": " << r.told;
    }
  }
}

TEST(streams_of_fifo, C32HelpingRunsTheStagesOfTheOwnPool) {
  for (int round = 0; round < support::scaled(20); ++round) {
    fifo_pool other({.workers = 1});
    coppice::scheduler trees({.workers = 1});
    for (const unsigned workers : {1U, 2U, 8U}) {
      for (const shape& each : shapes()) {
        fifo_pool pool({.workers = workers, .on_recursion = recursion::help});
        const reading r = pool.submit([&] {
                                auto stream = each.make(pool, other, trees);
                                return read_all(stream);
                              })
                              .get();
        EXPECT_EQ(r.results, 5) << each.name << ": " << r.told;
      }
    }
  }
}

// What the own pool has given on before is another one's business, and so no reason to be told.
TEST(streams_of_fifo, C32WhatOtherPoolsStillHaveIsReadBeforeTheReaderIsTold) {
  for (int round = 0; round < support::scaled(200); ++round) {
    for (const bool ends : {false, true}) {
      std::latch open(1);
      std::atomic<int> made = 0;
      fifo_pool pool({.workers = 1}), other({.workers = 1});
      auto first =
          pool.map(std::views::iota(0, ends ? 3 : 1000), [&](int i) { return ++made, i; }, {.capacity = 3});
      while (made < 3) std::this_thread::yield();
      auto last = other.map(std::move(first),
                            [&](int i) {
                              open.wait();
                              return i;
                            },
                            {.concurrency = 1});
      auto reader = pool.submit([&] { return read_all(last); });
      while (pool.stats().standing == 0) std::this_thread::yield();
      open.count_down();
      const reading r = reader.get();
      EXPECT_EQ(r.told.empty(), ends) << r.told;
      if (ends)
        EXPECT_EQ(r.results, 3);
      else
        EXPECT_GE(r.results, 3);
    }
  }
}

// A worker of it is left, and does something else.
TEST(streams_of_fifo, C21AReaderThatStandsInItsOwnPoolMeetsTheDeadline) {
  std::latch busy(1), open(1);
  fifo_pool pool({.workers = 2}), other({.workers = 1});
  auto held = pool.submit([&] {
    busy.count_down();
    open.wait();
  });
  busy.wait();
  for (const bool in_own : {false, true}) {
    fifo_pool& where = in_own ? pool : other;
    const reading r = pool.submit([&] {
                            const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
                            auto stream = where.map(pool.map(numbers(5), same), same, {.deadline = soon});
                            const reading all = read_all(stream);
                            EXPECT_EQ(stream.report().result, outcome::deadline_exceeded);
                            return all;
                          })
                          .get();
    EXPECT_EQ(r.results, 0);
    EXPECT_EQ(r.told, "");
  }
  open.count_down();
}

// Helping, the reader runs the steps of its stream; the source waits until the first result has been read.
TEST(streams_of_fifo, C33ASourceThatBlocksHoldsNothingUpForAReaderThatHelps) {
  fifo_pool pool({.workers = 1, .on_recursion = recursion::help});
  const int rest = pool.submit([&] {
                         std::latch open{1};
                         int given = 0;
                         auto stream = pool.map(support::generated([&]() -> std::optional<int> {
                                                  if (given == 1) open.wait();
                                                  return given < 3 ? std::optional(given++) : std::nullopt;
                                                }),
                                                same);
                         EXPECT_EQ(stream.next()->value(), 0);
                         open.count_down();
                         int n = 0;
                         while (stream.next()) ++n;
                         return n;
                       })
                       .get();
  EXPECT_EQ(rest, 2);
}

}  // namespace
