// Children that nobody waits for one by one.
//
//   spawn_flat   a million children of one parent
//   spawn_chain  each task spawns the next and ends: no parallelism, and nothing to unwind
//   graph_bfs    all nodes that can be reached in a random graph: whoever claims a node spawns its visit,
//                which notes that it ran
//
// A runtime brings `crowd(f)`: runs f(into) as the root of a tree in which every task may call
// `into.spawn(...)`, and returns when all have run.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "workloads/base.hpp"

namespace bench {

// The serial crowd: what a program without tasks does instead of spawning for later.
struct call_at_once {
  template <class F>
  void spawn(F&& f) const {
    f();
  }
};

BENCH_REAL_CALLS inline void mark(unsigned char* child) { ++*child; }

/// One byte for each child, in which it says that it ran: a task is called empty, but it must not be lost.
class spawn_flat_work {
 public:
  explicit spawn_flat_work(std::size_t children)
      : children_(children), ran_(std::make_unique<unsigned char[]>(children)) {}
  void reset() { std::fill_n(ran_.get(), children_, static_cast<unsigned char>(0)); }
  template <class Verbs>
  int run() {
    if constexpr (std::is_same_v<Verbs, serial_verbs>) {
      for (std::size_t i = 0; i < children_; ++i) mark(ran_.get() + i);
    } else {
      typename Verbs::group group;
      for (std::size_t i = 0; i < children_; ++i) group.spawn([child = ran_.get() + i] { ++*child; });
      group.wait();
    }
    return 0;
  }
  void check(int) const {
    for (std::size_t i = 0; i < children_; ++i)
      if (ran_[i] != 1) wrong_result("spawn_flat");
  }

 private:
  std::size_t children_;
  std::unique_ptr<unsigned char[]> ran_;
};

inline std::size_t flat_children() {
  return the_settings().sized(std::size_t{1'000'000}, std::size_t{10'000'000});
}

inline std::string flat_parameters() { return parameter("n", flat_children()); }

template <class Runtime>
void add_spawn_flat(const char* runtime, unsigned workers) {
  add_work_row<Runtime>({"spawn_flat", runtime, flat_parameters(), workers},
                        [] { return spawn_flat_work(flat_children()); });
}

/// A row whose root is a crowd. Make: an object with reset(), run(into), check(), tasks().
template <class Runtime, class Make>
void add_crowd_row(const row& r, Make make) {
  add_row(r, [workers = r.workers, make](benchmark::State& state) {
    auto work = make();
    Runtime runtime(workers);
    const auto run = [&] { runtime.crowd([&work](auto& into) { work.run(into); }); };
    work.reset();
    run();  // not measured: see add_work_row
    work.check();
    const auto before = counts_of(runtime, state);
    for (auto _ : state) {
      state.PauseTiming();
      work.reset();
      state.ResumeTiming();
      run();
      state.PauseTiming();
      work.check();
      state.ResumeTiming();
    }
    if (workers == 0) state.counters["tasks"] = static_cast<double>(work.tasks());
    report_since(before, runtime, state);
  });
}

class spawn_chain_work {
 public:
  explicit spawn_chain_work(long links) : links_(links) {}
  void reset() { ran_ = 0; }
  template <class Into>
  void run(Into& into) {
    if constexpr (std::is_same_v<Into, call_at_once>)
      for (long i = links_; i > 0; --i) link();
    else
      step(into, links_);
  }
  void check() const { bench::check("spawn_chain", ran_, links_); }
  long tasks() const { return links_; }

 private:
  BENCH_REAL_CALLS void link() { ++ran_; }
  template <class Into>
  void step(Into& into, long left) {
    if (left == 0) return;
    ++ran_;  // one at a time, each after the one before
    into.spawn([this, &into, left] { step(into, left - 1); });
  }

  long links_;
  long ran_ = 0;
};

class graph_bfs_work {
 public:
  explicit graph_bfs_work(std::uint32_t nodes)
      : nodes_(nodes), edges_(std::size_t{nodes} * degree), state_(nodes) {
    std::uint64_t seed = 17;
    for (std::uint32_t& to : edges_) to = static_cast<std::uint32_t>(next_random(seed) % nodes);
    // What is to be found, by a queue.
    std::vector<unsigned char> seen(nodes);
    std::vector<std::uint32_t> queue{0};
    seen[0] = 1;
    for (std::size_t next = 0; next < queue.size(); ++next)
      for (std::size_t e = 0; e < degree; ++e)
        if (const std::uint32_t to = edges_[queue[next] * degree + e]; seen[to]++ == 0) queue.push_back(to);
    reachable_ = queue.size();
  }

  void reset() {
    for (auto& s : state_) s.store(unseen, std::memory_order_relaxed);
  }
  template <class Into>
  void run(Into& into) {
    state_[0].store(claimed, std::memory_order_relaxed);
    if constexpr (std::is_same_v<Into, call_at_once>) {
      std::vector<std::uint32_t> queue{0};
      queue.reserve(nodes_);
      for (std::size_t next = 0; next < queue.size(); ++next)
        visit_and_claim(queue[next], [&](std::uint32_t to) { queue.push_back(to); });
    } else {
      visit(into, 0);
    }
  }
  void check() const {
    std::size_t count = 0;
    for (const auto& s : state_)
      if (s.load(std::memory_order_relaxed) == visited) ++count;
    bench::check("graph_bfs", count, reachable_);
  }
  std::size_t tasks() const { return reachable_; }

 private:
  static constexpr std::size_t degree = 8;
  static constexpr unsigned char unseen = 0, claimed = 1, visited = 2;

  /// Two of three visits claim nothing: if they did not note that they ran, nobody would miss them.
  template <class Found>
  void visit_and_claim(std::uint32_t node, Found found) {
    state_[node].store(visited, std::memory_order_relaxed);
    for (std::size_t e = 0; e < degree; ++e) {
      const std::uint32_t to = edges_[node * degree + e];
      if (state_[to].load(std::memory_order_relaxed) == unseen && claim(to)) found(to);
    }
  }
  bool claim(std::uint32_t node) {
    unsigned char before = unseen;
    return state_[node].compare_exchange_strong(before, claimed, std::memory_order_relaxed);
  }
  template <class Into>
  void visit(Into& into, std::uint32_t node) {
    visit_and_claim(node, [&](std::uint32_t to) { into.spawn([this, &into, to] { visit(into, to); }); });
  }

  std::uint32_t nodes_;
  std::vector<std::uint32_t> edges_;
  std::vector<std::atomic<unsigned char>> state_;
  std::size_t reachable_ = 0;
};

template <class Runtime>
void add_spawn_chain(const char* runtime, unsigned workers) {
  const long links = the_settings().sized(200'000L, 2'000'000L);
  add_crowd_row<Runtime>({"spawn_chain", runtime, parameter("n", static_cast<std::uint64_t>(links)), workers},
                         [=] { return spawn_chain_work(links); });
}

template <class Runtime>
void add_graph_bfs(const char* runtime, unsigned workers) {
  const std::uint32_t nodes = the_settings().sized(100'000U, 2'000'000U);
  add_crowd_row<Runtime>({"graph_bfs", runtime, parameter("nodes", nodes), workers},
                         [=] { return graph_bfs_work(nodes); });
}

template <class Runtime>
void add_crowds(const char* runtime, unsigned workers) {
  add_spawn_chain<Runtime>(runtime, workers);
  add_graph_bfs<Runtime>(runtime, workers);
}

}  // namespace bench
