#include "support/process.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace support {

std::size_t threads_now() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

std::size_t threads_settled(std::size_t wanted) {
  std::size_t n = threads_now();
  for (int i = 0; i < 100'000 && n > wanted; ++i) {
    sched_yield();
    n = threads_now();
  }
  return n;
}

std::size_t threads_at_rest() {
  static const std::size_t at_rest = [] {
    // A sanitizer has a thread of its own from the first one on.
    pid_t first = 0;
    std::thread([&] { first = this_thread_number(); }).join();
    // The system counts a thread for some time after it was joined.
    while (std::filesystem::exists("/proc/self/task/" + std::to_string(first))) sched_yield();
    return threads_now();
  }();
  return at_rest;
}

pid_t this_thread_number() { return static_cast<pid_t>(syscall(SYS_gettid)); }

void wait_until_asleep(pid_t thread, const std::function<bool()>& over) {
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/stat";
  for (;;) {
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    // The state follows the name, which stands in parentheses and may hold anything.
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos || text.at(name_end + 2) == 'S' || over()) return;
    sched_yield();
  }
}

pid_t thread_named(const std::string& name) {
  for (;; sched_yield()) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "comm");
      std::string is;
      if (std::getline(file, is) && is == name) return static_cast<pid_t>(std::stol(task.path().filename()));
    }
  }
}

std::uint64_t sleeps_of(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/status");
  const std::string wanted = "voluntary_ctxt_switches:";
  for (std::string word; file >> word;) {
    std::uint64_t n = 0;
    if (word == wanted && file >> n) return n;
  }
  return 0;
}

namespace {
std::size_t pages(int column) {
  std::ifstream file("/proc/self/statm");
  std::size_t n = 0;
  for (int i = 0; i <= column; ++i) file >> n;
  return n * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}
}  // namespace

std::size_t address_bytes() { return pages(0); }
std::size_t resident_bytes() { return pages(1); }

small_stacks::small_stacks(std::size_t bytes) {
  pthread_getattr_default_np(&before_);
  pthread_attr_t small;
  pthread_getattr_default_np(&small);
  pthread_attr_setstacksize(&small, bytes);
  pthread_setattr_default_np(&small);
  pthread_attr_destroy(&small);
}
small_stacks::~small_stacks() {
  pthread_setattr_default_np(&before_);
  pthread_attr_destroy(&before_);
}

bool in_child_process(const std::function<bool()>& f) {
  const pid_t child = fork();
  if (child == 0) {
    bool good = false;
    try {
      good = f();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "in the child: %s\n", e.what());
    }
    std::fflush(nullptr);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace support
