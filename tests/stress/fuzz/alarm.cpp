// A program that hangs is a failure like any other: it is the seed that is needed.
#include <unistd.h>
#include <csignal>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>

#include "campaign.hpp"

namespace fuzz {

namespace {

std::atomic<std::uint64_t> seed_now{0};
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

template <std::size_t N>
void write_text(const char (&text)[N]) noexcept {
  static_cast<void>(!write(STDERR_FILENO, text, N - 1));
}

void tell_and_end(int signal) {
  write_text("fuzz_trees: ");
  if (signal == SIGALRM)
    write_text("the time is up");
  else if (signal == SIGTERM)
    write_text("asked to end");
  else
    write_text("the process breaks down");
  write_text(" while the program of seed ");
  write_number(seed_now.load(std::memory_order_relaxed));
  write_text(" is running; repeat it with: fuzz_trees --trees 1 --repeat 1000 --seed ");
  write_number(seed_now.load(std::memory_order_relaxed));
  if (workers_asked != 0) {
    write_text(" --workers ");
    write_number(workers_asked);
  }
  write_text(" (--print shows it)\n");
  if (signal == SIGTERM) _exit(3);
  // An abort leaves the stacks for a debugger.
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

}  // namespace

void running(std::uint64_t seed) noexcept {
  seed_now.store(seed, std::memory_order_relaxed);
  if (seconds_for_one != 0) alarm(seconds_for_one);
}

void arm(unsigned seconds, unsigned workers) {
  workers_asked = workers;
  seconds_for_one = seconds;
  std::signal(SIGALRM, tell_and_end);
  std::signal(SIGTERM, tell_and_end);
  std::signal(SIGABRT, tell_and_end);
  alarm(seconds);
}

}  // namespace fuzz
