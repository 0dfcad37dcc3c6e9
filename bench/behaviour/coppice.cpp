#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "situation.hpp"

namespace behaviour {
namespace {

using coppice::error_policy;
using coppice::scheduler;
using coppice::task_group;

struct throws_at_its_end {
  bool armed = true;
  throws_at_its_end() = default;
  throws_at_its_end(throws_at_its_end&& other) noexcept : armed(std::exchange(other.armed, false)) {}
  ~throws_at_its_end() noexcept(false) {
    if (armed) throw std::runtime_error("destructor");
  }
  void operator()() const {}
};

std::string errors_of(const coppice::job_report& r) {
  return std::to_string(r.errors_total) + (r.errors_total == 1 ? " error" : " errors") +
         " reported, outcome " + coppice::to_string(r.result);
}

void nest(int depth) {
  if (depth == 0) return;
  task_group group;
  group.spawn([=] { nest(depth - 1); });
  group.wait();
}

std::string run(scheduler& s, situation which) {
  switch (which) {
    case thousand_throws: {
      auto job = s.submit(
          [] {
            task_group group;
            for (int i = 0; i < 1000; ++i) group.spawn([] { throw std::runtime_error("one"); });
            group.wait();
          },
          {.errors = error_policy::collect_all()});
      return errors_of(job.wait());
    }
    case throw_after_cancel: {
      auto job = s.submit([] {
        coppice::this_task::cancel_job("enough");
        throw std::runtime_error("late");
      });
      return errors_of(job.wait());
    }
    case group_in_cancelled_group: {
      std::atomic<int> ran{0};
      std::string text = "the inner wait returned";
      s.submit([&] {
         coppice::this_task::cancel_job("enough");
         task_group inner;
         for (int i = 0; i < 14; ++i) inner.spawn([&] { ++ran; });
         try {
           inner.wait();
         } catch (const coppice::cancelled&) {
           text = "the inner wait threw cancelled";
         }
       }).wait();
      return text + ", " + std::to_string(ran) + " of 14 tasks ran";
    }
    case group_not_waited_for: {
      std::atomic<int> ran{0};
      auto job = s.submit([&] {
        task_group group;
        for (int i = 0; i < 14; ++i) group.spawn([&] { ++ran; });
      });
      const auto& r = job.wait();
      return std::to_string(ran) + " of 14 tasks ran, " + std::to_string(r.skipped) + " skipped, all joined";
    }
    case nested_groups: {
      auto job = s.submit([] { nest(10'000); });
      return job.wait().result == coppice::outcome::completed ? "completed" : errors_of(job.wait());
    }
    case fork_and_go_on: {
      s.run([] { coppice::join([] {}, [] {}); });
      const pid_t child = fork();
      if (child == 0) {
        try {
          s.run([] {});
          _exit(1);
        } catch (const coppice::scheduler_stopped&) {
        }
        _exit(scheduler({.workers = 2}).run([] { return 0; }));
      }
      int status = 0;
      waitpid(child, &status, 0);
      return status == 0 ? "the old one refuses, a new one works" : "the child failed";
    }
    case lock_around_a_loop: {
      std::mutex lock;
      for (int round = 0; round < 1000; ++round)
        s.run([&] {
          task_group group;
          for (int i = 0; i < 8; ++i)
            group.spawn([&] {
              const std::lock_guard hold(lock);
              coppice::parallel_for(0, 32, [](int) { std::this_thread::yield(); });
            });
          group.wait();
        });
      return "completed 1000 times";
    }
    case throwing_destructor: {
      auto job = s.submit([] {
        task_group group;
        group.spawn(throws_at_its_end());
        group.wait();
      });
      return errors_of(job.wait());
    }
    case situations:
      break;
  }
  return {};
}

}  // namespace

std::string with_coppice(situation which) {
  coppice::set_unobserved_error_handler([](const coppice::job_report&) {});
  scheduler s({.workers = 4});
  return run(s, which);
}

}  // namespace behaviour
