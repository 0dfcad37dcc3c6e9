// Proves what cpu_quota() makes of the control groups that it can see. Each test writes a tree of
// its own into a temporary folder, because a machine has one quota at a time, and most have none.
#include "platform/cgroup.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace {

namespace fs = std::filesystem;
using coppice::platform::cgroup_paths;
using coppice::platform::cpu_quota;

class cgroup : public testing::Test {
 protected:
  cgroup() {
    std::string name = (fs::temp_directory_path() / "coppice-cgroup-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = name;
  }
  ~cgroup() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void write(const std::string& path, const std::string& text) const {
    const auto file = folder_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  void own(const std::string& lines) const { write("self/cgroup", lines); }
  void mounts(const std::string& lines) const { write("self/mountinfo", lines); }

  std::optional<double> quota() const {
    return cpu_quota(
        {(folder_ / "self/cgroup").string(), (folder_ / "self/mountinfo").string(), folder_.string()});
  }

  fs::path folder_;
};

constexpr auto v2_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr auto v1_mount =
    "33 24 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

TEST_F(cgroup, ReadsTheQuotaOfTheOwnGroup) {
  own("0::/app\n");
  mounts(v2_mount);
  write("sys/fs/cgroup/app/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(cgroup, HasNoQuotaWhereTheGroupSaysMax) {
  own("0::/app\n");
  mounts(v2_mount);
  write("sys/fs/cgroup/app/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(cgroup, TakesTheSmallestOfAllAncestors) {
  own("0::/a/b/c\n");
  mounts(v2_mount);
  write("sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  write("sys/fs/cgroup/a/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(cgroup, LooksAtTheMountPointItself) {
  own("0::/\n");  // a container with a cgroup namespace of its own
  mounts(v2_mount);
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2.0);
}

TEST_F(cgroup, DoesNotLookAtSiblings) {
  own("0::/a/b\n");
  mounts(v2_mount);
  write("sys/fs/cgroup/a/other/cpu.max", "10000 100000\n");
  write("sys/fs/cgroup/a/bb/cpu.max", "10000 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(cgroup, ReadsVersionOne) {
  own("7:memory:/m\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/s\n");
  mounts(v1_mount);
  write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "75000\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(cgroup, DoesNotTakeAnotherControllersMountForCpu) {
  own("4:cpu:/x\n");
  for (const std::string controller : {"cpuset", "cpuacct", "pids"}) {
    mounts("33 24 0:30 / /sys/fs/cgroup/other rw - cgroup cgroup rw," + controller + "\n");
    write("sys/fs/cgroup/other/x/cpu.cfs_quota_us", "100000");
    write("sys/fs/cgroup/other/x/cpu.cfs_period_us", "100000");
    EXPECT_EQ(quota(), std::nullopt) << controller;
  }
}

TEST_F(cgroup, DoesNotTakeAnotherControllersGroupForCpu) {
  own("4:cpu:/x\n3:cpuset:/y\n2:cpuacct:/y\n");
  mounts(v1_mount);
  for (const std::string group : {"x", "y"}) {
    write("sys/fs/cgroup/cpu,cpuacct/" + group + "/cpu.cfs_quota_us", group == "x" ? "200000" : "100000");
    write("sys/fs/cgroup/cpu,cpuacct/" + group + "/cpu.cfs_period_us", "100000");
  }
  EXPECT_EQ(quota(), 2.0);
}

TEST_F(cgroup, ReadsBothHierarchiesOfAHybridMount) {
  own("4:cpu,cpuacct:/old\n0::/new\n");
  mounts(std::string("41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n") + v1_mount);
  write("sys/fs/cgroup/unified/new/cpu.max", "300000 100000\n");
  write("sys/fs/cgroup/cpu,cpuacct/old/cpu.cfs_quota_us", "250000\n");
  write("sys/fs/cgroup/cpu,cpuacct/old/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 2.5);
  write("sys/fs/cgroup/unified/new/cpu.max", "100000 100000\n");
  EXPECT_EQ(quota(), 1.0);
}

TEST_F(cgroup, FindsItselfWhereTheMountShowsOnlyItsOwnGroup) {
  own("0::/docker/x/inner\n");
  mounts("30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  write("sys/fs/cgroup/inner/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/cpu.max", "120000 100000\n");
  EXPECT_EQ(quota(), 1.2);
}

TEST_F(cgroup, FallsBackToTheMountPointWhereNoMountShowsItsGroup) {
  own("0::/kubepods/pod7/x\n");
  mounts("30 23 0:26 /elsewhere /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  write("sys/fs/cgroup/cpu.max", "80000 100000\n");
  EXPECT_EQ(quota(), 0.8);
}

TEST_F(cgroup, PrefersTheMountThatShowsItsGroupToTheMountOfAnother) {
  own("0::/mine\n");
  mounts(std::string("29 23 0:26 /theirs /var/lib/theirs rw - cgroup2 cgroup rw\n").append(v2_mount));
  write("var/lib/theirs/cpu.max", "10000 100000\n");
  write("sys/fs/cgroup/mine/cpu.max", "600000 100000\n");
  EXPECT_EQ(quota(), 6.0);
}

TEST_F(cgroup, FindsItselfWhereTheMountIsItsGroup) {
  own("0::/mine\n");
  mounts(
      "29 23 0:26 /theirs /theirs rw - cgroup2 cgroup rw\n"
      "30 23 0:26 /mine /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
  write("theirs/cpu.max", "10000 100000\n");
  write("sys/fs/cgroup/cpu.max", "600000 100000\n");
  EXPECT_EQ(quota(), 6.0);
}

TEST_F(cgroup, DoesNotTakeALongerNameForAGroupBelow) {
  own("0::/mine2\n");
  mounts(std::string("29 23 0:26 /mine /m rw - cgroup2 cgroup rw\n").append(v2_mount));
  write("m/cpu.max", "10000 100000\n");
  write("sys/fs/cgroup/mine2/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2.0);
}

TEST_F(cgroup, StaysBelowTheMountWhenItsPathClimbs) {
  own("0::/../sibling\n");  // seen from outside of the cgroup namespace
  mounts(v2_mount);
  write("sys/fs/sibling/cpu.max", "10000 100000\n");
  write("sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(quota(), 3.0);
}

TEST_F(cgroup, ReadsMountPointsWithEscapedCharacters) {
  own("0::/a:b\n");  // and a colon in the path
  mounts("30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
  write("my groups/a:b/cpu.max", "100000 50000");
  EXPECT_EQ(quota(), 2.0);
}

TEST_F(cgroup, IgnoresValuesThatAreNoQuota) {
  own("0::/app\n");
  mounts(v2_mount);
  for (const std::string text :
       {"", "\n", "max", "100000", "-1 100000", "0 100000", "100000 0", "100000 -5", "1e5 100000", "0x10 16",
        "100000 100000 7", "99999999999999999999999 100000", "9223372036854775807 1", "nan inf",
        "200000\t100000", "+100000 100000", "garbage garbage"}) {
    write("sys/fs/cgroup/app/cpu.max", text);
    EXPECT_EQ(quota(), std::nullopt) << '"' << text << '"';
  }
  write("sys/fs/cgroup/app/cpu.max", std::string(1 << 20, '1').append(" 100000"));
  EXPECT_EQ(quota(), std::nullopt) << "a file of a megabyte";
  write("sys/fs/cgroup/app/cpu.max", "100000 100000");
  EXPECT_EQ(quota(), 1.0) << "the same file with a quota";
}

TEST_F(cgroup, IgnoresAGarbledAncestorButNotTheOthers) {
  own("0::/a/b\n");
  mounts(v2_mount);
  write("sys/fs/cgroup/a/b/cpu.max", "\xff\xfe binary \x01");
  write("sys/fs/cgroup/a/cpu.max", "700000 100000");
  EXPECT_EQ(quota(), 7.0);
}

TEST_F(cgroup, HasNoQuotaWhereNothingCanBeRead) {
  EXPECT_EQ(quota(), std::nullopt) << "neither file exists";
  own("0::/app\n");
  EXPECT_EQ(quota(), std::nullopt) << "no mounts";
  mounts(v2_mount);
  EXPECT_EQ(quota(), std::nullopt) << "no cpu.max: the controller is off";
  fs::create_directories(folder_ / "sys/fs/cgroup/app/cpu.max");
  EXPECT_EQ(quota(), std::nullopt) << "cpu.max is a folder: opened, but reading fails";
}

TEST_F(cgroup, SurvivesGarbageInBothLists) {
  own("\n:\n::\n0:\n0::\n0::relative\nx:cpu\n:cpu:\n4:cpu:no-slash\n0::/app\n0::relative\n0:x\n");
  mounts(std::string("\n"
                     " - \n"
                     "1 2 3 - cgroup2\n"
                     "1 2 3 - cgroup2 x rw\n"
                     "30 23 0:26 / /x rw -\n"
                     "30 23 0:26 /\\04 /\\999 rw - cgroup2 x rw\n"
                     " - - - \n")
             .append(v2_mount));
  write("sys/fs/cgroup/app/cpu.max", "400000 100000");
  EXPECT_EQ(quota(), 4.0);
}

TEST(cgroup_of_this_process, GivesAPositiveQuotaOrNone) {
  const auto quota = cpu_quota();
  EXPECT_GT(quota.value_or(1.0), 0.0);
}

}  // namespace
