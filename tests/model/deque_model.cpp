// The shipped split deque: one owner who shares, two thieves, small capacities, strands. exposure_model.cpp
// has those who take what was not shared.
#include <optional>

#include "deque_scene.hpp"

namespace {

using coppice::detail::frame;
using deque_model::scene;
using model::check;
using model::thread;

// ---- sharing ----

MODEL(OwnerSharesAndPopsWhileTwoThievesSteal, {.preemptions = 2}) {
  scene<4, 3> s;
  const auto steal_twice = [&] {
    s.steal();
    s.steal();
  };
  thread a(steal_twice), b(steal_twice);
  s.push(0);
  s.push(1);
  s.deque.share();
  s.push(2);
  s.deque.share();
  s.pop();
  s.drain();
  a.join();
  b.join();
  s.check_all_taken();
}

MODEL(OwnerTakesSharedFramesBack, {.preemptions = 3}) {
  scene<4, 3> s;
  s.push(0);
  s.push(1);
  s.push(2);
  s.deque.share_all();
  thread a([&] {
    s.steal();
    s.steal();
  });
  s.join(2);
  s.join(1);
  s.join(0);
  a.join();
  s.check_all_taken();
}

MODEL(AllStolenLeavesNothingToPop, {.preemptions = 2}) {
  scene<2, 2> s;
  s.push(0);
  s.push(1);
  s.deque.share_all();
  thread a([&] { s.steal(); }), b([&] { s.steal(); });
  s.join(1);
  s.join(0);
  a.join();
  b.join();
  s.check_all_taken();
  check(!s.pop() && s.deque.empty_for_owner(), "nothing is left");
}

MODEL(FramesBelowATakeBackStayVisibleToThieves, {.preemptions = 3}) {
  scene<4, 4> s;
  s.push(0);
  s.push(1);
  s.push(2);
  s.push(3);
  s.deque.share_all();
  s.join(3);  // gives back the newer half: 0 and 1 stay shared
  thread a([&] {
    check(s.steal(), "what stays shared can be stolen");
    s.steal();
  });
  a.join();
  s.drain();
  s.check_all_taken();
}

MODEL(NoMoreIsStolenThanWasShared, {.preemptions = 2}) {
  scene<4, 2> s;
  s.push(0);
  s.push(1);
  check(s.deque.share() == 1, "half of two");
  unsigned stolen = 0;
  thread a([&] {
    for (int i = 0; i < 3; ++i)
      if (s.steal()) ++stolen;
  });
  a.join();
  check(stolen == 1, "what stays private is not stolen");
  s.drain();
  s.check_all_taken();
}

// ---- slots ----

// The thief of the first frame has made its exchange but reads its slot late, while the owner goes round.
MODEL(SlotIsNotRefilledUnderAThief, {.preemptions = 3}) {
  scene<2, 4> s;
  s.push(0);
  s.push(1);
  s.deque.share_all();
  thread a([&] { s.steal(); });
  s.join(1);
  unsigned next = 2;
  if (s.try_push(next)) ++next;
  if (next < 4 && s.try_push(next)) ++next;
  s.drain();
  a.join();
  for (unsigned i = 0; i < next; ++i) check(s.taken.times(i) == 1, "each pushed item is taken once");
}

// A thief is about to take index 0 while the owner takes it back, pops it, pushes another frame there and
// shares that: the word looks as before, the slot does not.
MODEL(RefilledIndexIsStolenAsWhatItIsNow, {.preemptions = 2}) {
  scene<2, 2> s;
  s.push(0);
  s.deque.share();
  thread a([&] { s.steal(); });
  s.pop();
  if (s.try_push(1)) {
    s.deque.share();
    s.drain();
  } else {
    s.taken.enter(1);
  }
  a.join();
  s.check_all_taken();
}

MODEL(RoomReturnsWhenThievesAreDone, {.preemptions = 2}) {
  scene<2, 5> s;
  for (unsigned round = 0; round < 2; ++round) {
    s.push(2 * round);
    s.push(2 * round + 1);
    s.deque.share_all();
    thread a([&] { s.steal(); }), b([&] { s.steal(); });
    a.join();
    b.join();
    s.drain();
  }
  s.push(4);
  s.drain();
  s.check_all_taken();
}

MODEL(FreshDequeGivesNothing, {.preemptions = 2}) {
  scene<4, 2> s;
  check(!s.pop(), "nothing was pushed");
  s.push(0);
  s.push(1);
  check(s.deque.share() == 1, "the older half");
  thread a([&] { s.steal(); });
  s.drain();
  a.join();
  s.check_all_taken();
}

MODEL(FullDequeRefusesAPush, {.preemptions = 2}) {
  scene<2, 3> s;
  s.push(0);
  s.push(1);
  check(!s.try_push(2), "no room for a third");
  thread a([&] { s.steal(); });
  s.deque.share();
  check(!s.try_push(2) || s.taken.times(0) == 1 || s.deque.size() <= 2, "never more than the capacity");
  s.drain();
  a.join();
  check(s.taken.times(0) == 1 && s.taken.times(1) == 1, "both were taken once");
}

// The reserve is filled by what asks for it alone, and no slot is written under a thief.
MODEL(ReserveTakesWhatAFullDequeRefuses, {.preemptions = 2}) {
  scene<2, 4, 1> s;
  s.push(0);
  check(!s.try_push(1), "the last slot is not for every push");
  thread a([&] { s.steal(); });
  s.items[1].contents = 1;
  check(s.deque.push_into_reserve(s.items[1]), "but for this one");
  s.deque.share();
  s.items[2].contents = 1;
  const bool second = s.deque.push_into_reserve(s.items[2]);
  check(!second || s.taken.times(0) == 1, "a slot that was not left is not there twice");
  check(!s.deque.has_room() && !s.try_push(3), "nor after this one");
  s.drain();
  a.join();
  check(s.deque.has_room(), "what is taken makes room");
  s.push(3);
  s.drain();
  check(s.taken.times(0) == 1 && s.taken.times(1) == 1 && s.taken.times(2) == second && s.taken.times(3) == 1,
        "each was taken once");
}

// ---- indices around the wrap of 24 bits ----

MODEL(StealsAcrossTheWrapLeaveTheOtherEndAlone, {.preemptions = 2}) {
  scene<4, 4> s(0xfffffe);
  for (unsigned i = 0; i < 4; ++i) s.push(i);
  s.deque.share_all();
  thread a([&] {
    for (int i = 0; i < 4; ++i) check(s.steal(), "what was shared can be stolen");
    check(!s.deque.has_shared() && !s.steal(), "nothing is left");
  });
  a.join();
  s.drain();
  s.check_all_taken();
}

// ---- strands: a steal that must find its victim still at what it was at ----

MODEL(StealBySightFailsOnceTheOwnerBeganSomethingElse, {.preemptions = 3}) {
  scene<4, 2> s;
  coppice::detail::atomic<int> at{1};  // which strand the owner runs
  s.push(0);
  s.deque.share();
  std::optional<int> stolen_at;
  bool took_second = false;
  thread a([&] {
    const std::uint64_t seen = s.deque.look();
    const int strand = at.load(std::memory_order_relaxed);
    if (strand != 1) return;
    frame* const f = s.deque.steal_seen(seen);
    took_second = f == &s.items[1];
    if (s.take(f)) stolen_at = strand;
  });
  s.drain();
  at.store(2, std::memory_order_relaxed);
  s.deque.begin_strand();
  s.push(1);
  s.deque.share();
  s.drain();
  a.join();
  check(!took_second, "a frame of the second strand is not taken for one of the first");
  s.check_all_taken();
}

MODEL(SightOfAStrandShowsWhatItsOwnerSaidBefore, {.preemptions = 2}) {
  scene<2, 1> s;
  coppice::detail::atomic<int> at{1};
  thread a([&] {
    const std::uint64_t before = s.deque.look() >> 48;
    if (before == 1)
      check(at.load(std::memory_order_relaxed) == 2, "the new strand's name came before its number");
  });
  at.store(2, std::memory_order_relaxed);
  s.deque.begin_strand();
  a.join();
}

}  // namespace
