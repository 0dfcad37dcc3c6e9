#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "situation.hpp"

namespace behaviour {
namespace {

using tbb::task_group;

std::string to_text(tbb::task_group_status status) {
  switch (status) {
    case tbb::complete:
      return "complete";
    case tbb::canceled:
      return "canceled";
    default:
      return "not complete";
  }
}

void nest(int depth) {
  if (depth == 0) return;
  task_group group;
  group.run([=] { nest(depth - 1); });
  group.wait();
}

void use_all() {
  tbb::parallel_for(0, 1000, [](int) { std::this_thread::yield(); });
}

}  // namespace

std::string with_onetbb(situation which) {
  const tbb::global_control four(tbb::global_control::max_allowed_parallelism, 4);
  tbb::task_arena arena(4);
  std::string text;
  switch (which) {
    case thousand_throws: {
      int caught = 0;
      task_group group;
      for (int i = 0; i < 1000; ++i) group.run([] { throw std::runtime_error("one"); });
      try {
        group.wait();
      } catch (const std::runtime_error&) {
        ++caught;
      }
      return std::to_string(caught) + " error thrown by wait, the others are gone";
    }
    case throw_after_cancel: {
      task_group group;
      std::atomic<bool> in{false};
      group.run([&] {
        in = true;
        while (!tbb::is_current_task_group_canceling()) std::this_thread::yield();
        throw std::runtime_error("late");
      });
      std::thread canceller([&] {
        while (!in) std::this_thread::yield();
        group.cancel();
      });
      try {
        text = "no error, wait says " + to_text(group.wait());
      } catch (const std::runtime_error&) {
        text = "1 error thrown by wait";
      }
      canceller.join();
      return text;
    }
    case group_in_cancelled_group: {
      std::atomic<int> ran{0};
      task_group outer;
      outer.run([&] {
        outer.cancel();
        task_group inner;
        for (int i = 0; i < 14; ++i) inner.run([&] { ++ran; });
        text = "the inner wait returned " + to_text(inner.wait());
      });
      outer.wait();
      return text + ", " + std::to_string(ran) + " of 14 tasks ran";
    }
    case group_not_waited_for: {
      std::atomic<int> ran{0};
      try {
        task_group group;
        for (int i = 0; i < 14; ++i) group.run([&] { ++ran; });
      } catch (const std::exception& e) {
        return std::string("the destructor throws: ") + e.what();
      }
      return std::to_string(ran) + " of 14 tasks ran";
    }
    case nested_groups:
      arena.execute([] { nest(10'000); });
      return "completed";
    case fork_and_go_on: {
      use_all();
      const pid_t child = fork();
      if (child == 0) {
        use_all();
        _exit(0);
      }
      int status = 0;
      waitpid(child, &status, 0);
      return status == 0 ? "the child works" : "the child failed";
    }
    case lock_around_a_loop: {
      std::mutex lock;
      for (int round = 0; round < 1000; ++round) {
        task_group group;
        for (int i = 0; i < 8; ++i)
          group.run([&] {
            const std::lock_guard hold(lock);
            tbb::parallel_for(0, 32, [](int) { std::this_thread::yield(); });
          });
        group.wait();
      }
      return "completed 1000 times";
    }
    case throwing_destructor:
      return "does not compile";
    case situations:
      break;
  }
  return {};
}

}  // namespace behaviour
