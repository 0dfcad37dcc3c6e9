// Tasks that stand still: what it costs to lend cores, against a FIFO pool with as many threads.
//
//   stand/coppice/tasks:1000/threads:256      1000 tasks that sleep 10 ms in blocking(); workers and spare
//                                             workers are 256
//   stand/fifo/tasks:1000/threads:256         the same on a FIFO pool of 256 threads
//   stand_first/coppice/...                   the same on a fresh scheduler, which makes its spare workers
//                                             meanwhile
//   stand_first/fifo/...                      the same, the making of the pool and its threads included
//   start_beside/coppice/standing:W           from the submission to the task's start while all W workers
//                                             stand still
//   compute_beside/coppice/standing:200       a fixed amount of work for all workers while 200 tasks stand
//                                             still
//   bound/coppice/tasks:10000/threads:64      10,000 tasks that sleep 1 ms through 64 threads, as above
//
// The rows register themselves. Each task is counted.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "workloads/base.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point since) {
  return std::chrono::duration<double>(steady_clock::now() - since).count();
}

void stand_in(coppice::scheduler& s, unsigned tasks, milliseconds length) {
  bench::tasks_that_ran ran;
  s.run([&ran, tasks, length] {
    coppice::task_group group;
    for (unsigned i = 0; i < tasks; ++i)
      group.spawn([&ran, length] {
        coppice::blocking([length] { std::this_thread::sleep_for(length); });
        ran.add_one();
      });
    group.wait();
  });
  ran.check("stand", tasks);
}

void stand_in(coppice::fifo_pool& pool, unsigned tasks, milliseconds length) {
  bench::tasks_that_ran ran;
  std::vector<coppice::fifo_task<void>> all;
  all.reserve(tasks);
  for (unsigned i = 0; i < tasks; ++i)
    all.push_back(pool.submit([&ran, length] {
      std::this_thread::sleep_for(length);
      ran.add_one();
    }));
  for (auto& task : all) task.wait();
  ran.check("stand", tasks);
}

// Tasks that stand still until they are let go.
class standing_tasks {
 public:
  standing_tasks(coppice::scheduler& s, unsigned n)
      : job_(s.submit([this, n] {
          for (unsigned i = 0; i < n; ++i)
            coppice::spawn([this] {
              coppice::blocking([this] {
                stand_.fetch_add(1, std::memory_order_relaxed);
                go_.wait();
              });
            });
        })) {
    while (stand_.load(std::memory_order_relaxed) != n) std::this_thread::yield();
  }
  ~standing_tasks() {
    go_.count_down();
    job_.wait();
  }

 private:
  std::latch go_{1};
  std::atomic<unsigned> stand_ = 0;  // not the scheduler's count: one without spare workers has none
  coppice::job<void> job_;
};

// So many threads in all: at the bound of the spare workers the workers stand still too.
coppice::scheduler_options threads_of(unsigned threads) {
  const unsigned workers = std::min(threads, bench::the_settings().cores);
  return {.workers = workers, .max_spare_workers = threads - workers};
}
coppice::fifo_options fifo_of(unsigned threads, unsigned tasks) {
  return {.workers = threads, .queue_capacity = tasks};
}

benchmark::internal::Benchmark* add(const std::string& name, auto body) {
  return benchmark::RegisterBenchmark(name.c_str(), body)->Unit(benchmark::kMillisecond)->UseManualTime();
}

void time_each(benchmark::State& state, const auto& body) {
  for (auto _ : state) {
    const auto since = steady_clock::now();
    body();
    state.SetIterationTime(seconds_since(since));
  }
}

void add_pairs(unsigned tasks, unsigned threads, milliseconds length) {
  const std::string suffix = "/tasks:" + std::to_string(tasks) + "/threads:" + std::to_string(threads);
  const bool is_bound = tasks / threads > 100;
  const std::string name = is_bound ? "bound/" : "stand/";
  add(name + "coppice" + suffix, [=](benchmark::State& state) {
    coppice::scheduler s(threads_of(threads));
    { const standing_tasks all(s, threads); }  // makes all spare workers
    const auto before = s.stats();
    time_each(state, [&] { stand_in(s, tasks, length); });
    const auto after = s.stats();
    state.counters["loans"] = benchmark::Counter(static_cast<double>(after.loans - before.loans),
                                                 benchmark::Counter::kAvgIterations);
    state.counters["borrowings"] = benchmark::Counter(
        static_cast<double>(after.borrowings - before.borrowings), benchmark::Counter::kAvgIterations);
    state.counters["spares"] = after.spares;
  });
  add(name + "fifo" + suffix, [=](benchmark::State& state) {
    coppice::fifo_pool pool(fifo_of(threads, tasks));
    stand_in(pool, 2 * threads, length);
    time_each(state, [&] { stand_in(pool, tasks, length); });
  });
  if (is_bound) return;
  add("stand_first/coppice" + suffix, [=](benchmark::State& state) {
    for (auto _ : state) {
      coppice::scheduler s(threads_of(threads));
      s.run([] {});
      const auto since = steady_clock::now();
      stand_in(s, tasks, length);
      state.SetIterationTime(seconds_since(since));
    }
  });
  add("stand_first/fifo" + suffix, [=](benchmark::State& state) {
    for (auto _ : state) {
      const auto since = steady_clock::now();
      coppice::fifo_pool pool(fifo_of(threads, tasks));
      stand_in(pool, tasks, length);
      state.SetIterationTime(seconds_since(since));
    }
  });
}

void start_beside(benchmark::State& state) {
  coppice::scheduler s;
  const standing_tasks all(s, s.workers());
  std::vector<double> starts;
  for (auto _ : state) {
    std::this_thread::sleep_for(milliseconds(2));  // the spare worker of the last one sleeps
    const auto since = steady_clock::now();
    const double took = s.run([since] { return seconds_since(since); });
    state.SetIterationTime(took);
    starts.push_back(took * 1e6);
  }
  std::sort(starts.begin(), starts.end());
  state.counters["start_us"] = starts[starts.size() / 2];
  state.counters["start_p99_us"] = starts[starts.size() * 99 / 100];
  state.counters["start_max_us"] = starts.back();
}

long spin(unsigned n) {
  long x = n;
  for (unsigned i = 0; i < n; ++i) benchmark::DoNotOptimize(x = x * 31 + i);
  return x;
}

void compute_beside(benchmark::State& state, unsigned standing) {
  coppice::scheduler s;
  const standing_tasks others(s, standing);
  std::vector<unsigned char> ran(20000);
  time_each(state, [&] {
    s.run([&ran] {
      coppice::parallel_for(ran.begin(), ran.end(), [](auto one) {
        benchmark::DoNotOptimize(spin(2000));
        ++*one;
      });
    });
    bench::check("compute_beside", std::count(ran.begin(), ran.end(), 1), std::ssize(ran));
    std::fill(ran.begin(), ran.end(), static_cast<unsigned char>(0));
  });
}

const bool registered = [] {
  for (const unsigned threads : {64U, 256U}) add_pairs(1000, threads, milliseconds(10));
  add_pairs(10000, 64, milliseconds(1));
  // The pauses between the starts are not in its time, so its number of iterations is given.
  add("start_beside/coppice/standing:W", start_beside)->Iterations(1000);
  for (const unsigned standing : {0U, 200U})
    add("compute_beside/coppice/standing:" + std::to_string(standing),
        [standing](benchmark::State& state) { compute_beside(state, standing); });
  return true;
}();

}  // namespace
