// Schedulers that are made and ended while others use them.
#include <atomic>
#include <optional>
#include <thread>

#include "storm.hpp"

namespace storms {

using coppice::stop_mode;

namespace {

// A small tree, partly by join and partly by spawn, that counts its leaves.
void grow(unsigned depth, std::atomic<unsigned>& leaves) {
  if (depth == 0) {
    leaves.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  coppice::task_group children;
  children.spawn([depth, &leaves] { grow(depth - 1, leaves); });
  coppice::join([depth, &leaves] { grow(depth - 1, leaves); }, [] {});
  children.wait();
}

}  // namespace

void schedulers_come_and_go(round& r) {
  for (int life = 0; life < 4; ++life) {
    std::atomic<unsigned> leaves{0};
    const unsigned depth = static_cast<unsigned>(r.between(0, 5));
    const std::uint64_t jobs = r.between(0, 4);
    {
      coppice::scheduler scheduler({.workers = r.workers(), .pin = coppice::pinning::none});
      busy_for(r.moment(std::chrono::microseconds(100)));
      // Detached: the destructor joins them.
      for (std::uint64_t i = 0; i < jobs; ++i) {
        scheduler.submit([depth, &leaves] { grow(depth, leaves); }).detach();
        busy_for(r.moment(std::chrono::microseconds(30)));
      }
    }
    expect(leaves.load() == jobs << depth, "the destructor joins each detached job");
  }
}

void submit_and_stop(round& r) {
  const std::size_t submitters = r.between(1, 4);
  const std::size_t stoppers = r.between(1, 3);
  struct tally {
    std::uint64_t accepted = 0, refused = 0, full = 0, ran = 0, skipped = 0;
    std::string wrong;
  };
  std::vector<tally> tallies(submitters);
  std::vector<coppice::stop_report> reports(stoppers);
  std::atomic<std::uint64_t> bodies{0};
  {
    coppice::scheduler scheduler({.workers = r.workers(), .injection_capacity = r.between(1, 4)});
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (tally& mine : tallies) {
      const auto pause = r.moment(std::chrono::microseconds(20));
      const auto work = r.moment(std::chrono::microseconds(20));
      threads.emplace_back([&, pause, work] {
        while (!go.load()) std::this_thread::yield();
        for (int n = 0; n < 200 && mine.refused < 2; ++n) try {
            busy_for(pause);
            const auto body = [&bodies, work] {
              bodies.fetch_add(1, std::memory_order_relaxed);
              coppice::spawn([&bodies] { bodies.fetch_add(1, std::memory_order_relaxed); });
              busy_for(work);
            };
            coppice::job<void> job;
            if (n % 3 == 0) {
              auto answer = scheduler.try_submit(body);
              mine.full += answer.status == coppice::admission::full ? 1 : 0;
              mine.refused += answer.status == coppice::admission::stopped ? 1 : 0;
              if (answer.status != coppice::admission::accepted) continue;
              job = std::move(answer.job);
            } else {
              job = scheduler.submit(body);
            }
            ++mine.accepted;
            const coppice::job_report& report = job.wait();
            expect_sound(report);
            mine.ran += report.spawned - report.skipped;
            mine.skipped += report.skipped;
          } catch (const coppice::scheduler_stopped&) {
            ++mine.refused;
          } catch (const std::exception& e) {
            mine.wrong = e.what();
          }
      });
    }
    for (coppice::stop_report& report : reports) {
      const auto when = r.moment(std::chrono::microseconds(2000));
      const auto later = r.moment(std::chrono::microseconds(500));
      const std::uint64_t mode = r.between(0, 2);
      threads.emplace_back([&, when, later, mode] {
        while (!go.load()) std::this_thread::yield();
        busy_for(when);
        report = mode == 0   ? scheduler.stop(stop_mode::drain)
                 : mode == 1 ? scheduler.stop(stop_mode::cancel)
                             : scheduler.stop_until(std::chrono::steady_clock::now() + later);
      });
    }
    go.store(true);
    for (std::thread& t : threads) t.join();
  }
  std::uint64_t ran = 0;
  std::uint64_t refused = 0;
  for (const tally& t : tallies) {
    expect(t.wrong.empty(), t.wrong);
    ran += t.ran;
    refused += t.refused;
  }
  expect(bodies.load() == ran, "each task that a report counts has run, and no other");
  for (const coppice::stop_report& report : reports) {
    expect(report.ran <= ran && report.rejected <= refused, "a stop counts no more than there was");
    expect(report.ran == reports[0].ran && report.skipped == reports[0].skipped, "all stops say the same");
  }
}

}  // namespace storms
