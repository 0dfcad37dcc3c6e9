#include "support/watchdog.hpp"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <coppice/detail/worker.hpp>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "support/process.hpp"

namespace support {

namespace {

using coppice::detail::attention_bit;
using coppice::detail::place_kind;
using coppice::detail::spot;

constexpr int signal_number = SIGUSR2;
constexpr std::size_t deepest = 256;  // places of a path that are walked; beyond, its middle is left out

// Who has answered last.
std::atomic<pid_t> answered{0};

// Text in a fixed room: in a signal handler nothing may be allocated.
class line {
 public:
  line& operator<<(const char* text) noexcept {
    while (*text != '\0') put(*text++);
    return *this;
  }
  line& operator<<(std::uint64_t n) noexcept {
    std::array<char, 20> digits{};
    std::size_t count = 0;
    do {
      digits.at(count++) = static_cast<char>('0' + n % 10);
      n /= 10;
    } while (n != 0);
    while (count != 0) put(digits.at(--count));
    return *this;
  }
  void print() noexcept {
    put('\n');
    std::size_t done = 0;
    while (done < size_) {
      const ssize_t n = write(STDERR_FILENO, text_.data() + done, size_ - done);
      if (n <= 0) return;
      done += static_cast<std::size_t>(n);
    }
  }

 private:
  void put(char c) noexcept {
    // The last one is the newline's.
    if (size_ + 1 < text_.size() || c == '\n') text_.at(size_++) = c;
  }
  std::array<char, 2048> text_{};
  std::size_t size_ = 0;
};

// The chain belongs to this thread or stands still while this thread's code runs below it.
void add_path(line& out, spot here) noexcept {
  std::array<std::uint32_t, deepest> ordinals{};
  std::size_t count = 0;
  for (; here.at()->above() && count < deepest; here = here.at()->above())
    ordinals.at(count++) = here.ordinal();
  out << (here.at()->above() ? "..." : "root");
  constexpr std::size_t ends = 16;
  for (std::size_t i = count; i-- > 0;) {
    if (count > 2 * ends && i == count - ends) {
      out << "/(+" << count - 2 * ends << ")";
      i = ends;
      continue;
    }
    out << "/" << ordinals.at(i);
  }
}

const char* in_words(place_kind kind) noexcept {
  switch (kind) {
    case place_kind::join:
      return "a join";
    case place_kind::task:
      return "a task";
    case place_kind::stolen:
      return "a stolen branch";
  }
  return "unknown";
}

void add_worker(line& out, coppice::detail::worker& w) noexcept {
  out << ": worker " << w.index << ", ";
  if (w.where()) {
    out << "at ";
    add_path(out, w.where());
    out << " (" << in_words(w.where().at()->kind()) << ")";
  } else {
    out << "runs nothing";
  }
  out << ", deque: head " << w.deque.top() << ", " << w.deque.size() << " frames"
      << (w.deque.has_shared() ? ", some shared" : "") << (w.deque.has_private() ? ", some private" : "");
  const std::uint32_t asked = w.attention.load(std::memory_order_relaxed);
  out << ", asked:" << ((asked & attention_bit::hungry) != 0 ? " hungry" : "")
      << ((asked & attention_bit::starving) != 0 ? " starving" : "")
      << ((asked & attention_bit::look) != 0 ? " look" : "") << (asked == 0 ? " nothing" : "");
}

void answer(int) {
  const int error = errno;
  line out;
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  out << "  " << name.data();
  if (coppice::detail::worker* const w = coppice::detail::this_worker)
    add_worker(out, *w);
  else
    out << ": no worker";
  out.print();
  answered.store(this_thread_number(), std::memory_order_release);
  errno = error;
}

// What the system says about a thread: its name, its state, what it is called to wait for.
std::string what_the_system_says(pid_t thread) {
  const std::string folder = "/proc/self/task/" + std::to_string(thread);
  std::string name;
  std::getline(std::ifstream(folder + "/comm"), name);
  std::string call;
  std::ifstream(folder + "/syscall") >> call;
  std::string state;
  std::getline(std::ifstream(folder + "/stat"), state);
  const auto end = state.rfind(')');
  state = end != std::string::npos && end + 2 < state.size() ? state.substr(end + 2, 1) : "?";
  if (call == std::to_string(SYS_futex)) call = "futex";
  return name + " (thread " + std::to_string(thread) + ", state " + state +
         (call.empty() || call == "running" ? ")" : ", in system call " + call + ")");
}

}  // namespace

void print_who_runs_what() {
  std::vector<pid_t> threads;
  if (DIR* const folder = opendir("/proc/self/task")) {
    while (const dirent* const entry = readdir(folder))
      if (entry->d_name[0] != '.') threads.push_back(static_cast<pid_t>(std::atol(entry->d_name)));
    closedir(folder);
  }
  const pid_t me = this_thread_number();
  for (const pid_t thread : threads) {
    if (thread == me) continue;
    line about;
    about << what_the_system_says(thread).c_str();
    about.print();
    answered.store(0, std::memory_order_relaxed);
    if (syscall(SYS_tgkill, getpid(), thread, signal_number) != 0) continue;  // it has ended meanwhile
    // A sanitizer may put the handler off until the thread's next call of the system.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (answered.load(std::memory_order_acquire) != thread) {
      if (std::chrono::steady_clock::now() > until) {
        line late;
        (late << "  does not answer").print();
        break;
      }
      std::this_thread::yield();
    }
  }
}

watchdog::watchdog(std::chrono::milliseconds patience, std::string what)
    : patience_(patience), what_(std::move(what)) {
  struct sigaction action {};
  action.sa_handler = &answer;
  action.sa_flags = SA_RESTART;
  sigaction(signal_number, &action, nullptr);
  thread_ = std::thread(&watchdog::run, this);
}

watchdog::~watchdog() {
  {
    const std::lock_guard hold(lock_);
    over_ = true;
  }
  over_changed_.notify_all();
  thread_.join();
}

void watchdog::run() {
  pthread_setname_np(pthread_self(), "watchdog");
  std::unique_lock hold(lock_);
  for (;;) {
    const std::uint64_t before = beats_.load(std::memory_order_relaxed);
    if (over_changed_.wait_for(hold, patience_, [this] { return over_; })) return;
    if (beats_.load(std::memory_order_relaxed) != before) continue;
    line head;
    head << "watchdog: no progress for " << static_cast<std::uint64_t>(patience_.count()) << " ms after "
         << before << " steps. " << what_.c_str() << "\nwho runs what:";
    head.print();
    print_who_runs_what();
    std::abort();
  }
}

}  // namespace support
