// Circles of waits through FIFO pools that are closed by something other than the last wait: a worker that
// leaves, a place in a queue that is filled or taken (C-30, C-32).
#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/check.hpp"
#include "support/fifo.hpp"
#include "support/scale.hpp"
#include "support/told.hpp"

namespace {

using coppice::fifo_pool;
using coppice::fifo_task;
using support::asleep;
using support::told;
using support::yield_until;

// When the second begins to wait, a worker of its pool is free yet; then it leaves.
TEST(across_fifo_pools, C30C32AWorkerThatLeavesMayCloseACircleOfWaitsForRoom) {
  for (int round = 0; round < support::scaled(200); ++round) {
    told deadlock;
    fifo_pool a({.workers = 1, .queue_capacity = 1, .name = "a"});
    fifo_pool b({.workers = 1, .queue_capacity = 1, .name = "b"});
    std::latch in_a_runs(1), busy_runs(1), in_b_runs(1), full(1), leaves(1);
    auto in_a = a.submit([&] {
      in_a_runs.count_down();
      full.wait();
      deadlock.by([&] { b.submit([] {}); });
    });
    in_a_runs.wait();
    a.resize(2);
    auto busy = a.submit([&] {
      busy_runs.count_down();
      leaves.wait();
    });
    auto in_b = b.submit([&] {
      in_b_runs.count_down();
      full.wait();
      deadlock.by([&] { a.submit([] {}); });
    });
    busy_runs.wait();
    in_b_runs.wait();
    a.submit([] {});
    b.submit([] {});
    full.count_down();
    a.resize(1);
    leaves.count_down();
    in_a.wait();
    in_b.wait();
    deadlock.once({"room in the queue of fifo_pool"});
  }
}

// Of those who wait for room the first that looks again is in no circle: it is told, and so is one who is.
TEST(across_fifo_pools, C30C32WhoIsToldOfACircleOfOthersLeavesItToThem) {
  for (int round = 0; round < support::scaled(200); ++round) {
    told circle, bystander;
    std::latch in_a_runs(1), busy_runs(1), known(1), leaves(1);
    std::atomic<pid_t> first{0}, second{0};
    fifo_task<void> behind;
    fifo_pool a({.workers = 1, .queue_capacity = 1, .name = "a"});
    fifo_pool b({.workers = 1, .name = "b"}), c({.workers = 1, .name = "c"});
    const auto wait_for_room = [&a](std::atomic<pid_t>& thread, told& who) {
      return [&] {
        thread = gettid();
        who.by([&] { a.submit([] {}); });
      };
    };
    auto in_a = a.submit([&] {
      in_a_runs.count_down();
      known.wait();
      circle.by([&] { behind.wait(); });
    });
    in_a_runs.wait();
    a.resize(2);
    auto busy = a.submit([&] {
      busy_runs.count_down();
      leaves.wait();
    });
    busy_runs.wait();
    auto last = a.submit([] {});
    auto in_c = c.submit(wait_for_room(first, bystander));
    yield_until([&] { return first != 0 && asleep(first); });
    auto in_b = b.submit(wait_for_room(second, circle));
    yield_until([&] { return second != 0 && asleep(second); });
    behind = b.submit([] {});
    known.count_down();
    a.resize(1);
    leaves.count_down();
    for (fifo_task<void>* const each : {&in_a, &in_b, &in_c, &last}) each->wait();
    circle.once({"could never end"});
  }
}

// Takes a place in a queue, and stays in hand until `goes_on`; then it is moved in, or gives the place back.
struct in_hand {
  enum class end { is_moved_in, gives_back };
  std::latch& taken;
  std::latch& goes_on;
  end how;
  in_hand(std::latch& t, std::latch& g, end e) : taken(t), goes_on(g), how(e) {}
  in_hand(in_hand&& other) : in_hand(other.taken, other.goes_on, other.how) {
    taken.count_down();
    goes_on.wait();
    if (how == end::gives_back) throw std::runtime_error("not to be moved");
  }
  void operator()() const {}
};

std::jthread hold_a_place(fifo_pool& pool, std::latch& goes_on, in_hand::end how) {
  std::latch taken(1);
  std::jthread holder([&pool, &taken, &goes_on, how] {
    try {
      pool.submit(in_hand(taken, goes_on, how));
      EXPECT_EQ(how, in_hand::end::is_moved_in);
    } catch (const std::runtime_error&) {
      EXPECT_EQ(how, in_hand::end::gives_back);
    }
  });
  taken.wait();
  return holder;
}

TEST(across_fifo_pools, C30C32APlaceInHandClosesACircleWhenItIsFilledAndNotBefore) {
  for (const auto how : {in_hand::end::gives_back, in_hand::end::is_moved_in})
    for (int round = 0; round < support::scaled(100); ++round) {
      told deadlock;
      std::latch in_a_runs(1), known(1), goes_on(1);
      std::atomic<pid_t> first{0}, second{0};
      fifo_task<void> behind;
      fifo_pool a({.workers = 1, .queue_capacity = 1, .name = "a"}), b({.workers = 1, .name = "b"});
      auto in_a = a.submit([&] {
        in_a_runs.count_down();
        known.wait();
        first = gettid();
        deadlock.by([&] { behind.wait(); });
      });
      in_a_runs.wait();
      const std::jthread holder = hold_a_place(a, goes_on, how);
      auto in_b = b.submit([&] {
        known.wait();
        second = gettid();
        deadlock.by([&] { a.submit([] {}); });
      });
      behind = b.submit([] {});
      known.count_down();
      yield_until([&] { return first != 0 && second != 0 && asleep(first) && asleep(second); });
      deadlock.nobody();
      goes_on.count_down();
      in_a.wait();
      in_b.wait();
      if (how == in_hand::end::gives_back)
        deadlock.nobody();
      else
        deadlock.once({"room in the queue of fifo_pool 'a'"});
    }
}

TEST(across_fifo_pools, C30C32AWorkerThatMayBeGivenAPlaceInHandClosesNoCircle) {
  for (int round = 0; round < support::scaled(100); ++round) {
    told deadlock;
    std::latch in_a_runs(1), held(1), goes_on(1);
    fifo_pool a({.workers = 1, .queue_capacity = 1, .name = "a"}), b({.workers = 1, .name = "b"});
    std::atomic<pid_t> waits{0};
    auto in_a = a.submit([&] {
      in_a_runs.count_down();
      held.wait();
      deadlock.by([&] { a.submit([] {}); });
    });
    in_a_runs.wait();
    const std::jthread holder = hold_a_place(a, goes_on, in_hand::end::gives_back);
    held.count_down();
    yield_until([&] { return a.stats().standing == 1; });
    auto in_b = b.submit([&] {
      waits = gettid();
      deadlock.by([&] { in_a.wait(); });
    });
    yield_until([&] { return waits != 0 && asleep(waits); });
    goes_on.count_down();
    in_b.wait();
    deadlock.nobody();
  }
}

// The same where they wait for tasks that are queued.
TEST(across_fifo_pools, C30C32AWorkerThatLeavesMayCloseACircleOfWaitsForTasks) {
  for (int round = 0; round < support::scaled(200); ++round) {
    told deadlock;
    std::latch in_a_runs(1), busy_runs(1), in_b_runs(1), known(1), about_to(2), leaves(1);
    fifo_task<void> last_of_a, last_of_b;
    fifo_pool a({.workers = 1, .name = "a"}), b({.workers = 1, .name = "b"});
    const auto wait_for = [&](std::latch& runs, const fifo_task<void>& task) {
      return [&] {
        runs.count_down();
        known.wait();
        about_to.count_down();
        deadlock.by([&] { task.wait(); });
      };
    };
    auto in_a = a.submit(wait_for(in_a_runs, last_of_b));
    in_a_runs.wait();
    a.resize(2);
    auto busy = a.submit([&] {
      busy_runs.count_down();
      leaves.wait();
    });
    auto in_b = b.submit(wait_for(in_b_runs, last_of_a));
    busy_runs.wait();
    in_b_runs.wait();
    last_of_a = a.submit([] {});
    last_of_b = b.submit([] {});
    known.count_down();
    a.resize(1);
    about_to.wait();
    for (int i = 0; i < round; ++i) std::this_thread::yield();  // both wait, or one, or none
    leaves.count_down();
    in_a.wait();
    in_b.wait();
    deadlock.once({"task 0", "fifo_pool 'a'", "fifo_pool 'b'"});
  }
}

// Each waits for the next one, the last for `task`.
void line_of_jobs(coppice::scheduler& s, int length, const fifo_task<void>& task) {
  if (length == 0) return task.wait();
  s.submit([&s, length, &task] { line_of_jobs(s, length - 1, task); }).wait();
}

// The search has seen the worker that leaves, which runs a task yet, and goes on along a line that is long
// enough for it to leave meanwhile.
TEST(across_fifo_pools, C30C32AWorkerThatLeavesDuringASearchMayCloseACircle) {
  for (int round = 0; round < support::scaled(20); ++round) {
    told deadlock;
    std::latch in_a_runs(1), middle_runs(1), busy_runs(1), known(1), closes(1), searches(1), leaves(1);
    fifo_task<void> in_a, middle, behind;
    coppice::job<void> line;
    std::atomic<pid_t> waits{0};
    coppice::scheduler s({.workers = 1});
    fifo_pool a({.workers = 1, .name = "a"});
    in_a = a.submit([&] {
      in_a_runs.count_down();
      known.wait();
      waits = gettid();
      deadlock.by([&] { line.wait(); });
    });
    in_a_runs.wait();
    a.resize(2);
    middle = a.submit([&] {
      middle_runs.count_down();
      closes.wait();
      searches.count_down();
      deadlock.by([&] { behind.wait(); });
    });
    middle_runs.wait();
    a.resize(3);
    auto busy = a.submit([&] {
      busy_runs.count_down();
      leaves.wait();
    });
    busy_runs.wait();
    behind = a.submit([] {});
    line = s.submit([&] { line_of_jobs(s, 1000, middle); });
    yield_until([&] { return s.stats().standing == 1; });
    known.count_down();
    yield_until([&] { return waits != 0 && asleep(waits); });
    a.resize(2);
    closes.count_down();
    searches.wait();
    leaves.count_down();
    in_a.wait();
    support::check(line.wait());
    deadlock.once({"could never end", "fifo_pool 'a'"});
  }
}

// Outsiders take the places that become free before those do whose search has counted on them.
TEST(across_fifo_pools, C30C32WhoTakesTheLastPlaceMayCloseACircleOfWaitsForRoom) {
  const int tasks = support::scaled(5'000);
  fifo_pool a({.workers = 1, .queue_capacity = 1, .name = "a"});
  fifo_pool b({.workers = 1, .queue_capacity = 1, .name = "b"});
  std::atomic<int> submitted{0}, were_told{0};
  const auto cross = [&](fifo_pool& to) {
    return [&] {
      try {
        to.submit([] {});
        ++submitted;
      } catch (const coppice::would_deadlock&) {
        ++were_told;
      }
    };
  };
  {
    std::vector<std::jthread> outsiders;
    for (fifo_pool* const at : {&a, &b, &a, &b})
      outsiders.emplace_back([&, at] {
        fifo_task<void> last;
        for (int i = 0; i < tasks; ++i) last = at->submit(cross(at == &a ? b : a));
        last.wait();
      });
  }
  EXPECT_EQ(submitted + were_told, 4 * tasks);
}

}  // namespace
