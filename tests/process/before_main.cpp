// A scheduler and a FIFO pool at namespace scope, used while the program's variables are still initialised:
// in an archive the library's own may come later.
#include <atomic>
#include <coppice/coppice.hpp>
#include <latch>

namespace {

coppice::scheduler trees({.workers = 1});  // NOLINT
coppice::fifo_pool tasks({.workers = 1});  // NOLINT

// The only worker must lend its core to the job that it waits for by way of the pool.
const int lent =
    trees.run([] { return tasks.submit([] { return trees.run([] { return 7; }); }).get(); });  // NOLINT

// A job that waits for a task that waits for the job. Whoever of the two comes second is told.
int tell_a_circle() {
  std::atomic<int> told = 0;
  const auto listen = [&told](auto wait) {
    try {
      wait();
    } catch (const coppice::would_deadlock&) {
      ++told;
    }
  };
  std::latch known(1);
  coppice::job<void> circle;
  coppice::fifo_task<void> task;
  circle = trees.submit([&] {
    task = tasks.submit([&] {
      known.wait();
      listen([&] { circle.wait(); });
    });
    listen([&] { task.wait(); });
  });
  known.count_down();
  circle.wait();
  task.wait();
  return told;
}
const int told = tell_a_circle();  // NOLINT

}  // namespace

int main() { return lent == 7 && told == 1 ? 0 : 1; }
