#include "alarm.hpp"

#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace fuzz {

namespace {

std::atomic<std::uint64_t> seed_now{0};
std::array<char, 8192> text_now{};
std::atomic<std::size_t> text_length{0};
fuzzer_name called{"fuzz", "programs"};
unsigned workers_asked = 0;
unsigned seconds_for_one = 0;

// Only what a signal handler may do.
void write_number(std::uint64_t n) noexcept {
  std::array<char, 20> digits{};
  std::size_t at = digits.size();
  do {
    digits[--at] = static_cast<char>('0' + n % 10);
    n /= 10;
  } while (n != 0);
  static_cast<void>(!write(STDERR_FILENO, &digits[at], digits.size() - at));
}

void write_text(const char* text) noexcept {
  static_cast<void>(!write(STDERR_FILENO, text, std::strlen(text)));
}

void tell_and_end(int signal) {
  write_text(called.program);
  write_text(": ");
  if (signal == SIGALRM)
    write_text("the time is up");
  else if (signal == SIGTERM)
    write_text("asked to end");
  else
    write_text("the process breaks down");
  write_text(" while the program of seed ");
  write_number(seed_now.load(std::memory_order_relaxed));
  write_text(" is running; repeat it with: ");
  write_text(called.program);
  write_text(" --");
  write_text(called.many);
  write_text(" 1 --repeat 1000 --seed ");
  write_number(seed_now.load(std::memory_order_relaxed));
  if (workers_asked != 0) {
    write_text(" --workers ");
    write_number(workers_asked);
  }
  write_text(" (--print shows it)\n");
  static_cast<void>(!write(STDERR_FILENO, text_now.data(), text_length.load(std::memory_order_relaxed)));
  if (signal == SIGTERM) _exit(3);
  // An abort leaves the stacks for a debugger.
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

}  // namespace

void running(std::uint64_t seed, const std::string& text) noexcept {
  seed_now.store(seed, std::memory_order_relaxed);
  const std::size_t length = std::min(text.size(), text_now.size());
  std::copy_n(text.begin(), length, text_now.begin());
  text_length.store(length, std::memory_order_relaxed);
  if (seconds_for_one != 0) alarm(seconds_for_one);
}

void arm(fuzzer_name name, unsigned seconds, unsigned workers) {
  called = name;
  workers_asked = workers;
  seconds_for_one = seconds;
  std::signal(SIGALRM, tell_and_end);
  std::signal(SIGTERM, tell_and_end);
  std::signal(SIGABRT, tell_and_end);
  alarm(seconds);
}

}  // namespace fuzz
