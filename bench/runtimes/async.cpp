// The workloads on std::async, a thread for each task. Without a limit a tree of a million tasks asks for a
// million threads, so this has a cutoff: while there are as many threads as 4 for each worker, a task is
// called instead. The threads are bound to the places of the workers, all of them to all.
#include <atomic>
#include <future>

#include "rows.hpp"

namespace bench {
namespace {

// Threads that std::async may still start. One root at a time.
std::atomic<int> threads_left = 0;

bool take_thread() {
  if (threads_left.load(std::memory_order_relaxed) <= 0) return false;
  if (threads_left.fetch_sub(1, std::memory_order_relaxed) > 0) return true;
  threads_left.fetch_add(1, std::memory_order_relaxed);
  return false;
}

template <class F>
auto start(F f) {
  return std::async(std::launch::async, [f = std::move(f)]() mutable {
    struct give_back {
      ~give_back() { threads_left.fetch_add(1, std::memory_order_relaxed); }
    } at_end;
    return f();
  });
}

struct async_verbs {
  template <class F, class G>
  static auto both(F&& f, G&& g) {
    if (!take_thread()) return serial_verbs::both(f, g);
    auto later = start([&g] { return g(); });
    auto a = f();
    return std::pair(std::move(a), later.get());
  }
  template <class F, class... Rest>
  static void all(F&& f, Rest&&... rest) {
    group others;
    (others.spawn([&rest] { rest(); }), ...);
    f();
    others.wait();
  }
  class group {
   public:
    template <class F>
    void spawn(F&& f) {
      if (take_thread())
        tasks_.push_back(start(std::forward<F>(f)));
      else
        f();
    }
    void wait() {
      for (auto& task : tasks_) task.get();
      tasks_.clear();
    }

   private:
    std::vector<std::future<void>> tasks_;
  };
};

class async_runtime {
 public:
  using verbs = async_verbs;

  explicit async_runtime(unsigned workers) : bound_(all_places(workers)) {
    threads_left = static_cast<int>(4 * workers);
  }
  template <class F>
  auto run(F f) {
    return f();
  }
  void report(benchmark::State&) const {}

 private:
  // Threads inherit what this one is bound to.
  static cpu_set_t all_places(unsigned workers) {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (const cpu_set_t& place : places_of(workers)) CPU_OR(&all, &all, &place);
    return all;
  }

  bound_thread bound_;
};

}  // namespace

void add_async_rows() {
  for (const unsigned workers : the_settings().workers) {
    add_fork_rows<async_runtime>("async_cutoff", workers);
    add_wide_rows<async_runtime, by_group>("async_cutoff", workers);
    add_group_rows<async_runtime>("async_cutoff", workers);
  }
}

}  // namespace bench
