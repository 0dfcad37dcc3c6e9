// No files: the kernel's own folders cannot be opened, or hold garbage. What the parser of cgroup files makes
// of each kind of garbage is in tests/inside/cgroup_test.cpp.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <coppice/coppice.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "child.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"

namespace {

namespace fs = std::filesystem;
using faults::has_text;
using faults::holds_in_child;

bool works() {
  coppice::scheduler s;
  const std::string text = s.describe();
  for (const char* part : {"machine: ", "mask: ", "quota: none", "workers: ", "pinning: "})
    if (!CLAIM(has_text(text, part), text)) return false;
  return CLAIM(s.workers() >= 1) && CLAIM(s.run([] { return 1; }) == 1) &&
         CLAIM(coppice::fifo_pool().submit([] { return 1; }).get() == 1);
}

TEST(unreadable, WhereNoFileCanBeOpenedTheSchedulerWorksFromItsMask) {
  if (support::sanitized) GTEST_SKIP() << "a sanitizer reads /proc/self/maps for each thread";
  for (const int error : {EACCES, ENOENT, EMFILE, EIO})
    EXPECT_TRUE(holds_in_child([error] {
      faults::refuse_system_call(SYS_open, error);
      faults::refuse_system_call(SYS_openat, error);
      return works();
    })) << "error "
        << error;
}

// Folders can still be listed: where they cannot, hwloc 2.9 ends the program in an assertion of its own.
TEST(unreadable, WhereFilesOpenAndCannotBeReadTheSchedulerWorksFromItsMask) {
  if (support::sanitized) GTEST_SKIP() << "a sanitizer reads /proc/self/maps for each thread";
  for (const int error : {EACCES, EIO})
    EXPECT_TRUE(holds_in_child([error] {
      for (const long call : {SYS_read, SYS_pread64, SYS_readv}) faults::refuse_system_call(call, error);
      return works();
    })) << "error "
        << error;
}

// The files that hwloc reads first, each with what nobody expects in it.
TEST(unreadable, WhereSysfsHoldsGarbageTheSchedulerWorks) {
  auto random = support::random_source();
  std::string folder = (fs::temp_directory_path() / "coppice-sysfs-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto text = [&](int kind) -> std::string {
    if (kind == 0) return {};
    if (kind == 1) return "0-\n";
    if (kind == 2) return "99999999999999999999,-1,0x\n";
    if (kind == 3) return std::string(1 << 16, 'f');
    std::string bytes;
    for (int i = 0; i < 4096; ++i) bytes += static_cast<char>(random());
    return bytes;
  };
  for (int kind = 0; kind < 5; ++kind) {
    for (const std::string file :
         {"proc/cpuinfo", "proc/meminfo", "proc/self/cpuset", "proc/self/cgroup", "proc/mounts",
          "sys/devices/system/cpu/online", "sys/devices/system/cpu/possible",
          "sys/devices/system/cpu/cpu0/topology/core_cpus", "sys/devices/system/cpu/cpu0/topology/core_id",
          "sys/devices/system/cpu/cpu0/topology/package_cpus",
          "sys/devices/system/cpu/cpu0/cache/index0/level", "sys/devices/system/node/online",
          "sys/devices/system/node/node0/cpumap", "sys/bus/cpu/devices/cpu0/topology/core_cpus",
          "sys/bus/node/devices/node0/cpumap"}) {
      // hwloc 2.9 ends the program in an assertion of its own where a list names no node, as "7-3" does.
      if (kind == 4 && file == "sys/devices/system/node/online") continue;
      const fs::path path = fs::path(folder) / file;
      fs::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << text(kind);
    }
    EXPECT_TRUE(holds_in_child([&] {
      setenv("HWLOC_FSROOT", folder.c_str(), 1);
      coppice::scheduler s;
      return CLAIM(s.workers() >= 1) && CLAIM(!s.describe().empty()) && CLAIM(s.run([] { return 1; }) == 1);
    })) << "kind "
        << kind;
  }
  fs::remove_all(folder);
}

}  // namespace
