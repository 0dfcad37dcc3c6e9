// oneTBB as a runtime. The thread that waits is one of the workers, as oneTBB has it: W workers are this
// thread and W - 1 others, each at the place where coppice has its worker.
#pragma once

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_invoke.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <latch>
#include <optional>
#include <semaphore>

#include "rows.hpp"

namespace bench {

class onetbb_group {
 public:
  template <class F>
  void spawn(F&& f) {
    group_.run(std::forward<F>(f));
  }
  void wait() { group_.wait(); }

 private:
  tbb::task_group group_;
};

// Both idioms of a fork are measured; the table compares with the faster one.
struct invoke_verbs {
  template <class F, class G>
  [[gnu::always_inline]] static auto both(F&& f, G&& g) {
    std::invoke_result_t<F> a{};
    std::invoke_result_t<G> b{};
    tbb::parallel_invoke([&] { a = f(); }, [&] { b = g(); });
    return std::pair(a, b);
  }
  template <class... F>
  [[gnu::always_inline]] static void all(F&&... f) {
    tbb::parallel_invoke(std::forward<F>(f)...);
  }
  using group = onetbb_group;
};

struct group_verbs {
  template <class F, class G>
  [[gnu::always_inline]] static auto both(F&& f, G&& g) {
    std::invoke_result_t<G> b{};
    tbb::task_group group;
    group.run([&] { b = g(); });
    const std::invoke_result_t<F> a = f();
    group.wait();
    return std::pair(a, b);
  }
  // The first branch runs here, where the others wait for it.
  template <class F, class... Rest>
  [[gnu::always_inline]] static void all(F&& f, Rest&&... rest) {
    tbb::task_group group;
    (group.run(rest), ...);
    f();
    group.wait();
  }
  using group = onetbb_group;
};

/// Puts each of oneTBB's threads that joins the arena at the place of its slot. A thread joins after each
/// pause, and mostly finds the slot that it had: then it is bound already, and no system call stands between
/// a submission and its task. Not one place for each thread, first come: oneTBB may start more threads than
/// take part at a time, and two of those that do could then share a place. The thread that the arena shares
/// with its user has the first slot, and is bound by whoever runs there.
class placement : public tbb::task_scheduler_observer {
 public:
  placement(tbb::task_arena& arena, const std::vector<cpu_set_t>& places)
      : tbb::task_scheduler_observer(arena), places_(places) {
    observe(true);
  }
  ~placement() override { observe(false); }
  placement(const placement&) = delete;
  placement& operator=(const placement&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    const int index = tbb::this_task_arena::current_thread_index();
    if (!is_worker || index < 0) return;
    // An arena for one thread that shares none with its user has two slots, and its worker the second.
    const cpu_set_t& place = places_[static_cast<std::size_t>(index) % places_.size()];
    thread_local const cpu_set_t* stands_at = nullptr;
    if (stands_at == &place) return;
    bind_this_thread(place);
    stands_at = &place;
  }

 private:
  const std::vector<cpu_set_t>& places_;
};

/// Outside: the user's thread is not among the workers.
template <class Verbs, bool Outside = false>
class onetbb_runtime {
 public:
  using verbs = Verbs;

  explicit onetbb_runtime(unsigned workers)
      : threads_(tbb::global_control::max_allowed_parallelism, workers + (Outside ? 1U : 0U)),
        stacks_(tbb::global_control::thread_stack_size, stack_bytes),
        arena_(static_cast<int>(workers), Outside ? 0 : 1),
        placement_(arena_, places_of(workers)) {
    if constexpr (Outside) return;
    bound_.emplace(places_of(workers).front());
    // Its threads start when there is work.
    arena_.execute([] { tbb::parallel_for(0, 1000, [](int) { work_for(std::chrono::microseconds(1)); }); });
  }

  /// No thread stays behind and keeps a place warm in the rows of others.
  ~onetbb_runtime() { tbb::finalize(all_threads_, std::nothrow); }
  onetbb_runtime(const onetbb_runtime&) = delete;
  onetbb_runtime& operator=(const onetbb_runtime&) = delete;

  template <class F>
  auto run(F f) {
    return arena_.execute(std::move(f));
  }
  template <class F>
  void crowd(F f) {
    arena_.execute([&] {
      onetbb_group into;
      f(into);
      into.wait();
    });
  }

  /// Runs f by a worker, and comes back with its value.
  template <class F>
  auto submit(F f) {
    std::invoke_result_t<F> value{};
    std::binary_semaphore done(0);
    arena_.enqueue([&] {
      value = f();
      done.release();
    });
    done.acquire();
    return value;
  }
  template <class F>
  void window(unsigned n, F f) {
    std::latch done(static_cast<std::ptrdiff_t>(n));
    for (unsigned i = 0; i < n; ++i)
      arena_.enqueue([&done, f] {
        f();
        done.count_down();
      });
    done.wait();
  }
  std::chrono::nanoseconds skip(unsigned, unsigned n) {
    return arena_.execute([n] {
      unsigned ran = 0;
      tbb::task_group group;
      for (unsigned i = 0; i < n; ++i) group.run([&ran] { ++ran; });
      const auto began = std::chrono::steady_clock::now();
      group.cancel();
      group.wait();
      const auto took = std::chrono::steady_clock::now() - began;
      check("skip", ran, 0U);
      return took;
    });
  }
  void report(benchmark::State&) const {}

 private:
  tbb::task_scheduler_handle all_threads_{tbb::attach{}};
  tbb::global_control threads_;
  tbb::global_control stacks_;
  tbb::task_arena arena_;
  placement placement_;
  std::optional<bound_thread> bound_;
};

/// Their rows, each in a file of its own: to compile them takes a while.
void add_onetbb_invoke_rows(unsigned workers);
void add_onetbb_group_rows(unsigned workers);
void add_onetbb_loop_rows(unsigned workers);
void add_onetbb_stream_rows(unsigned workers);

}  // namespace bench
