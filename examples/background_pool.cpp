// A pool in the background: tasks come at any time, at random here. Ctrl-C: no task comes any more, those
// that were accepted run. A second Ctrl-C: those that have not started are skipped, and the report says
// which.
//
//   $ background_pool
//   ^C
//   draining 17 tasks; Ctrl-C to skip those that have not started
//   ^C
//   61 tasks accepted, 48 done, 3 failed, 10 not done: 51 52 53 54 55 56 57 58 59 60
//   stop: ran 4, skipped 10, rejected 0, still running 2
//     49 on worker 0, for 12 ms
//     50 on worker 1, for 3 ms
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <cstdio>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "support/command_line.hpp"
#include "support/program.hpp"
#include "support/terminal_line.hpp"

namespace {

using std::chrono::milliseconds;

struct settings {
  unsigned workers = 0, seed = 1, nap = 20;
  std::uint64_t tasks = 0;
};

// Ctrl-C as something to wait for: the signal is blocked in all threads, and taken here.
class interrupts {
 public:
  interrupts() {
    sigemptyset(&wanted_);
    sigaddset(&wanted_, SIGINT);
    sigaddset(&wanted_, SIGALRM);  // nobody waits for a Ctrl-C any more
    if (const int error = pthread_sigmask(SIG_BLOCK, &wanted_, nullptr); error != 0)
      throw std::system_error(error, std::generic_category(), "cannot block SIGINT");
  }
  // True: one came before the time was over.
  bool within(milliseconds time) const {
    const timespec limit{time.count() / 1000, static_cast<long>(time.count() % 1000) * 1000000};
    return sigtimedwait(&wanted_, nullptr, &limit) == SIGINT;
  }
  // Waits for one; false: give_up() came first.
  bool next() const {
    int signal = 0;
    while (sigwait(&wanted_, &signal) == EINTR) continue;
    return signal == SIGINT;
  }
  static void give_up() { kill(getpid(), SIGALRM); }

 private:
  sigset_t wanted_{};
};

void work(std::uint64_t id, milliseconds nap) {
  std::this_thread::sleep_for(nap);
  if (id % 29 == 0) throw std::runtime_error(fmt::format("task {} is divisible by 29", id));
}

std::string progress(const coppice::fifo_stats& now) {
  return fmt::format("{} accepted, {} done, {} running, {} waiting", now.submitted, now.ran, now.running,
                     now.queued);
}

// Submits until Ctrl-C, or until there are enough.
std::vector<coppice::fifo_task<void>> feed(coppice::fifo_pool& pool, const settings& s,
                                           const interrupts& ctrl_c) {
  std::vector<coppice::fifo_task<void>> tasks;
  std::mt19937 random(s.seed);
  support::terminal_line line;
  for (std::uint64_t id = 1; s.tasks == 0 || id <= s.tasks; ++id) {
    const milliseconds nap(random() % (2 * s.nap + 1)), pause(random() % (s.nap + 1) / 2);
    tasks.push_back(pool.submit([id, nap] { work(id, nap); }));
    line.draw(progress(pool.stats()));
    if (ctrl_c.within(pause)) break;
  }
  return tasks;
}

// Drains; another Ctrl-C cancels. Both may be asked for at the same time.
coppice::stop_report stop(coppice::fifo_pool& pool, const interrupts& ctrl_c) {
  std::thread second([&] {
    if (ctrl_c.next()) pool.stop(coppice::stop_mode::cancel);
  });
  pool.stop(coppice::stop_mode::drain);
  interrupts::give_up();
  second.join();
  return pool.stop();
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Tasks arrive at random; Ctrl-C drains, a second Ctrl-C cancels.",
                             "background_pool");
  settings s;
  support::add_workers_option(line, s.workers);
  line.add_option("--tasks", s.tasks, "How many; 0: until Ctrl-C").shows_default();
  line.add_option("--nap", s.nap, "Milliseconds that a task takes on average")
      .within(0U, 10000U)
      .shows_default();
  line.add_option("--seed", s.seed, "Of the random times").shows_default();
  return support::run_program(line, argc, argv, [&] {
    const interrupts ctrl_c;  // before the pool's threads, which inherit what is blocked
    coppice::fifo_pool pool({.workers = s.workers, .queue_capacity = 100000, .name = "background"});
    auto tasks = feed(pool, s, ctrl_c);
    const auto now = pool.stats();
    // Not fmt::print, which throws where the terminal is lost.
    std::fprintf(stderr, "draining %zu tasks; Ctrl-C to skip those that have not started\n",
                 now.queued + now.running);
    const coppice::stop_report report = stop(pool, ctrl_c);

    std::uint64_t done = 0, failed = 0;
    std::string not_done;
    for (std::uint64_t id = 1; id <= tasks.size(); ++id) {
      try {
        tasks[id - 1].get();
        ++done;
      } catch (const coppice::scheduler_stopped&) {
        not_done += fmt::format(" {}", id);
      } catch (const std::runtime_error&) {
        ++failed;
      }
    }
    fmt::print("{} tasks accepted, {} done, {} failed, {} not done{}{}\n", tasks.size(), done, failed,
               report.skipped, not_done.empty() ? "" : ":", not_done);
    std::ostringstream text;
    text << report;
    fmt::print("{}\n", text.str());
    return report.skipped == 0 ? 0 : 1;
  });
}
