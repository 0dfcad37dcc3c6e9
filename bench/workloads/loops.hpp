// Loops without a grain: nobody says how many iterations make a task.
//
//   parallel_for     bodies of about 1 ns to 1 ms, a few ms of work in all
//   parallel_reduce  the sum of a function over a range
//   parallel_sort    random numbers
//
// A runtime brings loop verbs:
//
//   each(first, last, body)             body(T&) for each element of an array
//   sum(first, last, map)               the sum of map(T)
//   sort(first, last)
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "workloads/base.hpp"
#include "workloads/sorts.hpp"

namespace bench {

struct loop_body {
  const char* name;
  std::uint32_t steps;  ///< of about 1.3 ns each
  std::size_t elements;
};

inline std::vector<loop_body> loop_bodies() {
  const std::size_t scale = the_settings().sized(std::size_t{1}, std::size_t{8});
  return {{"1ns", 1, 1'000'000 * scale}, {"10ns", 8, 500'000 * scale}, {"100ns", 75, 50'000 * scale},
          {"1us", 750, 5'000 * scale},   {"10us", 7'500, 500 * scale}, {"100us", 75'000, 50 * scale},
          {"1ms", 750'000, 8 * scale}};
}

inline std::uint32_t steps_of_work(std::uint32_t x, std::uint32_t steps) {
  for (std::uint32_t i = 0; i < steps; ++i) x = opaque(x * 1664525U + 1013904223U);
  return x;
}

class for_work {
 public:
  explicit for_work(const loop_body& body) : steps_(body.steps), in_(body.elements), out_(body.elements) {
    std::uint64_t seed = 29;
    for (std::uint32_t& x : in_) x = static_cast<std::uint32_t>(next_random(seed));
    for (const std::uint32_t x : in_) expected_ += steps_of_work(x, steps_);
  }
  void reset() { std::fill(out_.begin(), out_.end(), 0U); }
  template <class Loops>
  int run() {
    Loops::each(out_.data(), out_.data() + out_.size(), [this](std::uint32_t& out) {
      out = steps_of_work(in_[static_cast<std::size_t>(&out - out_.data())], steps_);
    });
    return 0;
  }
  void check(int) const {
    std::uint64_t sum = 0;
    for (const std::uint32_t x : out_) sum += x;
    bench::check("parallel_for", sum, expected_);
  }
  double tasks() const { return static_cast<double>(in_.size()); }

 private:
  std::uint32_t steps_;
  std::vector<std::uint32_t> in_;
  std::vector<std::uint32_t> out_;
  std::uint64_t expected_ = 0;
};

/// Whole numbers: additions of doubles have an order, and compilers make of one loop what is twice as fast as
/// what they make of another.
inline std::uint64_t hash_of(std::uint64_t x) { return next_random(x); }

class reduce_work {
 public:
  explicit reduce_work(std::size_t n) : in_(n) {
    std::uint64_t seed = 31;
    for (std::uint64_t& x : in_) {
      x = next_random(seed);
      expected_ += hash_of(x);
    }
  }
  template <class Loops>
  std::uint64_t run() {
    const std::uint64_t* const first = in_.data();
    return Loops::sum(first, first + in_.size(), [](std::uint64_t x) { return hash_of(x); });
  }
  void check(std::uint64_t sum) const { bench::check("parallel_reduce", sum, expected_); }
  double tasks() const { return static_cast<double>(in_.size()); }

 private:
  std::vector<std::uint64_t> in_;
  std::uint64_t expected_ = 0;
};

class library_sort_work {
 public:
  explicit library_sort_work(std::size_t n) : in_(n) {}
  void reset() { in_.reset(); }
  template <class Loops>
  int run() {
    Loops::sort(in_.numbers.data(), in_.numbers.data() + in_.numbers.size());
    return 0;
  }
  void check(int) const { in_.check("parallel_sort"); }
  double tasks() const { return static_cast<double>(in_.numbers.size()); }

 private:
  sort_input in_;
};

/// As add_work_row; `Loops` in place of the verbs. The tasks of a loop are its elements.
template <class Runtime, class Loops, class Make>
void add_loop_row(const row& r, Make make) {
  add_row(r, [workers = r.workers, make](benchmark::State& state) {
    auto work = make();
    Runtime runtime(workers);
    const auto run = [&] { return runtime.run([&work] { return work.template run<Loops>(); }); };
    if constexpr (has_reset<decltype(work)>) work.reset();
    work.check(run());  // not measured: see add_work_row
    const auto before = counts_of(runtime, state);
    for (auto _ : state) {
      state.PauseTiming();
      if constexpr (has_reset<decltype(work)>) work.reset();
      state.ResumeTiming();
      const auto value = run();
      state.PauseTiming();
      work.check(value);
      state.ResumeTiming();
    }
    if (workers == 0) state.counters["tasks"] = work.tasks();
    report_since(before, runtime, state);
  });
}

template <class Runtime, class Loops>
void add_for(const char* runtime, unsigned workers) {
  for (const loop_body& body : loop_bodies())
    add_loop_row<Runtime, Loops>({"parallel_for", runtime, std::string("body:") + body.name, workers},
                                 [body] { return for_work(body); });
}

template <class Runtime, class Loops>
void add_reduce(const char* runtime, unsigned workers) {
  const std::size_t n = the_settings().sized(std::size_t{2'000'000}, std::size_t{20'000'000});
  add_loop_row<Runtime, Loops>({"parallel_reduce", runtime, parameter("n", n), workers},
                               [=] { return reduce_work(n); });
}

template <class Runtime, class Loops>
void add_sort(const char* runtime, unsigned workers) {
  const std::size_t n = numbers_to_sort();
  add_loop_row<Runtime, Loops>({"parallel_sort", runtime, parameter("n", n), workers},
                               [=] { return library_sort_work(n); });
}

}  // namespace bench
