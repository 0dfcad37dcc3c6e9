// Streams that are ended from within: by their own inputs, sources, handlers and callbacks, which cancel
// them, or destroy or assign over their readers.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>

#include "support/streams.hpp"
#include "support/tracked.hpp"

namespace {

using coppice::results;
using support::generated;
using support::numbers;

template <class Pool>
class stream_ends_within : public support::on_both_pools<Pool> {};
TYPED_TEST_SUITE(stream_ends_within, support::both_pools, support::pool_name);

// The reader goes within an input, after two errors that nobody read.
TYPED_TEST(stream_ends_within, C27ErrorsGoToTheHandlerAlsoIfAnInputDestroysTheReader) {
  static std::atomic<int> heard;
  heard = 0;
  coppice::set_unobserved_error_handler(
      [](const coppice::job_report& report) { heard += static_cast<int>(report.errors_total); });
  std::latch made{1}, gone{1};
  std::optional<results<int>> stream;
  stream = this->pool(1).map(numbers(3), [&](int i) {
    made.wait();
    if (i < 2) throw std::runtime_error("unread");
    stream.reset();
    gone.count_down();
    return i;
  });
  made.count_down();
  gone.wait();
  this->close();
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(heard, 2);
}

TYPED_TEST(stream_ends_within, C33AnInputOfTheFirstStageMayDestroyTheReaderOfTheLast) {
  auto& pool = this->pool(2);
  std::latch made{1}, gone{1};
  std::optional<results<int>> last;
  last = pool.map(pool.map(numbers(9),
                           [&, alive = support::tracked(1)](int i) {
                             made.wait();
                             if (i == 3) {
                               last.reset();
                               gone.count_down();
                             }
                             return i;
                           }),
                  [alive = support::tracked(1)](int i) { return i; });
  made.count_down();
  gone.wait();
  this->close();
  EXPECT_EQ(support::tracked::live(), 0);
}

TYPED_TEST(stream_ends_within, C33ASourceMayDestroyTheReader) {
  std::latch made{1}, gone{1};
  std::optional<results<int>> stream;
  int given = 0;
  stream = this->pool(2).map(generated([&, alive = support::tracked(1)]() -> std::optional<int> {
                               made.wait();
                               if (given == 3) {
                                 stream.reset();
                                 gone.count_down();
                               }
                               return given++;
                             }),
                             [alive = support::tracked(1)](int i) { return i; });
  made.count_down();
  gone.wait();
  this->close();
  EXPECT_EQ(support::tracked::live(), 0);
}

// As it dies it cancels the stream that has kept it, once.
struct cancels_as_it_dies {
  std::shared_ptr<void> end;
};

TYPED_TEST(stream_ends_within, C19AnErrorThatIsKeptNoLongerCancelsItsStreamAsItDies) {
  auto& pool = this->pool(2);
  std::optional<results<int>> stream;
  std::latch read{1};
  int cancelled = 0;
  stream =
      pool.map(numbers(2),
               [&](int i) -> int {
                 if (i == 1)
                   throw cancels_as_it_dies{{&cancelled, [&](int* n) { *n += stream->cancel() ? 1 : 0; }}};
                 read.wait();
                 throw std::runtime_error("earlier");
               },
               {.concurrency = 2, .keep_errors = 1});
  EXPECT_EQ(stream->next()->index, 1u);
  read.count_down();
  EXPECT_EQ(stream->next()->index, 0u);
  EXPECT_FALSE(stream->next());
  EXPECT_EQ(cancelled, 1);
  ASSERT_EQ(stream->report().errors.size(), 1u);
  EXPECT_EQ(stream->report().errors[0].path, "root/0");
  EXPECT_EQ(stream->report().errors_total, 2u);
}

// The handler of what nobody read is called as the stream ends that is assigned over.
TYPED_TEST(stream_ends_within, C33AStreamThatIsAssignedOverEndsOnceThoughItsHandlerAssignsToo) {
  static results<void>* assigned;
  static int heard;
  heard = 0;
  std::latch failed{1};
  results<void> stream = this->pool(1).map(numbers(2), [&failed](int i) {
    if (i == 1) failed.count_down();
    if (i == 0) throw std::runtime_error("unread");
  });
  assigned = &stream;
  coppice::set_unobserved_error_handler([](const coppice::job_report&) {
    ++heard;
    *assigned = {};
  });
  failed.wait();
  stream = {};
  coppice::set_unobserved_error_handler(nullptr);
  EXPECT_EQ(heard, 1);
  EXPECT_TRUE(stream.done());
}

TEST(streams_that_stop, C33AStopCallbackOfAnInputMayAssignOverTheStreamThatIsAssignedOver) {
  coppice::scheduler pool({.workers = 2});
  std::latch running{1}, stopped{1};
  results<int> stream;
  int called = 0;
  stream = pool.map(numbers(1), [&](int i) {
    const std::stop_callback assigns(coppice::this_task::stop_token(), [&] {
      ++called;
      stream = {};
      stopped.count_down();
    });
    running.count_down();
    stopped.wait();
    return i;
  });
  running.wait();
  stream = {};
  EXPECT_EQ(called, 1);
}

// Another worker takes the reader along, while the input waits for that.
TEST(streams_that_stop, C33WhatAnInputHasForkedMayDestroyTheReader) {
  enum class by { branch, child, job };
  for (const by who : {by::branch, by::child, by::job}) {
    {
      std::latch made{1}, gone{1};
      std::optional<results<int>> stream;
      coppice::scheduler pool({.workers = 2});  // ends first, when what the input does is done
      const auto destroy = [&] {
        stream.reset();
        gone.count_down();
      };
      stream = pool.map(numbers(1), [&, alive = support::tracked(1)](int i) {
        made.wait();
        if (who == by::branch) {
          coppice::join([&] { gone.wait(); }, destroy);
        } else if (who == by::child) {
          coppice::task_group children;
          children.spawn(destroy);
          gone.wait();
          children.wait();
        } else {
          auto inner = pool.submit(destroy);
          gone.wait();
          inner.wait();
        }
        return i;
      });
      made.count_down();
      gone.wait();
    }
    EXPECT_EQ(support::tracked::live(), 0);
  }
}

}  // namespace
