// What a fork, a spawn, an iteration and a level that fails cost in instructions, for
// scripts/instruction_counts to count: times wander by more than a change of the fast path is worth,
// instructions do not.
//
// One worker, so nobody steals. Each counted_... function below is called once, by the worker; valgrind
// counts between its first and its last instruction. The lines that this program prints say what to divide
// by.
#include <coppice/coppice.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>

namespace {

constexpr int fib_n = 20;
constexpr std::uint32_t rounds = 20;
constexpr std::uint32_t children = 500;  // of one group: fewer than the deque holds
constexpr std::uint32_t iterations = 200'000;
constexpr std::uint32_t levels = 4000;

long fib(int n) {  // NOLINT(misc-no-recursion)
  if (n < 2) return n;
  auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

// A level may cost what it costs, but the same however deep it lies.
void fail_below(std::uint32_t left) {  // NOLINT(misc-no-recursion)
  if (left == 0) throw left;
  coppice::join([=] { fail_below(left - 1); }, [] {});
}

long forks_of_fib(int n) {  // NOLINT(misc-no-recursion)
  return n < 2 ? 0 : 1 + forks_of_fib(n - 1) + forks_of_fib(n - 2);
}

}  // namespace

// C names, which valgrind is told.
extern "C" {

[[gnu::noinline]] long counted_fork() { return fib(fib_n); }

[[gnu::noinline]] void counted_spawn(unsigned char* ran) {
  for (std::uint32_t round = 0; round < rounds; ++round) {
    coppice::task_group group;
    for (std::uint32_t i = 0; i < children; ++i) group.spawn([ran, i] { ++ran[i]; });
    group.wait();
  }
}

[[gnu::noinline]] void counted_iteration(std::uint32_t* out) {
  coppice::parallel_for(std::uint32_t{0}, iterations, [out](std::uint32_t i) {
    asm volatile("" ::: "memory");  // as many iterations as the source says, none of them at once
    out[i] = i;
  });
}

[[gnu::noinline]] bool counted_failure() {
  try {
    fail_below(levels);
  } catch (std::uint32_t left) {
    return left == 0;
  }
  return false;
}

}  // extern "C"

int main() {
  coppice::scheduler scheduler({.workers = 1});
  const auto ran = std::make_unique<unsigned char[]>(children);
  const auto out = std::make_unique<std::uint32_t[]>(iterations);
  bool failed = false;
  const long value = scheduler.run([&] {
    fib(10);  // whatever happens only once
    const long v = counted_fork();
    counted_spawn(ran.get());
    counted_iteration(out.get());
    failed = counted_failure();
    return v;
  });
  const long forks = forks_of_fib(fib_n);
  if (value != 6765 || ran[children - 1] != rounds || out[iterations - 1] != iterations - 1 || !failed) {
    std::fputs("coppice_instructions: a wrong result\n", stderr);
    return 1;
  }
  std::printf("build %s\n", BENCH_BUILD);
  std::printf("fork %ld\n", forks);
  std::printf("spawn %u\n", rounds * children);
  std::printf("iteration %u\n", iterations);
  std::printf("failure %u\n", levels);
}
