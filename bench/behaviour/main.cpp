// Prints what each situation comes to with coppice and with oneTBB, side by side.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "situation.hpp"

namespace {

using behaviour::situation;

// Longer than any of them takes that ends at all.
constexpr int patience_ms = 20'000;

std::string in_child(std::string (*run)(situation), situation which) {
  int ends[2] = {};
  if (pipe(ends) != 0) return std::string("no pipe: ") + std::strerror(errno);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    close(ends[0]);
    std::string text;
    try {
      text = run(which);
    } catch (const std::exception& e) {
      text = std::string("throws: ") + e.what();
    }
    const auto written = write(ends[1], text.data(), text.size());
    _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  pollfd ready{ends[0], POLLIN, 0};
  const bool in_time = poll(&ready, 1, patience_ms) > 0;
  char piece[256];
  if (in_time)
    for (ssize_t n = 0; (n = read(ends[0], piece, sizeof piece)) > 0;)
      text.append(piece, static_cast<std::size_t>(n));
  close(ends[0]);
  if (!in_time) kill(-child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  if (!in_time) return "hangs (ended after " + std::to_string(patience_ms / 1000) + " s)";
  if (WIFSIGNALED(status)) return std::string("dies: ") + strsignal(WTERMSIG(status));
  return text;
}

}  // namespace

int main() {
  std::printf("| rule | coppice | oneTBB |\n| --- | --- | --- |\n");
  for (unsigned i = 0; i < behaviour::situations; ++i) {
    const auto which = static_cast<situation>(i);
    std::printf("| %s | %s | %s |\n", behaviour::rules[i], in_child(behaviour::with_coppice, which).c_str(),
                in_child(behaviour::with_onetbb, which).c_str());
  }
}
