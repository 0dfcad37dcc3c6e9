// All rows in one process. For figures worth comparing, let them take turns:
//
//   coppice_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=7
//
// scripts/bench does that and makes a table. See settings.hpp for what the environment can say.
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "row.hpp"
#include "settings.hpp"

namespace {

std::string kernel() {
  utsname u{};
  return uname(&u) == 0 ? std::string(u.sysname) + ' ' + u.release + ' ' + u.machine : "unknown";
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

// The main thread is one of oneTBB's workers. Its stack grows up to the limit of the moment.
void raise_stack_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= bench::stack_bytes) return;
  limit.rlim_cur = std::min<rlim_t>(bench::stack_bytes, limit.rlim_max);
  setrlimit(RLIMIT_STACK, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  raise_stack_limit();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;

  benchmark::AddCustomContext("processor", processor());
  benchmark::AddCustomContext("kernel", kernel());
  benchmark::AddCustomContext("compiler", BENCH_COMPILER);
  benchmark::AddCustomContext("flags", BENCH_FLAGS);
  benchmark::AddCustomContext("commit", bench::the_settings().commit);
  benchmark::AddCustomContext("coppice", bench::machine_in_words());
  benchmark::AddCustomContext("tree_walk", bench::the_settings().directory);

  bench::add_serial_rows();
  bench::add_coppice_rows();
  bench::add_onetbb_rows();
  bench::add_fifo_rows();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
