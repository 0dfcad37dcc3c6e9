// coppice_bench_crawl RUNTIME THREADS PAGES URL: one crawl of a site of so many pages, in a process of its
// own. Prints a line of JSON: seconds, CPU time, the most threads at a time, the most memory.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "work.hpp"

namespace {

long status_value(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::atol(line.c_str() + key.size() + 1);
  return 0;
}

// The most threads that are seen at once; itself not counted.
class thread_count {
 public:
  long most() {
    watcher_.request_stop();
    watcher_.join();
    return most_;
  }

 private:
  long most_ = 0;
  std::jthread watcher_{[this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      most_ = std::max(most_, status_value("Threads") - 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }};
};

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

int run(const std::string& runtime, unsigned threads, std::uint64_t pages, const std::string& url) {
  const std::map<std::string, void (*)(bench::crawl_work&, unsigned)> runtimes{
      {"serial", bench::crawl_serial},
      {"coppice", bench::crawl_coppice},
      {"fifo", bench::crawl_fifo},
      {"onetbb", bench::crawl_onetbb}};
  bench::crawl_work work(crawl::parse_url(url).value);
  thread_count count;
  const double cpu_before = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  runtimes.at(runtime)(work, threads);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  const double cpu = cpu_seconds() - cpu_before;
  const long most = count.most();
  if (work.pages() != pages) {
    std::fprintf(stderr, "coppice_bench_crawl: %s found %lu pages, not %lu\n", runtime.c_str(), work.pages(),
                 pages);
    std::abort();
  }
  std::printf(
      "{\"runtime\": \"%s\", \"threads_asked\": %u, \"pages\": %lu, \"seconds\": %.4f, \"cpu\": %.4f, "
      "\"threads\": %ld, "
      "\"peak_mib\": %.1f}\n",
      runtime.c_str(), threads, work.pages(), time.count(), cpu, most,
      static_cast<double>(status_value("VmHWM")) / 1024);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: coppice_bench_crawl serial|coppice|fifo|onetbb THREADS PAGES URL\n", stderr);
    return 2;
  }
  try {
    return run(argv[1], static_cast<unsigned>(std::atoi(argv[2])),
               static_cast<std::uint64_t>(std::atoll(argv[3])), argv[4]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "coppice_bench_crawl: %s\n", e.what());
    return 1;
  }
}
