#include "child.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "support/scale.hpp"

namespace faults {

testing::AssertionResult holds_in_child(const std::function<bool()>& claims) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == -1) return testing::AssertionFailure() << "fork: error " << errno;
  if (child == 0) {
    alarm(support::sanitized ? 600 : 60);
    bool held = false;
    try {
      held = claims();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "thrown in the child: %s\n", e.what());
    }
    std::fflush(nullptr);
    _exit(held ? 0 : 1);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return testing::AssertionFailure() << "waitpid: error " << errno;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return testing::AssertionSuccess();
  if (WIFSIGNALED(status))
    return testing::AssertionFailure() << "the child died of signal " << WTERMSIG(status)
                                       << (WTERMSIG(status) == SIGALRM ? ": it hung" : "");
  return testing::AssertionFailure() << "the child ended with status " << WEXITSTATUS(status);
}

bool claim(bool held, const char* what, const std::string& details) {
  if (!held) std::fprintf(stderr, "does not hold: %s\n%s\n", what, details.c_str());
  return held;
}

void refuse_system_call(long number, int error) {
  std::array<sock_filter, 4> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<unsigned>(number)},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    throw std::runtime_error("no system call filter");
}

bool has_text(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace faults
