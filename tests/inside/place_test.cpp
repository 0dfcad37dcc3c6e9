// Places and spots beyond what a program counts in a test's time.
#include <gtest/gtest.h>

#include <coppice/detail/place.hpp>
#include <cstdint>

namespace {

using coppice::v0::detail::place;
using coppice::v0::detail::place_kind;
using coppice::v0::detail::spot;

// A path has a word of all bits for ordinals that are left out.
constexpr std::uint32_t mark_of_a_gap = 0xffffffff;

TEST(a_place, HasNoOrdinalThatAPathTakesForItsMarkOfAGapOrForAnEarlierOne) {
  place task{0, 0, {UINT16_MAX - 2, 0}};  // after some 2^32 children
  spot here = task;
  std::uint32_t before = here.next_child();
  for (std::uint32_t i = 0; i < 3 * 65536; ++i) {
    here.count_child();
    ASSERT_GE(here.next_child(), before - 65535) << "the last ones come again";
    before = here.next_child();
    place join{place::link(here, place_kind::join), 1000, {0, 0}};
    const std::uint32_t last_branch = spot::own_branch(join).ordinal();
    ASSERT_GT(last_branch, before);
    ASSERT_LT(last_branch, mark_of_a_gap);
  }
}

}  // namespace
