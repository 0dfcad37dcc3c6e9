#include "settings.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <coppice/scheduler.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <system_error>
#include <thread>

namespace bench {
namespace {

[[noreturn]] void refuse(const char* variable, std::string_view value, const char* wanted) {
  std::fprintf(stderr, "coppice_bench: %s is '%.*s'; wanted: %s\n", variable, static_cast<int>(value.size()),
               value.data(), wanted);
  std::exit(2);
}

bool read_number(std::string_view text, unsigned low, unsigned high, unsigned& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out >= low && out <= high;
}

std::vector<unsigned> read_workers(std::string_view text) {
  std::vector<unsigned> counts;
  for (std::string_view rest = text;;) {
    const auto comma = rest.find(',');
    unsigned n = 0;
    if (!read_number(rest.substr(0, comma), 1, 4096, n))
      refuse("COPPICE_BENCH_WORKERS", text, "numbers from 1 to 4096, separated by commas");
    counts.push_back(n);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return counts;
}

settings read_environment() {
  settings s;
  s.cores = coppice::scheduler().workers();
  if (const char* text = std::getenv("COPPICE_BENCH_SIZE")) {
    const std::string_view size = text;
    if (size != "quick" && size != "full" && size != "long")
      refuse("COPPICE_BENCH_SIZE", size, "quick, full or long");
    s.size = size == "quick" ? input_size::quick : size == "full" ? input_size::full : input_size::huge;
  }
  s.fib = s.sized(27, 32);
  if (const char* fib = std::getenv("COPPICE_BENCH_FIB")) {
    unsigned n = 0;
    if (!read_number(fib, 1, 60, n)) refuse("COPPICE_BENCH_FIB", fib, "a number from 1 to 60");
    s.fib = static_cast<int>(n);
  }
  if (const char* directory = std::getenv("COPPICE_BENCH_DIR")) s.directory = directory;
  if (const char* commit = std::getenv("COPPICE_BENCH_COMMIT")) s.commit = commit;
  if (const char* workers = std::getenv("COPPICE_BENCH_WORKERS"))
    s.workers = read_workers(workers);
  else
    s.workers = {1, s.cores};
  std::sort(s.workers.begin(), s.workers.end());
  s.workers.erase(std::unique(s.workers.begin(), s.workers.end()), s.workers.end());
  return s;
}

// Thread ids by the number behind the name.
std::map<unsigned, pid_t> threads_named(const std::string& name) {
  std::map<unsigned, pid_t> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string is;
    std::getline(std::ifstream(task.path() / "comm"), is);
    unsigned number = 0;
    if (!is.starts_with(name + "-") ||
        !read_number(std::string_view(is).substr(name.size() + 1), 0, 4096, number))
      continue;
    found[number] = static_cast<pid_t>(std::stol(task.path().filename().string()));
  }
  return found;
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

const settings& the_settings() {
  static const settings the = read_environment();
  return the;
}

const std::vector<cpu_set_t>& places_of(unsigned workers) {
  static std::map<unsigned, std::vector<cpu_set_t>> known;
  auto& places = known[workers];
  if (!places.empty()) return places;
  const coppice::scheduler model({.workers = workers, .name = "place"});
  for (const auto& [number, thread] : threads_named("place")) {
    cpu_set_t place;
    if (sched_getaffinity(thread, sizeof place, &place) != 0) die("sched_getaffinity");
    places.push_back(place);
  }
  if (places.size() != workers) die("coppice_bench: cannot find the threads of a scheduler");
  return places;
}

const std::string& machine_in_words() {
  static const std::string words = coppice::scheduler().describe();
  return words;
}

void bind_this_thread(const cpu_set_t& place) {
  if (sched_setaffinity(0, sizeof place, &place) != 0) die("sched_setaffinity");
}

bound_thread::bound_thread(const cpu_set_t& place) {
  if (sched_getaffinity(0, sizeof before_, &before_) != 0) die("sched_getaffinity");
  bind_this_thread(place);
}

bound_thread::~bound_thread() { bind_this_thread(before_); }

void bind_threads_named(const std::string& name, const std::vector<cpu_set_t>& places) {
  // A thread gives itself its name, a moment after it is born.
  auto threads = threads_named(name);
  for (int tries = 0; threads.size() != places.size(); threads = threads_named(name)) {
    if (++tries == 1000) die("coppice_bench: not as many threads as places");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  auto place = places.begin();
  for (const auto& [number, thread] : threads)
    if (sched_setaffinity(thread, sizeof *place, &*place++) != 0) die("sched_setaffinity");
}

}  // namespace bench
