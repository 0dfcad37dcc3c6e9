// The checks of the benchmarks' workloads: a runtime that loses a task must not pass for a fast one.
#include <benchmark/benchmark.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "workloads/scheduling.hpp"
#include "workloads/spawns.hpp"

namespace {

struct queue_of_tasks {
  std::vector<std::function<void()>> tasks;
  template <class F>
  void spawn(F f) {
    tasks.emplace_back(std::move(f));
  }
};

// Searches the graph without the tasks of these numbers. Gives the numbers of those that spawned nothing.
std::set<std::size_t> search(bench::graph_bfs_work& work, const std::set<std::size_t>& lost) {
  queue_of_tasks into;
  std::set<std::size_t> ends;
  work.reset();
  work.run(into);
  for (std::size_t i = 0; i < into.tasks.size(); ++i) {
    if (lost.contains(i)) continue;
    const std::size_t before = into.tasks.size();
    std::exchange(into.tasks[i], nullptr)();  // it may make the vector grow
    if (into.tasks.size() == before) ends.insert(i);
  }
  return ends;
}

TEST(workloads, ASearchOfAGraphMissesVisitsThatClaimNothing) {
  bench::graph_bfs_work work(1000);
  const std::set<std::size_t> ends = search(work, {});
  work.check();
  ASSERT_GT(ends.size(), work.tasks() / 2);
  const auto check_without = [&](const std::set<std::size_t>& lost) {
    search(work, lost);
    work.check();
  };
  EXPECT_DEATH(check_without(ends), "wrong result of graph_bfs");
  EXPECT_DEATH(check_without({*ends.rbegin()}), "wrong result of graph_bfs");
}

struct runtime_that_loses_a_task {
  struct verbs {
    class group {
     public:
      template <class F>
      void spawn(F&& f) {
        if (++spawned_ != 2) f();
      }
      void wait() {}

     private:
      int spawned_ = 0;
    };
  };
  explicit runtime_that_loses_a_task(unsigned) {}
  template <class F>
  auto run(F f) {
    return f();
  }
  void report(benchmark::State&) const {}
};

class no_report : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

TEST(workloads, ALostTaskEndsEachRowWhoseTasksHaveNoResult) {
  bench::add_starvation<runtime_that_loses_a_task>("losing", 1);
  bench::add_imbalance<runtime_that_loses_a_task>("losing", 1);
  bench::add_bursts<runtime_that_loses_a_task>("losing", 1);
  for (const std::string workload : {"starvation", "imbalance", "bursts"}) {
    no_report quiet;
    EXPECT_DEATH(benchmark::RunSpecifiedBenchmarks(&quiet, "^" + workload + "/losing/"),
                 "wrong result of " + workload);
  }
}

}  // namespace
