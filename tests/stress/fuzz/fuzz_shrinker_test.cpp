// The shrinker and the printer checked, by failures that are made up.
#include <gtest/gtest.h>

#include <string>

#include "printer.hpp"
#include "program.hpp"
#include "shrinker.hpp"

namespace {

using fuzz::kind;
using fuzz::program;

std::uint64_t seed_with(kind k) {
  for (std::uint64_t seed = 1;; ++seed)
    if (fuzz::number_of_nodes(fuzz::make_program(seed)) > 100 && fuzz::has_kind(fuzz::make_program(seed), k))
      return seed;
}

unsigned count(const program& p, kind k) {
  unsigned n = 0;
  fuzz::for_each(p, [&](const fuzz::node& x) { n += x.what == k ? 1U : 0U; });
  return n;
}

TEST(shrinking, LeavesOneNodeOfTheKindThatFailsUnderOneJob) {
  for (const kind k : {kind::raise, kind::fail, kind::leaf, kind::join, kind::group, kind::loop}) {
    const program small = fuzz::shrink(
        fuzz::make_program(seed_with(k)), [&](const program& p) { return fuzz::has_kind(p, k); }, 20000);
    EXPECT_TRUE(fuzz::is_valid(small));
    EXPECT_EQ(count(small, k), 1U) << fuzz::to_string(k);
    EXPECT_EQ(small.roots.size(), 1U);
    EXPECT_EQ(small.workers, 1U);
    const std::uint32_t inherent = k == kind::join ? 4 : 2;
    EXPECT_EQ(fuzz::number_of_nodes(small), inherent) << fuzz::to_string(k);
  }
}

TEST(shrinking, KeepsWhatTheFailureNeeds) {
  const auto failing = [](const program& p) {
    bool found = false;
    fuzz::for_each(p, [&](const fuzz::node& n) {
      found = found || (n.what == kind::group && n.children.size() >= 3 && n.children[1].what == kind::leaf);
    });
    return found && p.workers >= 3;
  };
  std::uint64_t seed = 1;
  while (!failing(fuzz::make_program(seed))) ++seed;
  const program small = fuzz::shrink(fuzz::make_program(seed), failing, 20000);
  EXPECT_EQ(small.workers, 3U);
  EXPECT_EQ(fuzz::number_of_nodes(small), 5U) << fuzz::as_cpp(small);
}

TEST(shrinking, MakesValidProgramsOnlyAndStopsWhenItMay) {
  std::size_t asked = 0;
  fuzz::shrink(
      fuzz::make_program(seed_with(kind::await)),
      [&](const program& p) {
        ++asked;
        EXPECT_TRUE(fuzz::is_valid(p));
        return asked % 3 == 0;
      },
      200);
  EXPECT_LE(asked, 200U);
  EXPECT_GT(asked, 10U);
}

TEST(printing, GivesEachNodeAFunctionAndAMain) {
  const program p = fuzz::make_program(7);
  const std::string text = fuzz::as_cpp(p);
  EXPECT_NE(text.find("int main()"), std::string::npos);
  fuzz::for_each(p, [&](const fuzz::node& n) {
    EXPECT_NE(text.find("value node_" + std::to_string(n.id) + "();"), std::string::npos);
  });
}

}  // namespace
