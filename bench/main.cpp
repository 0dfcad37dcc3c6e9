// All rows; scripts/bench runs each in a process of its own, in turns, and makes a table. By hand:
//
//   coppice_bench --benchmark_filter='^fib/' --benchmark_enable_random_interleaving=true
//   --benchmark_repetitions=7
//
// See settings.hpp for what the environment can say.
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "row.hpp"
#include "settings.hpp"

namespace {

std::string kernel() {
  utsname u{};
  return uname(&u) == 0 ? std::string(u.sysname) + ' ' + u.release + ' ' + u.machine : "unknown";
}

// A virtual machine may say "AMD EPYC" of processors of several years: then with the family.
std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  std::string family, name;
  for (std::string line; std::getline(info, line) && (family.empty() || name.empty());) {
    if (line.starts_with("cpu family")) family = line.substr(line.find(':') + 2);
    if (line.starts_with("model name")) name = line.substr(line.find(':') + 2);
  }
  if (name.empty()) return "unknown";
  const bool says_which = name.find_first_of("0123456789") != std::string::npos;
  return says_which || family.empty() ? name : name + ", family " + family;
}

// What tells a runtime how many threads it has, where they stand, how they wait. Of this the rows say it all.
bool is_for_a_runtime(std::string_view variable) {
  if (variable.starts_with("COPPICE_")) return !variable.starts_with("COPPICE_BENCH_");
  constexpr std::string_view beginnings[] = {"OMP_", "GOMP_", "KMP_", "LIBOMP_", "TBB_"};
  return std::any_of(std::begin(beginnings), std::end(beginnings),
                     [=](std::string_view b) { return variable.starts_with(b); });
}

// The main thread is a worker of oneTBB and of OpenMP, and needs as much stack as any. It has what the limit
// was when the program began, as have the threads of std::async; the threads of OpenMP have what the
// environment said then. So the program begins again, once: it stays the same process.
void begin_with_large_stacks(char** argv) {
  const char* const marker = "COPPICE_BENCH_BEGUN_AGAIN_AS";
  const std::string self = std::to_string(getpid());
  if (const char* const begun = std::getenv(marker); begun != nullptr && begun == self) return;

  std::vector<std::string> dropped;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (is_for_a_runtime(variable)) dropped.emplace_back(variable.substr(0, variable.find('=')));
  }
  for (const std::string& variable : dropped) unsetenv(variable.c_str());
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) == 0) {
    limit.rlim_cur = std::min<rlim_t>(bench::stack_bytes, limit.rlim_max);
    setrlimit(RLIMIT_STACK, &limit);
  }
  setenv("OMP_STACKSIZE", (std::to_string(bench::stack_bytes) + "B").c_str(), 1);
  setenv(marker, self.c_str(), 1);
  execv("/proc/self/exe", argv);
  std::perror("coppice_bench: cannot begin again with large stacks");
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  begin_with_large_stacks(argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;

  benchmark::AddCustomContext("processor", processor());
  benchmark::AddCustomContext("kernel", kernel());
  benchmark::AddCustomContext("compiler", BENCH_COMPILER);
  benchmark::AddCustomContext("flags", BENCH_FLAGS);
  benchmark::AddCustomContext("cores", std::to_string(bench::the_settings().cores));
  benchmark::AddCustomContext("commit", bench::the_settings().commit);
#ifdef BENCH_OPENMP
  benchmark::AddCustomContext("openmp", BENCH_OPENMP);
#endif
  benchmark::AddCustomContext("coppice", bench::machine_in_words());
  benchmark::AddCustomContext("tree_walk", bench::the_settings().directory);
  // A report that does not say so has the first iteration of a row among those measured.
  benchmark::AddCustomContext("warm_up", "1 iteration");

  bench::add_serial_rows();
  bench::add_coppice_rows();
  bench::add_onetbb_rows();
#ifdef BENCH_OPENMP
  bench::add_openmp_rows();
#endif
  bench::add_async_rows();
  bench::add_fifo_rows();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
