// Proves what becomes of a plan on this machine's kernel: masks are kept, bindings hold, and each
// way of refusing one ends in an unpinned worker that can say why. What changes a process for good
// (masks, system call filters, hwloc's environment) happens in a forked child.
#include "platform/topology.hpp"

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "inside/topology_says.hpp"

namespace {

using coppice::pinning;
using coppice::platform::refusal_in_words;
using coppice::platform::topology;
using coppice::platform::topology_request;

std::vector<int> mask_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("sched_getaffinity");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
  return cpus;
}

void set_mask(pid_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  if (sched_setaffinity(thread, sizeof set, &set) != 0) throw std::runtime_error("sched_setaffinity");
}

void set_mask_of_this_thread(int cpu) { set_mask(0, cpu); }

// As taskset does; the thread sanitizer has a thread of its own that would keep the wider mask.
void set_mask_of_this_process(int cpu) {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    set_mask(std::stoi(thread.path().filename().string()), cpu);
}

// Without the quota that the test machine may have; quotas are tested on simulated machines.
topology_request this_machine(pinning pin = pinning::core) {
  topology_request request;
  request.pin = pin;
  request.quota = std::numeric_limits<double>::infinity();
  return request;
}

// Runs `claims` in a child, which says on stderr what did not hold.
template <class F>
testing::AssertionResult holds_in_a_child(F claims) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == -1) return testing::AssertionFailure() << "fork: " << errno;
  if (child == 0) {
    bool held = false;
    try {
      held = claims();
    } catch (const std::exception& thrown) {
      std::fprintf(stderr, "thrown in the child: %s\n", thrown.what());
    }
    std::fflush(nullptr);
    _exit(held ? 0 : 1);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return testing::AssertionFailure() << "waitpid: " << errno;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "the child ended with status " << status;
}

bool claim(bool held, const char* what, const topology& t) {
  if (!held) std::fprintf(stderr, "does not hold: %s\n%s", what, t.describe().c_str());
  return held;
}
#define CLAIM(condition, t) claim(condition, #condition, t)

// From now on the kernel answers sched_setaffinity with `error`, as a container's filter does.
void refuse_binding_with(int error) {
  std::array<sock_filter, 4> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_sched_setaffinity},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    throw std::runtime_error("no system call filter");
}

TEST(topology_binding, SeesOnlyTheCpuOfAMaskOfOne) {
  for (const int cpu : mask_of_this_thread())
    EXPECT_TRUE(holds_in_a_child([cpu] {
      set_mask_of_this_process(cpu);
      topology t(this_machine());
      return CLAIM(t.workers() == 1, t) && CLAIM(t.place_of(0).pus == std::to_string(cpu), t) &&
             CLAIM(t.victims(0).empty(), t) && CLAIM(t.bind_this_thread(0, nullptr), t) &&
             CLAIM(t.pinned(), t) && CLAIM(mask_of_this_thread() == std::vector<int>{cpu}, t);
    })) << "CPU "
        << cpu;
}

TEST(topology_binding, LeavesTheMaskOfTheLoadingThreadAlone) {
  const auto before = mask_of_this_thread();
  const topology t(this_machine());
  EXPECT_EQ(mask_of_this_thread(), before);
}

TEST(topology_binding, PutsEachWorkerOnPusOfItsOwn) {
  topology t(this_machine());
  ASSERT_TRUE(t.pinned()) << t.why_not_pinned();
  std::vector<int> all;
  for (unsigned worker = 0; worker < t.workers(); ++worker)
    std::thread([&] {
      std::string why;
      EXPECT_TRUE(t.bind_this_thread(worker, &why)) << why;
      for (const int cpu : mask_of_this_thread()) {
        EXPECT_EQ(std::count(all.begin(), all.end(), cpu), 0) << "CPU " << cpu << " has two workers";
        all.push_back(cpu);
      }
    }).join();
  EXPECT_TRUE(t.pinned()) << t.why_not_pinned();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, mask_of_this_thread()) << "the workers fill the mask, and do not leave it";
}

TEST(topology_binding, HasOneKindOfPlaceForEachPinning) {
  for (const auto pin : {pinning::pu, pinning::numa}) {
    topology t(this_machine(pin));
    std::thread([&] {
      std::string why;
      EXPECT_TRUE(t.bind_this_thread(t.workers() - 1, &why)) << why;
      const auto bound = mask_of_this_thread().size();
      EXPECT_TRUE(pin == pinning::pu ? bound == 1 : bound >= 1) << bound << " PUs";
    }).join();
  }
}

TEST(topology_binding, BindsNothingWithPinningNone) {
  topology t(this_machine(pinning::none));
  const auto before = mask_of_this_thread();
  std::string why;
  EXPECT_FALSE(t.bind_this_thread(0, &why));
  EXPECT_EQ(why, "pinning none was asked for");
  EXPECT_EQ(mask_of_this_thread(), before);
}

TEST(topology_binding, SeesTheMaskOfTheProcessFromAPinnedThread) {
  const topology outside(this_machine());
  std::thread([&] {
    set_mask_of_this_thread(mask_of_this_thread().front());
    const topology inside(this_machine());
    EXPECT_EQ(inside.workers(), outside.workers()) << "a scheduler made inside a worker is not smaller";
  }).join();
}

TEST(topology_binding, RunsUnpinnedWhereTheKernelForbidsBinding) {
  for (const int error : {EPERM, ENOSYS})
    EXPECT_TRUE(holds_in_a_child([error] {
      topology t(this_machine());
      refuse_binding_with(error);
      std::string why;
      return CLAIM(t.pinned(), t) && CLAIM(!t.bind_this_thread(0, &why), t) && CLAIM(!t.pinned(), t) &&
             CLAIM(why.ends_with(refusal_in_words(error)), t) &&
             CLAIM(t.why_not_pinned().starts_with("the system refused 1 of "), t) && CLAIM(says(t, why), t) &&
             CLAIM(!t.with_workers(0).pinned(), t);
    })) << refusal_in_words(error);
}

// hwloc's own injector: on a simulated machine that claims to be this one, binding to a CPU that
// does not exist fails with EINVAL.
TEST(topology_binding, CountsThePlacesThatWereRefusedAndKeepsTheFirstReason) {
  EXPECT_TRUE(holds_in_a_child([] {
    setenv("HWLOC_THISSYSTEM", "1", 1);
    topology_request request;
    request.synthetic = "core:4 pu:1(indexes=40000,40001,40002,40003)";
    topology t(request);
    std::string why;
    return CLAIM(t.pinned(), t) && CLAIM(!t.bind_this_thread(2, &why), t) &&
           CLAIM(why == "worker 2 to PU 40002: " + refusal_in_words(EINVAL), t) &&
           CLAIM(!t.bind_this_thread(3, nullptr), t) &&
           CLAIM(!t.bind_thread(3, pthread_self(), nullptr), t) &&  // a spare worker in this place
           CLAIM(t.why_not_pinned() == "the system refused 2 of 4 bindings, first " + why, t) &&
           CLAIM(says(t, "pinning: not pinned, the system refused 2 of 4"), t) &&
           CLAIM(says(t.with_workers(3), "the system refused 1 of 3 bindings, first " + why), t) &&
           CLAIM(t.with_workers(2).pinned(), t);
  }));
}

TEST(topology_binding, CountsCpusOfTheMaskWhereHwlocFails) {
  const auto cpus = mask_of_this_thread();
  EXPECT_TRUE(holds_in_a_child([&] {
    setenv("HWLOC_COMPONENTS", "stop", 1);  // no way of looking at the machine is left
    topology t(this_machine());
    return CLAIM(t.workers() == cpus.size(), t) && CLAIM(!t.bind_this_thread(0, nullptr), t) &&
           CLAIM(!t.pinned(), t) &&
           CLAIM(says(t, "pinning: not pinned, hwloc could not read this machine"), t);
  }));
  EXPECT_TRUE(holds_in_a_child([&] {
    setenv("HWLOC_COMPONENTS", "stop", 1);
    set_mask_of_this_process(cpus.back());
    const topology t(this_machine());
    return CLAIM(t.workers() == 1, t) && CLAIM(t.place_of(0).pus == std::to_string(cpus.back()), t);
  }));
}

TEST(topology_binding, TakesPusWhereTheKernelShowsNoCores) {
  const auto cpus = mask_of_this_thread();
  EXPECT_TRUE(holds_in_a_child([&] {
    setenv("HWLOC_FSROOT", "/nonexistent", 1);  // no sysfs
    topology t(this_machine());
    return CLAIM(t.workers() == cpus.size(), t) && CLAIM(says(t, "no cores known"), t) &&
           CLAIM(t.bind_this_thread(0, nullptr), t) && CLAIM(t.pinned(), t);
  }));
}

TEST(topology_binding, PinsNothingWhenHwlocDescribesAnotherMachine) {
  EXPECT_TRUE(holds_in_a_child([] {
    setenv("HWLOC_SYNTHETIC", "core:8 pu:2", 1);
    topology t(this_machine());
    return CLAIM(t.workers() == 8, t) && CLAIM(!t.pinned(), t) && CLAIM(!t.bind_this_thread(0, nullptr), t) &&
           CLAIM(says(t, "hwloc's environment variables describe another machine"), t);
  }));
}

}  // namespace
