// The shipped split deque: thieves expose what its owner has not shared, and take it, while the owner works.
#include "deque_scene.hpp"

namespace {

using deque_model::scene;
using model::check;
using model::thread;

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

// ---- indices around the wrap of the word's 24 bits ----

MODEL(IndicesWrapAt24Bits, {.preemptions = 2}) {
  scene<4, 4> s(0xfffffe);
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

}  // namespace
