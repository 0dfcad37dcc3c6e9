// Many of everything: two schedulers that submit to each other, more workers than cores.
#include <algorithm>
#include <thread>

#include "storm.hpp"

namespace storms {

namespace {

long fib(int n) {
  if (n < 2) return n;
  auto [a, b] = coppice::join([n] { return fib(n - 1); }, [n] { return fib(n - 2); });
  return a + b;
}

// Each level runs in the other scheduler, and forks there.
long ping(coppice::scheduler& here, coppice::scheduler& there, int depth) {
  if (depth == 0) return fib(6);
  return there.run([&here, &there, depth] {
    auto [a, b] = coppice::join([&] { return ping(there, here, depth - 1); }, [] { return fib(5); });
    return a + b;
  });
}

}  // namespace

// Two trees in opposite directions need two workers in each: one that waits for the other scheduler stands
// still, and runs only what descends from what it waits for.
void two_schedulers(round& r) {
  coppice::scheduler a({.workers = std::max(2U, r.workers()), .name = "a"});
  coppice::scheduler b({.workers = std::max(2U, r.workers()), .name = "b"});
  for (int n = 0; n < 10; ++n) {
    const int depth = static_cast<int>(r.between(1, 4));
    const auto later = r.moment(std::chrono::microseconds(100));
    long other = 0;
    std::thread from_b([&] {
      busy_for(later);
      other = ping(b, a, depth);
    });
    const long mine = ping(a, b, depth);
    from_b.join();
    expect(mine == 8 + 5 * depth && other == mine, "fib(6) and one fib(5) for each level");
  }
}

void more_workers_than_cores(round& r) {
  coppice::scheduler scheduler({.workers = 64});
  for (int n = 0; n < 5; ++n) {
    busy_for(r.moment(std::chrono::microseconds(200)));
    const int size = static_cast<int>(r.between(8, 14));
    std::vector<coppice::job<long>> jobs;
    const std::uint64_t count = r.between(1, 8);
    for (std::uint64_t i = 0; i < count; ++i) jobs.push_back(scheduler.submit([size] { return fib(size); }));
    const long wanted = fib(size);  // here it runs serially
    for (auto& job : jobs) expect(job.get() == wanted, "the same as in serial");
  }
}

}  // namespace storms
