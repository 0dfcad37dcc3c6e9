// A job's end, and something else at the same moment.
#include <atomic>
#include <optional>
#include <thread>

#include "storm.hpp"

namespace storms {

namespace {

// Forks for some time; a stop is seen at each fork.
void fork_for(std::chrono::nanoseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) coppice::join([] {}, [] {});
}

constexpr std::chrono::microseconds span{60};

}  // namespace

void cancel_and_finish(round& r) {
  coppice::scheduler scheduler({.workers = r.workers()});
  for (int n = 0; n < 40; ++n) {
    const auto time = r.moment(span);
    const bool spawns = r.one_in(2);
    auto job = scheduler.submit([time, spawns] {
      if (spawns) coppice::spawn([time] { fork_for(time); });
      fork_for(time);
    });
    std::atomic<int> won{0};
    const auto cancel_after = [&](std::chrono::nanoseconds when) {
      busy_for(when);
      won.fetch_add(job.cancel("a storm") ? 1 : 0);
    };
    std::thread other(cancel_after, r.moment(span * 2));
    cancel_after(r.moment(span * 2));
    const coppice::job_report report = job.wait();
    other.join();
    expect_sound(report);
    expect(won.load() <= 1, "one cancel wins");
    expect(report.cancel.has_value() == (won.load() == 1),
           "the report has a record if and only if a cancel won");
    expect(report.result != coppice::outcome::deadline_exceeded && report.result != coppice::outcome::failed,
           "completed or cancelled");
  }
}

void deadline_and_finish(round& r) {
  coppice::scheduler scheduler({.workers = r.workers()});
  for (int n = 0; n < 40; ++n) {
    const auto time = r.moment(span);
    auto job = scheduler.submit([time] { fork_for(time); },
                                {.deadline = std::chrono::steady_clock::now() + r.moment(span * 3)});
    if (r.one_in(3)) {
      busy_for(r.moment(span));
      job.cancel("a storm");
    }
    const coppice::job_report& report = job.wait();
    expect_sound(report);
    expect(report.result != coppice::outcome::failed, "no error");
  }
}

void handle_dropped(round& r) {
  coppice::scheduler scheduler({.workers = r.workers()});
  for (int n = 0; n < 60; ++n) {
    // Plain on purpose: whoever drops the handle has joined the job, so it may look.
    int begun = 0;
    int ended = 0;
    struct closure_end {
      int* count;
      explicit closure_end(int& c) noexcept : count(&c) {}
      closure_end(closure_end&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
      closure_end& operator=(closure_end&&) = delete;
      ~closure_end() {
        if (count != nullptr) ++*count;
      }
    };
    int closures = 0;
    {
      const auto time = r.moment(span);
      auto job = scheduler.submit([&begun, &ended, time, end = closure_end(closures)] {
        ++begun;
        busy_for(time);
        ++ended;
      });
      busy_for(r.moment(span * 2));
      if (r.one_in(4)) job.cancel("a storm");
    }
    expect(begun == ended && begun <= 1, "no body runs once its handle is gone");
    expect(closures == 1, "the closure is dead once the handle is gone");
  }
}

}  // namespace storms
