// The deque's ledger for a moment, and the ledger itself: a deque that breaks its promise is found.
#include <gtest/gtest.h>

#include <coppice/detail/worker.hpp>

#include "deque_ledger.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/watchdog.hpp"

namespace {

using coppice::detail::basic_split_deque;
using coppice::detail::frame;

constexpr auto nothing = [] {};

template <class Deque>
void balance(unsigned thieves) {
  const std::uint64_t seed = support::random_source()();
  support::watchdog dog(std::chrono::seconds(support::sanitized ? 300 : 60));
  const auto counts =
      storms::deque_ledger<Deque>(seed, thieves).run(support::scaled(std::size_t{3'000'000}), [&dog] {
        dog.progress();
      });
  EXPECT_GT(counts.frames, 0U);
}

TEST(deque_ledger, ASmallDequeGivesEachFrameOnce) { balance<basic_split_deque<8>>(2); }
TEST(deque_ledger, ADequeOfMiddleSizeGivesEachFrameOnce) { balance<basic_split_deque<64>>(3); }
TEST(deque_ledger, TheShippedDequeGivesEachFrameOnce) { balance<coppice::detail::split_deque>(1); }

// Gives every 1000th private frame to nobody.
struct losing : basic_split_deque<64> {
  unsigned n = 0;
  frame* pop() {
    frame* const f = basic_split_deque<64>::pop();
    if (f == nullptr || ++n % 1000 != 0) return f;
    return basic_split_deque<64>::pop();
  }
};

// Gives every 1000th frame of a thief to the next thief as well.
struct repeating : basic_split_deque<64> {
  std::atomic<unsigned> n{0};
  std::atomic<frame*> last{nullptr};
  frame* steal() {
    if (n.fetch_add(1) % 1000 == 0)
      if (frame* const again = last.load()) return again;
    frame* const f = basic_split_deque<64>::steal();
    if (f != nullptr) last.store(f);
    return f;
  }
};

template <class Deque>
bool is_found() {
  try {
    storms::deque_ledger<Deque>(1, 2).run(3'000'000, nothing);
    return false;
  } catch (const storms::ledger_broken&) {
    return true;
  }
}

TEST(deque_ledger, FindsAFrameThatIsLost) { EXPECT_TRUE(is_found<losing>()); }

#ifndef SUPPORT_SANITIZED  // the broken deque has a race, on purpose
TEST(deque_ledger, FindsAFrameThatIsTakenTwice) { EXPECT_TRUE(is_found<repeating>()); }
#endif

}  // namespace
