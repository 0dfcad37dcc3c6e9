// The workloads on coppice.
#include <atomic>
#include <coppice/coppice.hpp>
#include <functional>
#include <latch>

#include "rows.hpp"

namespace bench {
namespace {

struct coppice_verbs {
  template <class F, class G>
  [[gnu::always_inline]] static auto both(F&& f, G&& g) {
    return coppice::join(std::forward<F>(f), std::forward<G>(g));
  }
  template <class... F>
  [[gnu::always_inline]] static void all(F&&... f) {
    coppice::join(std::forward<F>(f)...);
  }
  using group = coppice::task_group;
};

// Children of the job that nobody waits for but the job.
struct children_of_the_job {
  template <class F>
  void spawn(F&& f) const {
    coppice::spawn(std::forward<F>(f));
  }
};

// A scheduler, and what it counted per iteration.
class coppice_runtime {
 public:
  using verbs = coppice_verbs;
  static constexpr bool caller_stays_outside = true;

  explicit coppice_runtime(unsigned workers) : scheduler_({.workers = workers, .stack_bytes = stack_bytes}) {
    scheduler_.run([] {});
    before_ = scheduler_.stats();
  }

  template <class F>
  auto run(F f) {
    return scheduler_.run(std::move(f));
  }
  template <class F>
  auto submit(F f) {
    return scheduler_.run(std::move(f));
  }
  template <class F>
  void crowd(F f) {
    scheduler_.run([&] {
      coppice::task_group group;
      f(group);
      group.wait();
    });
  }
  template <class F>
  void window(unsigned n, F f) {
    std::vector<coppice::job<void>> jobs;
    jobs.reserve(n);
    for (unsigned i = 0; i < n; ++i) jobs.push_back(scheduler_.submit(f));
    for (auto& job : jobs) job.get();
  }

  std::uint64_t stream(unsigned rounds, bool ordered) { return read_stream(scheduler_, rounds, ordered); }

  std::chrono::nanoseconds skip(unsigned workers, unsigned n) {
    std::atomic<unsigned> ran{0}, here{0}, full{0};
    const auto each = [&, workers, n] {
      ++here;
      while (here < workers) std::this_thread::yield();  // one on each worker
      coppice::task_group group;
      for (unsigned i = 0; i < n; ++i) group.spawn([&ran] { ++ran; });
      if (++full == workers) coppice::this_task::cancel_job("enough");
      while (!coppice::this_task::stop_requested()) std::this_thread::yield();
      group.wait();
    };
    auto job = scheduler_.submit([&, workers] {
      coppice::task_group group;
      for (unsigned i = 1; i < workers; ++i) group.spawn(each);
      while (here + 1 < workers) coppice::join([] {}, [] {});  // shares
      each();
      group.wait();
    });
    const coppice::job_report& report = job.wait();
    const auto end = std::chrono::steady_clock::now();
    // A deque that was full a moment ago runs some children at once before it looks for room.
    check("skip", ran.load() <= 64 * workers, true);
    return end - report.cancel->when;
  }

  void report(benchmark::State& state) const {
    const coppice::scheduler_stats now = scheduler_.stats();
    const auto add = [&](const char* name, std::uint64_t before, std::uint64_t after) {
      state.counters[name] =
          benchmark::Counter(static_cast<double>(after - before), benchmark::Counter::kAvgIterations);
    };
    add("steals", before_.steals(), now.steals());
    add("parks", before_.parks, now.parks);
    add("exposures", before_.exposures, now.exposures);
    add("shares", before_.shares, now.shares);
    add("inline", before_.inline_runs, now.inline_runs);
  }

 protected:
  coppice::scheduler scheduler_;
  coppice::scheduler_stats before_;
};

class coppice_job_runtime : public coppice_runtime {
 public:
  using coppice_runtime::coppice_runtime;
  template <class F>
  void crowd(F f) {
    children_of_the_job into;
    scheduler_.run([&] { f(into); });
  }
};

// A task reads the stream: as many threads as where a pipeline runs on the workers alone.
class coppice_inside_runtime : public coppice_runtime {
 public:
  using coppice_runtime::coppice_runtime;
  std::uint64_t stream(unsigned rounds, bool ordered) {
    return scheduler_.run([=, this] { return read_stream(scheduler_, rounds, ordered); });
  }
};

// Jobs that nobody asks for their report.
class coppice_detach_runtime : public coppice_runtime {
 public:
  using coppice_runtime::coppice_runtime;
  template <class F>
  void window(unsigned n, F f) {
    std::latch done(static_cast<std::ptrdiff_t>(n));
    for (unsigned i = 0; i < n; ++i)
      scheduler_
          .submit([&done, f] {
            f();
            done.count_down();
          })
          .detach();
    done.wait();
  }
};

struct coppice_loops {
  template <class T, class F>
  static void each(T* first, T* last, F body) {
    coppice::parallel_for(first, last, [&](T* at) { body(*at); });
  }
  template <class T, class F>
  static T sum(const T* first, const T* last, F map) {
    return coppice::parallel_reduce(
        first, last, T{0}, [&](const T* at) { return map(*at); }, std::plus<>());
  }
  template <class T>
  static void sort(T* first, T* last) {
    coppice::parallel_sort(first, last);
  }
};

}  // namespace

void add_coppice_rows() {
  for (const unsigned workers : the_settings().workers) {
    add_fork_rows<coppice_runtime>("coppice", workers);
    add_wide_rows<coppice_runtime, by_halves>("coppice_join", workers);
    add_wide_rows<coppice_runtime, by_group>("coppice_group", workers);
    add_group_rows<coppice_runtime>("coppice", workers);
    add_crowds<coppice_runtime>("coppice_group", workers);
    add_crowds<coppice_job_runtime>("coppice_job", workers);
    add_chains<coppice_runtime>("coppice", workers);
    add_wake<coppice_runtime>("coppice", workers);
    add_outside_job<coppice_runtime>("coppice", workers);
    add_idle<coppice_runtime>("coppice", workers);
    add_many_jobs<coppice_runtime>("coppice", workers);
    add_many_jobs<coppice_detach_runtime>("coppice_detach", workers);
    add_skip<coppice_runtime>("coppice", workers);
    add_streams<coppice_runtime>("coppice", workers);
    add_streams<coppice_inside_runtime>("coppice_inside", workers);
    add_loop_rows<coppice_runtime, coppice_loops>("coppice", workers);
  }
  add_oversubscribed<coppice_runtime>("coppice");
}

}  // namespace bench
