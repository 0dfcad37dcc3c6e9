// No stack: sizes that nobody has, and a system that maps no more memory.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>

#include "child.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using faults::has_text;

class no_stack : public support::without_leaks {};

// The error's text; "" if there was none.
template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.what();
  }
  return {};
}

TEST_F(no_stack, ASizeThatNobodyHasIsAnErrorThatNamesThreadSizeAndWayOut) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes :
       {most, most - 1, most - 4096, most / 2 + 1, most / 4, std::size_t{1} << 47}) {
    const std::string text =
        error_of([&] { coppice::scheduler({.workers = 3, .stack_bytes = bytes, .name = "huge"}); });
    for (const std::string& part :
         {std::string("huge-00"), std::to_string(bytes), std::string("smaller stack")})
      EXPECT_TRUE(has_text(text, part)) << part << " in: " << text;
  }
}

TEST_F(no_stack, TheSmallestSizesAreRoundedUpToOneThatWorks) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}, std::size_t{16385}})
    EXPECT_EQ(coppice::scheduler({.workers = 2, .stack_bytes = bytes}).run([] { return 1; }), 1) << bytes;
}

TEST_F(no_stack, ASchedulerThatCouldNotMapItsStacksLeavesNoAddressSpaceBehind) {
  const auto refused = [] {
    // One or two can be had, three are more than there is.
    return error_of([] { coppice::scheduler({.workers = 3, .stack_bytes = std::size_t{47} << 40}); });
  };
  refused();
  const std::size_t before = support::address_bytes();
  for (int i = 0; i < 10; ++i) EXPECT_NE(refused(), "");
  // Less than one of the stacks, and less than a thread's arena each time.
  EXPECT_LT(support::address_bytes(), before + (std::size_t{1} << 30));
}

TEST_F(no_stack, WhereNothingCanBeMappedTheErrorIsClearAndARunningSchedulerGoesOn) {
  if (support::sanitized) GTEST_SKIP() << "a sanitizer maps memory for itself, and ends the program without";
  EXPECT_TRUE(faults::holds_in_child([] {
    coppice::scheduler s({.workers = 2});
    faults::refuse_system_call(SYS_mmap, ENOMEM);
    for (int i = 0; i < 3; ++i) {
      const std::string text = error_of([] { coppice::scheduler({.workers = 64, .name = "new"}); });
      if (!CLAIM(has_text(text, "cannot start thread new-"), text)) return false;
    }
    // Its timer has no thread yet.
    const std::string text =
        error_of([&] { s.submit([] {}, {.deadline = std::chrono::steady_clock::now() + 1h}); });
    return CLAIM(text.empty() || has_text(text, "-timer"), text) && CLAIM(s.run([] {
             const auto [a, b] = coppice::join([] { return 1; }, [] { return 2; });
             return a + b;
           }) == 3);
  }));
}

}  // namespace
