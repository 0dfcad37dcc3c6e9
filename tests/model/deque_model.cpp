// The shipped split deque: one owner, two thieves, exposure, small capacities, indices around their wraps.
#include <coppice/detail/deque.hpp>
#include <optional>

#include "explorer/program.hpp"

namespace {

using coppice::detail::basic_split_deque;
using coppice::detail::frame;
using model::check;
using model::thread;

bool barrier_on_every_thread() {
  model::execution::current()->heavy_fence(model::where::current());
  return true;
}

struct item : frame {
  item() : frame{nullptr, frame::fresh} {}
  int contents = 0;  // written before the push, read by whoever takes it: plain
};

// A deque with items, and the account of who was taken.
template <std::uint32_t Capacity, unsigned Items, std::uint32_t Reserve = 0>
struct scene {
  explicit scene(std::uint32_t first = 0) : deque(first) {}

  basic_split_deque<Capacity, Reserve> deque;
  item items[Items];
  std::uint32_t index[Items] = {};
  model::ledger taken{Items};

  // Owner.
  void push(unsigned i) {
    items[i].contents = 1;
    check(deque.has_room() && deque.push_below_bound(items[i], &index[i]), "there is room");
  }
  bool try_push(unsigned i) {
    items[i].contents = 1;
    return deque.has_room() && deque.push_below_bound(items[i], &index[i]);
  }
  bool pop() { return take(deque.pop()); }
  // The join of item i, which is on top unless it was stolen.
  void join(unsigned i) {
    if (deque.pop_if_private(index[i])) {
      take(&items[i]);
      return;
    }
    frame* const f = deque.pop();
    check(f == nullptr || f == &items[i], "a join finds its own frame on top, or nothing");
    take(f);
  }
  // Thieves.
  bool steal() { return take(deque.steal()); }
  std::uint32_t expose() { return deque.expose(&barrier_on_every_thread); }

  bool take(frame* f) {
    if (f == nullptr) return false;
    auto* const i = static_cast<item*>(f);
    check(i->contents == 1, "the item's contents came with it");
    i->contents = 2;
    taken.enter(static_cast<std::size_t>(i - items));
    return true;
  }
  // The owner takes what is left, then nothing is.
  void drain() {
    while (pop()) {
    }
    check(deque.empty_for_owner(), "an owner that pops nothing has an empty deque");
  }
  void check_all_taken() const { taken.check_exactly_once(); }
};

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
  s.drain();
  check(s.deque.has_room(), "what is popped makes room");
  s.push(3);
  s.drain();
  a.join();
  check(s.taken.times(0) == 1 && s.taken.times(1) == 1 && s.taken.times(2) == second && s.taken.times(3) == 1,
        "each was taken once");
}

// ---- exposure ----

MODEL(ExposureRacesWithPop, {.preemptions = 3}) {
  scene<4, 2> s;
  s.push(0);
  s.push(1);
  thread a([&] {
    s.expose();
    s.steal();
  });
  s.pop();
  s.pop();
  s.drain();
  a.join();
  s.check_all_taken();
}

MODEL(ExposureRacesWithJoins, {.preemptions = 3}) {
  scene<4, 3> s;
  s.push(0);
  s.push(1);
  s.push(2);
  thread a([&] {
    s.expose();
    s.steal();
    s.steal();
  });
  s.join(2);
  s.join(1);
  s.join(0);
  a.join();
  s.check_all_taken();
}

MODEL(ExposureRacesWithPush, {.preemptions = 3}) {
  scene<4, 2> s;
  thread a([&] {
    s.expose();
    s.steal();
    s.expose();
    s.steal();
  });
  s.push(0);
  s.push(1);
  s.join(1);
  s.drain();
  a.join();
  s.check_all_taken();
}

MODEL(TwoExposersAndTheOwner, {.preemptions = 2}) {
  scene<4, 3> s;
  s.push(0);
  s.push(1);
  s.push(2);
  const auto expose_and_steal = [&] {
    s.expose();
    s.steal();
  };
  thread a(expose_and_steal), b(expose_and_steal);
  s.pop();
  s.pop();
  s.drain();
  a.join();
  b.join();
  s.check_all_taken();
}

MODEL(ExposureRacesWithSharingAndStealing, {.preemptions = 2}) {
  scene<4, 3> s;
  s.push(0);
  s.push(1);
  thread a([&] { s.expose(); });
  thread b([&] {
    s.steal();
    s.steal();
  });
  s.deque.share();
  s.pop();
  s.push(2);
  s.drain();
  a.join();
  b.join();
  s.check_all_taken();
}

// A busy owner: what was pushed before the barrier is exposed, at least one frame.
MODEL(ExposureReachesWhatABusyOwnerHas, {.preemptions = 2}) {
  scene<4, 2> s;
  s.push(0);
  s.push(1);
  thread a([&] {
    check(s.expose() != 0, "half of what the owner has is exposed");
    check(s.steal(), "and can be stolen");
  });
  a.join();
  s.drain();
  s.check_all_taken();
}

MODEL(ExposureOfWrappedSlotsWhileTheOwnerRefills, {.preemptions = 2}) {
  scene<2, 4> s;
  s.push(0);
  s.push(1);
  thread a([&] {
    s.expose();
    s.steal();
    s.steal();
  });
  s.pop();
  unsigned next = 2;
  if (s.try_push(next)) ++next;
  s.pop();
  if (next < 4 && s.try_push(next)) ++next;
  s.drain();
  a.join();
  for (unsigned i = 0; i < next; ++i) check(s.taken.times(i) == 1, "each pushed item is taken once");
}

// ---- what an exposer acquires through a head that a pop has stored ----

MODEL(ExposerThatWasThereFirstSeesThePushesBelowAPop, {.preemptions = 3}) {
  scene<4, 2> s;
  thread a([&] {
    s.expose();
    s.steal();
  });
  s.push(0);
  s.push(1);
  s.pop();
  s.drain();
  a.join();
  s.check_all_taken();
}

MODEL(ExposerThatWasThereFirstSeesThePushBelowAJoin, {.preemptions = 3}) {
  scene<4, 2> s;
  thread a([&] {
    s.expose();
    s.steal();
    s.expose();
    s.steal();
  });
  s.push(0);
  s.push(1);
  s.join(1);
  s.join(0);
  a.join();
  s.check_all_taken();
}

// ---- what is left of the limit ----

// A limit above split would let a later take-back raise split, which publishes nothing (its order is
// relaxed).
MODEL(LimitFollowsAnExposureThatCameTooLate, {.preemptions = 2}) {
  scene<4, 6> s;
  coppice::detail::atomic<int> go{0};  // orders nothing
  thread b([&] {
    while (go.load(std::memory_order_relaxed) == 0) coppice::detail::relax();
    s.steal();
  });
  thread a([&] { s.expose(); });
  s.push(0);
  s.push(1);
  s.push(2);
  s.drain();
  a.join();
  s.push(3);
  s.push(4);
  s.push(5);
  s.pop();
  s.pop();
  go.store(1, std::memory_order_relaxed);
  b.join();
  s.drain();
  s.check_all_taken();
}

MODEL(LimitFollowsATakeBack, {.preemptions = 2}) {
  scene<4, 5> s;
  coppice::detail::atomic<int> go{0};  // orders nothing
  thread b([&] {
    while (go.load(std::memory_order_relaxed) == 0) coppice::detail::relax();
    s.steal();
  });
  s.push(0);
  s.push(1);
  s.push(2);
  s.deque.share_all();
  s.pop();
  s.pop();
  thread a([&] { s.steal(); });
  a.join();
  s.push(3);
  s.push(4);
  s.pop();
  go.store(1, std::memory_order_relaxed);
  b.join();
  s.drain();
  s.check_all_taken();
}

MODEL(OneFrameIsEnoughToShareAndToExpose, {.preemptions = 1}) {
  scene<2, 2> s;
  s.push(0);
  check(s.deque.share() == 1, "the only frame is shared");
  thread a([&] { check(s.steal(), "and can be stolen"); });
  a.join();
  s.push(1);
  thread b([&] { check(s.expose() == 1 && s.steal(), "the only frame is exposed and can be stolen"); });
  b.join();
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

// ---- indices around the wraps of 24 and 32 bits ----

template <unsigned Preemptions>
void around(std::uint32_t first) {
  scene<4, 4> s(first);
  s.push(0);
  s.push(1);
  s.push(2);
  thread a([&] {
    s.expose();
    s.steal();
    s.steal();
  });
  s.join(2);
  s.push(3);
  s.deque.share();
  s.join(3);
  s.drain();
  a.join();
  s.check_all_taken();
}
MODEL(IndicesWrapAt24Bits, {.preemptions = 2}) { around<2>(0xfffffe); }
MODEL(IndicesWrapAt32Bits, {.preemptions = 2}) { around<2>(0xfffffffe); }

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
