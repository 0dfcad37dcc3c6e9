// Lists of tasks that sleep: what pools of blocking work are measured by. The time of each row has an ideal,
// which no machine can change; the counter says how far away it was.
//
//   naps/fifo/tasks:100/workers:5   100 tasks of 100 ms: 2 s
//   sleepy/...                      five naps of 1 to 5 units of 100 ms on 4 workers: 6 units
//   import/...                      1000 records, each of which takes a remote service 5 ms, through a stream
//
// The rows register themselves. Each nap and each record is counted.
#include <benchmark/benchmark.h>

#include <chrono>
#include <coppice/coppice.hpp>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include "workloads/base.hpp"

namespace {

using std::chrono::milliseconds;

constexpr int records = 1000;

void against_ideal(benchmark::State& state, milliseconds ideal, const auto& body) {
  double seconds = 0;
  for (auto _ : state) {
    const auto since = std::chrono::steady_clock::now();
    body();
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    state.SetIterationTime(took);
    seconds += took;
  }
  state.counters["of_ideal"] =
      seconds / static_cast<double>(state.iterations()) / std::chrono::duration<double>(ideal).count();
}

template <class Pool>
auto options_for(unsigned workers) {
  if constexpr (std::is_same_v<Pool, coppice::scheduler>)
    return coppice::scheduler_options{.workers = workers};
  else
    return coppice::fifo_options{.workers = workers};
}

template <class Pool>
void nap(Pool& pool, const std::vector<milliseconds>& naps) {
  bench::tasks_that_ran ran;
  std::vector<decltype(pool.submit([] {}))> tasks;
  for (const milliseconds length : naps)
    tasks.push_back(pool.submit([&ran, length] {
      std::this_thread::sleep_for(length);
      ran.add_one();
    }));
  for (auto& task : tasks) task.get();
  ran.check("naps", naps.size());
}

template <class Pool>
void add_rows(const std::string& runtime) {
  const auto add = [&](const std::string& name, milliseconds ideal, unsigned workers, auto body) {
    benchmark::RegisterBenchmark(name.c_str(),
                                 [=](benchmark::State& state) {
                                   Pool pool(options_for<Pool>(workers));
                                   pool.submit([] {}).get();
                                   against_ideal(state, ideal, [&] { body(pool); });
                                 })
        ->Unit(benchmark::kMillisecond)
        ->UseManualTime()
        ->Iterations(1);
  };
  struct size {
    unsigned tasks, workers;
  };
  for (const auto [tasks, workers] : {size{100, 5}, size{100, 10}, size{1000, 100}})
    add("naps/" + runtime + "/tasks:" + std::to_string(tasks) + "/workers:" + std::to_string(workers),
        milliseconds(100) * (tasks / workers), workers,
        [count = tasks](Pool& pool) { nap(pool, std::vector<milliseconds>(count, milliseconds(100))); });
  add("sleepy/" + runtime + "/workers:4", milliseconds(600), 4, [](Pool& pool) {
    nap(pool,
        {milliseconds(100), milliseconds(200), milliseconds(300), milliseconds(400), milliseconds(500)});
  });
  for (const unsigned workers : {4U, 20U}) {
    add("import/" + runtime + "/records:1000/workers:" + std::to_string(workers),
        milliseconds(5) * records / static_cast<int>(workers), workers, [](Pool& pool) {
          int stored = 0;
          for (auto& row : pool.map(std::views::iota(0, records), [](int i) {
                 std::this_thread::sleep_for(milliseconds(5));
                 return i;
               }))
            stored += row.ok() ? 1 : 0;
          bench::check("import", stored, records);
        });
  }
}

const bool registered = (add_rows<coppice::fifo_pool>("fifo"), add_rows<coppice::scheduler>("coppice"), true);

}  // namespace
