// Standing still and coming back against everything else: sleeping, stealing, waits, resize, stop.
#include <algorithm>
#include <atomic>
#include <latch>
#include <memory>
#include <thread>

#include "storm.hpp"
#include "support/process.hpp"
#include "support/random.hpp"

namespace storms {

namespace {

using std::chrono::microseconds;

// A task's place in its tree says what it does, so no random numbers are shared.
struct standing_tree {
  std::atomic<std::uint64_t>& visited;
  std::uint64_t seed;
  unsigned slowness;  // microseconds that a task may stand still or be busy

  void stand(std::uint64_t draw) const {
    if (draw % 4 == 0)
      std::this_thread::yield();
    else
      stand_still_for(microseconds(draw % (slowness + 1)));
  }

  void visit(unsigned depth, std::uint64_t place) const {
    visited.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t draw = support::mixed(seed, place);
    const auto child = [this, depth, place](unsigned n) {
      return [*this, depth, place, n] { visit(depth - 1, 3 * place + n); };
    };
    if (depth == 0) return stand_or_work(draw);
    switch (draw % 6) {
      case 0:  // forks first, and leaves the frames to others
        for (unsigned n = 1; n <= 3; ++n) coppice::spawn(child(n));
        coppice::blocking([&] { stand(draw / 6); });
        return;
      case 1:  // forks while it stands still
        coppice::blocking([&] {
          stand(draw / 6);
          coppice::join(child(1), child(2), child(3));
          stand(draw / 7);
        });
        return;
      case 2: {  // stands still between a fork and the wait for it
        coppice::task_group group;
        for (unsigned n = 1; n <= 3; ++n) group.spawn(child(n));
        coppice::blocking([&] { stand(draw / 6); });
        group.wait();
        return;
      }
      case 3:  // within each other
        coppice::blocking(
            [&] { coppice::join([&] { coppice::blocking([&] { stand(draw / 6); }); }, child(1)); });
        coppice::join(child(2), child(3));
        return;
      default:
        coppice::join(child(1), child(2), [&] {
          stand_or_work(draw / 6);
          child(3)();
        });
        return;
    }
  }

  void stand_or_work(std::uint64_t draw) const {
    if (draw % 2 == 0)
      coppice::blocking([&] { stand(draw / 2); });
    else
      busy_for(microseconds(draw % (slowness + 1)));
  }
};

std::uint64_t nodes_of(unsigned depth) {
  std::uint64_t n = 1;
  for (std::uint64_t level = 1; depth != 0; --depth) n += level *= 3;
  return n;
}

unsigned draw_workers(round& r) { return r.one_in(8) ? 64 : r.workers(); }

unsigned draw_spares(round& r) {
  constexpr unsigned spares[] = {0, 1, 2, 64};
  return spares[r.between(0, 3)];
}

// So many tasks run, or stand still, at a time: each waits for all. A core that got lost, or a worker that
// sleeps beside work, is a wait without an end.
void expect_all_at_once(coppice::scheduler& s, unsigned tasks, bool standing) {
  std::latch all(tasks);
  s.run([&] {
    coppice::task_group group;
    for (unsigned i = 0; i < tasks; ++i)
      group.spawn([&] {
        if (standing)
          coppice::blocking([&] { all.arrive_and_wait(); });
        else
          all.arrive_and_wait();
      });
    group.wait();
  });
}

}  // namespace

void stand_still_and_resize(round& r) {
  const unsigned spares = draw_spares(r);
  unsigned workers = draw_workers(r);
  const std::size_t threads_before = support::threads_at_rest();
  {
    coppice::scheduler scheduler({.workers = workers, .max_spare_workers = spares});
    std::atomic<std::uint64_t> visited{0};
    std::uint64_t wanted = 0;
    std::vector<coppice::job<void>> jobs;
    const std::uint64_t submissions = r.between(1, 6);
    for (std::uint64_t i = 0; i < submissions; ++i) {
      const unsigned depth = static_cast<unsigned>(r.between(0, 4));
      const standing_tree tree{visited, r.between(0, ~std::uint64_t{0}),
                               static_cast<unsigned>(r.between(0, 60))};
      wanted += nodes_of(depth);
      jobs.push_back(scheduler.submit([tree, depth] { tree.visit(depth, 1); }));
      busy_for(r.moment(microseconds(200)));
      if (r.one_in(2)) {
        workers = draw_workers(r);
        scheduler.resize(workers);
      }
    }
    if (r.one_in(2)) {
      for (auto& job : jobs) job.get();
      expect(visited.load() == wanted, "each task has run");
      jobs.clear();
    }
    // With the trees still under way, if they are: those that stand still there come back.
    const bool stand = r.one_in(2);
    expect_all_at_once(scheduler, workers + (stand ? std::min(spares, 5U) : 0), stand);
    expect_all_at_once(scheduler, workers, !stand);
    for (auto& job : jobs) job.get();
    expect(visited.load() == wanted, "each task has run");
    expect(scheduler.stats().standing == 0 && scheduler.stats().spares <= spares,
           "all have come back, and no more spare workers were made than may be");
  }
  expect(support::threads_settled(threads_before) <= threads_before, "no thread is left");
}

void stand_still_and_stop(round& r) {
  const unsigned spares = draw_spares(r);
  const std::size_t threads_before = support::threads_at_rest();
  {
    coppice::scheduler scheduler({.workers = draw_workers(r), .max_spare_workers = spares});
    std::atomic<std::uint64_t> visited{0};
    std::vector<coppice::job<void>> jobs;
    const std::uint64_t submissions = r.between(1, 4);
    for (std::uint64_t i = 0; i < submissions; ++i) {
      const unsigned depth = static_cast<unsigned>(r.between(0, 4));
      const standing_tree tree{visited, r.between(0, ~std::uint64_t{0}),
                               static_cast<unsigned>(r.between(0, 60))};
      jobs.push_back(scheduler.submit([tree, depth] { tree.visit(depth, 1); }));
    }
    busy_for(r.moment(microseconds(500)));
    const std::uint64_t how = r.between(0, 2);
    std::thread resizer;
    if (r.one_in(3))
      resizer = std::thread([&scheduler, n = r.workers()] {
        try {
          scheduler.resize(n);
        } catch (const coppice::scheduler_stopped&) {
        }
      });
    if (how == 0)
      scheduler.stop(coppice::stop_mode::drain);
    else if (how == 1)
      scheduler.stop(coppice::stop_mode::cancel);
    else
      scheduler.stop_until(std::chrono::steady_clock::now() + r.moment(microseconds(300)));
    if (resizer.joinable()) resizer.join();
    std::uint64_t ran = 0;
    for (auto& job : jobs) {
      const coppice::job_report& report = job.wait();
      expect_sound(report);
      ran += report.spawned - report.skipped;
    }
    expect(how != 0 || ran != 0, "a stop that drains lets the tasks run");
    expect(scheduler.stats().standing == 0, "nobody stands still after the stop");
  }
  expect(support::threads_settled(threads_before) <= threads_before, "no thread is left");
}

}  // namespace storms
