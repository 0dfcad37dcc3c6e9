#include "support/check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sstream>

namespace support {

namespace {

// The ordinals of a path; those that were left out of it are not there.
std::vector<unsigned long> ordinals(const std::string& path) {
  std::vector<unsigned long> numbers;
  std::istringstream in(path);
  std::string part;
  std::getline(in, part, '/');
  EXPECT_EQ(part, "root") << path;
  while (std::getline(in, part, '/')) numbers.push_back(std::strtoul(part.c_str(), nullptr, 10));
  return numbers;
}

// Serial order: what a task's child did comes before what the task did afterwards.
bool in_order(const std::string& a, const std::string& b) {
  if (a.find("(+") != std::string::npos || b.find("(+") != std::string::npos) return true;
  const auto x = ordinals(a);
  const auto y = ordinals(b);
  const auto [i, j] = std::mismatch(x.begin(), x.end(), y.begin(), y.end());
  if (i != x.end() && j != y.end()) return *i < *j;
  return x.size() >= y.size();
}

}  // namespace

void check(const coppice::job_report& r) {
  std::ostringstream printed;
  printed << r;
  SCOPED_TRACE(printed.str());
  EXPECT_EQ(r.spawned, r.succeeded + r.failed + r.cancelled + r.skipped) << "C-26";
  EXPECT_GE(r.spawned, 1U);
  EXPECT_EQ(r.result == coppice::outcome::failed, r.errors_total != 0) << "C-22";
  EXPECT_LE(r.errors.size(), r.errors_total);
  EXPECT_EQ(r.errors.empty(), r.errors_total == 0);
  if (r.errors_total != 0) {
    EXPECT_GE(r.failed, 1U);
  }
  if (r.result == coppice::outcome::cancelled || r.result == coppice::outcome::deadline_exceeded) {
    EXPECT_TRUE(r.cancel.has_value());
    EXPECT_NE(r.cancelled + r.skipped, 0U) << "nothing was lost";
  }
  if (r.cancel) {
    EXPECT_FALSE(r.cancel->by.empty());
    EXPECT_GE(r.cancel->until_quiet.count(), 0);
  }
  EXPECT_GE(r.elapsed.count(), 0);
  for (const coppice::task_error& e : r.errors) {
    EXPECT_NE(e.exception, nullptr);
    EXPECT_FALSE(e.type.empty());
  }
  for (std::size_t i = 1; i < r.errors.size(); ++i)
    EXPECT_TRUE(in_order(r.errors[i - 1].path, r.errors[i].path))
        << r.errors[i - 1].path << ", " << r.errors[i].path;
}

std::vector<std::string> lines(const coppice::job_report& report) {
  std::vector<std::string> all;
  for (const coppice::task_error& e : report.errors)
    all.push_back(e.path + ' ' + e.message + (e.secondary ? " secondary" : "") +
                  (e.after_cancel ? " after_cancel" : ""));
  return all;
}

}  // namespace support
