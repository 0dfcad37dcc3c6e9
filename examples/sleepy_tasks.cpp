// Tasks that only sleep, on two kinds of pools. Finite: the tasks are known beforehand. Recursive: tasks make
// tasks and wait for them, which a finite pool cannot do for ever: it says so, or helps.
//
//   $ sleepy_tasks --unit 20
//   finite pool, 4 workers, naps of 1 to 5 units: 6 units
//   recursive pool, 4 workers, a tree of 3 levels whose 8 leaves nap 1 unit: 8 naps taken, 2 units
//   the same tree on the finite pool, 4 workers: no end
//     ...
//   the same tree on the finite pool, 4 workers, helping: 8 naps taken
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <coppice/coppice.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/command_line.hpp"
#include "support/program.hpp"

namespace {

using unit = std::chrono::milliseconds;

void nap(unit length) { std::this_thread::sleep_for(length); }

int naps_on(coppice::fifo_pool& pool, int levels, unit length) {
  if (levels == 0) {
    nap(length);
    return 1;
  }
  auto left = pool.submit([&pool, levels, length] { return naps_on(pool, levels - 1, length); });
  auto right = pool.submit([&pool, levels, length] { return naps_on(pool, levels - 1, length); });
  return left.get() + right.get();
}

int naps(int levels, unit length) {
  if (levels == 0) {
    nap(length);
    return 1;
  }
  auto [left, right] =
      coppice::join([=] { return naps(levels - 1, length); }, [=] { return naps(levels - 1, length); });
  return left + right;
}

std::string count_of(unsigned workers) {
  return fmt::format("{} worker{}", workers, workers == 1 ? "" : "s");
}

std::string units(const support::stopwatch& watch, unit length) {
  const long n = std::lround(watch.seconds() * 1000 / static_cast<double>(length.count()));
  return fmt::format("{} unit{}", n, n == 1 ? "" : "s");
}

void finite(unsigned workers, unit length) {
  coppice::fifo_pool pool({.workers = workers});
  const support::stopwatch watch;
  std::vector<coppice::fifo_task<void>> tasks;
  for (int i = 1; i <= 5; ++i) tasks.push_back(pool.submit([i, length] { nap(i * length); }));
  for (auto& task : tasks) task.get();
  fmt::print("finite pool, {}, naps of 1 to 5 units: {}\n", count_of(pool.stats().workers),
             units(watch, length));
}

void recursive(unsigned workers, int levels, unit length) {
  coppice::scheduler scheduler({.workers = workers});
  const support::stopwatch watch;
  const int taken = scheduler.run([=] { return naps(levels, length); });
  fmt::print("recursive pool, {}, a tree of {} levels whose {} leaves nap 1 unit: {} naps taken, {}\n",
             count_of(scheduler.workers()), levels, 1 << levels, taken, units(watch, length));
}

void finite_used_recursively(unsigned workers, int levels, unit length, coppice::recursion how) {
  coppice::fifo_pool pool({.workers = workers, .on_recursion = how});
  const bool helps = how == coppice::recursion::help;
  fmt::print("the same tree on the finite pool, {}{}: ", count_of(pool.stats().workers),
             helps ? ", helping" : "");
  try {
    const int taken = pool.submit([&] { return naps_on(pool, levels, length); }).get();
    fmt::print("{} naps taken\n", taken);
  } catch (const coppice::would_deadlock& error) {
    fmt::print("no end\n  {}\n", error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Tasks that sleep: on a finite pool, on a recursive one, and on the wrong one.",
                             "sleepy_tasks");
  unsigned workers = 4;
  int levels = 3;
  unsigned length = 100;
  support::add_workers_option(line, workers).shows_default();
  line.add_option("--levels", levels, "Of the tree").within(1, 16).shows_default();
  line.add_option("--unit", length, "Milliseconds").within(1U, 10000U).shows_default();
  return support::run_program(line, argc, argv, [&] {
    const unit one(length);
    finite(workers, one);
    recursive(workers, levels, one);
    finite_used_recursively(workers, levels, one, coppice::recursion::detect);
    finite_used_recursively(workers, levels, one, coppice::recursion::help);
    return 0;
  });
}
