// Finds the own group in each mounted hierarchy that can hold a CPU quota, and walks from it up to
// the mount point. The formats: cgroups(7), proc_pid_mountinfo(5), and the kernel's
// Documentation/admin-guide/cgroup-v2.rst (`cpu.max`) and scheduler/sched-bwc.rst (cfs quota).
#include "platform/cgroup.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace coppice::inline v0::platform {
namespace {

enum class hierarchy { v1, v2 };

struct mount {
  hierarchy version;
  std::string root;  // the group that is visible at `point`; not "/" inside many containers
  std::string point;
};

// Our group in each of the two kinds of hierarchy; empty: not in one.
struct membership {
  std::optional<std::string> v1;
  std::optional<std::string> v2;
};

// A limit above any machine limits nothing; printed, it would only puzzle.
constexpr double largest_quota = 65536.0;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool lists(std::string_view comma_separated, std::string_view word) {
  const auto words = split(comma_separated, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  while (!text.empty()) {
    if (text.size() >= 4 && text[0] == '\\' && octal(text[1]) && octal(text[2]) && octal(text[3])) {
      plain += static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
      text.remove_prefix(4);
    } else {
      plain += text.front();
      text.remove_prefix(1);
    }
  }
  return plain;
}

// One line: "36 35 98:0 /root /point options [tags...] - type source super,options".
std::optional<mount> parse_mount(std::string_view line) {
  const auto dash = line.find(" - ");
  if (dash == std::string_view::npos) return std::nullopt;
  const auto before = split(line.substr(0, dash), ' ');
  const auto after = split(line.substr(dash + 3), ' ');
  if (before.size() < 6 || after.size() < 2) return std::nullopt;

  const auto type = after.front();
  if (type == "cgroup2") return mount{hierarchy::v2, unescape(before[3]), unescape(before[4])};
  if (type == "cgroup" && lists(after.back(), "cpu"))
    return mount{hierarchy::v1, unescape(before[3]), unescape(before[4])};
  return std::nullopt;
}

std::vector<mount> read_mounts(const std::string& file) {
  std::vector<mount> mounts;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (auto found = parse_mount(line)) mounts.push_back(std::move(*found));
  return mounts;
}

// One line: "0::/path" for version 2, "4:cpu,cpuacct:/path" for version 1. The path may hold colons.
membership read_membership(const std::string& file) {
  membership own;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':');
    if (first == std::string::npos) continue;
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    if (line.compare(second + 1, 1, "/") != 0) continue;  // not a path
    const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (controllers.empty())
      own.v2 = line.substr(second + 1);
    else if (lists(controllers, "cpu"))
      own.v1 = line.substr(second + 1);
  }
  return own;
}

// The files hold two numbers at most; a longer one is not what it should be.
std::string read_short_file(const std::string& file) {
  std::array<char, 128> text{};
  std::ifstream in(file);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  std::string content(text.data(), static_cast<std::size_t>(in.gcount()));
  while (!content.empty() && (content.back() == '\n' || content.back() == ' ')) content.pop_back();
  return content;
}

std::optional<long long> parse_positive(std::string_view text) {
  long long value = 0;
  const auto end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || value <= 0) return std::nullopt;
  return value;
}

std::optional<double> ratio(std::string_view quota, std::string_view period) {
  const auto q = parse_positive(quota);  // "max" and -1 mean no quota and are no positive numbers
  const auto p = parse_positive(period);
  if (!q || !p) return std::nullopt;
  const double cpus = static_cast<double>(*q) / static_cast<double>(*p);
  if (cpus > largest_quota) return std::nullopt;
  return cpus;
}

std::optional<double> quota_of_group(hierarchy version, const std::string& directory) {
  if (version == hierarchy::v1)
    return ratio(read_short_file(directory + "/cpu.cfs_quota_us"),
                 read_short_file(directory + "/cpu.cfs_period_us"));
  const auto content = read_short_file(directory + "/cpu.max");
  const auto fields = split(content, ' ');
  if (fields.size() != 2) return std::nullopt;
  return ratio(fields[0], fields[1]);
}

bool lies_below(std::string_view group, std::string_view root) {
  if (root == "/") return true;
  return group.starts_with(root) && (group.size() == root.size() || group[root.size()] == '/');
}

void keep_smaller(std::optional<double>& smallest, std::optional<double> candidate) {
  if (candidate && (!smallest || *candidate < *smallest)) smallest = candidate;
}

// `group` is the path below the mount point: empty, or with a leading slash, "/a/b".
std::optional<double> smallest_up_to_mount(hierarchy version, const std::string& point, std::string group) {
  std::optional<double> smallest;
  for (;;) {
    keep_smaller(smallest, quota_of_group(version, point + group));
    if (group.empty()) return smallest;
    group.resize(group.rfind('/'));
  }
}

// A path that climbs ("/../x": we sit outside our cgroup namespace) names nothing below the mount.
bool climbs(std::string_view group) {
  const auto parts = split(group, '/');
  return std::find(parts.begin(), parts.end(), "..") != parts.end();
}

std::optional<double> quota_in(hierarchy version, const std::string& group, const std::vector<mount>& mounts,
                               const std::string& prefix) {
  std::optional<double> smallest;
  bool visible = false;
  for (const auto& m : mounts) {
    if (m.version != version || climbs(group) || !lies_below(group, m.root)) continue;
    visible = true;
    auto below = m.root == "/" ? group : group.substr(m.root.size());
    if (below == "/") below.clear();
    keep_smaller(smallest, smallest_up_to_mount(version, prefix + m.point, std::move(below)));
  }
  if (visible) return smallest;

  // No mount shows our group. In a container that sees the host's path of its group but mounts the
  // group itself, the mount point is the group or an ancestor. Only then: a mount of somebody
  // else's group must not limit us while our own is in view.
  for (const auto& m : mounts)
    if (m.version == version) keep_smaller(smallest, quota_of_group(version, prefix + m.point));
  return smallest;
}

}  // namespace

std::optional<double> cpu_quota(const cgroup_paths& paths) {
  const auto own = read_membership(paths.own_cgroup);
  const auto mounts = read_mounts(paths.mounts);
  std::optional<double> smallest;
  if (own.v1) keep_smaller(smallest, quota_in(hierarchy::v1, *own.v1, mounts, paths.root));
  if (own.v2) keep_smaller(smallest, quota_in(hierarchy::v2, *own.v2, mounts, paths.root));
  return smallest;
}

}  // namespace coppice::inline v0::platform
