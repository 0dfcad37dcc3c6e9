// Standing still: lent cores, spare workers, the way back. The shipped workers, without jobs. A core that is
// not lent, a worker that is not given one, and one that never learns that it has is a deadlock.
#include "worker_floor.hpp"

namespace {

using floor_model::gate;
using floor_model::push;
using floor_model::running_crew;
using floor_model::work;
using floor_model::worker;
using floor_model::worker_thread;
using model::check;
using model::long_within;

template <class F>
void standing(worker& w, F&& f) {
  const coppice::detail::lent_core meanwhile(&w);
  f();
}

// Submitted before the worker lends, after it, or in between.
MODEL(SubmittedWorkIsRunWhileTheOnlyWorkerStandsStill, (long_within(1))) {
  gate opened, all_done;
  const auto stands = [&](worker& w) {
    standing(w, [&] { opened.wait(); });
    all_done.open();
  };
  const auto opens = [&](worker&) { opened.open(); };
  work a(stands), b(opens);
  running_crew crew(1, 0, 1);
  crew.submit(a);
  crew.submit(b);
  all_done.wait();
}

MODEL(WorkThatComesAfterTheLoanIsRun, (long_within(0))) {
  gate stands, opened, all_done;
  const auto stands_still = [&](worker& w) {
    standing(w, [&] {
      stands.open();
      opened.wait();
    });
    all_done.open();
  };
  const auto opens = [&](worker&) { opened.open(); };
  work a(stands_still), b(opens);
  running_crew crew(1, 0, 1);
  crew.submit(a);
  stands.wait();
  crew.submit(b);
  all_done.wait();
}

MODEL(FramesOfALenderAreRunByASpareWorker, (long_within(1))) {
  gate child_ran, all_done;
  const auto child = [&](worker&) { child_ran.open(); };
  work c(child);
  const auto root = [&](worker& w) {
    push(w, c);
    standing(w, [&] { child_ran.wait(); });
    all_done.open();
  };
  work r(root);
  running_crew crew(1, 0, 1);
  crew.submit(r);
  all_done.wait();
}

MODEL(WhatALenderForksIsRunByASpareWorker, (long_within(1))) {
  gate child_ran, all_done;
  const auto child = [&](worker&) { child_ran.open(); };
  work c(child);
  const auto root = [&](worker& w) {
    standing(w, [&] {
      push(w, c);
      child_ran.wait();
    });
    all_done.open();
  };
  work r(root);
  running_crew crew(1, 0, 1);
  crew.submit(r);
  all_done.wait();
}

// The first fork answers what was asked before; the others are private, but for the loan.
MODEL(LaterFramesOfALenderAreRunToo, (long_within(0))) {
  gate second_ran, third_ran, all_done;
  const auto first = [](worker&) {};
  const auto second = [&](worker&) { second_ran.open(); };
  const auto third = [&](worker&) { third_ran.open(); };
  work a(first), b(second), c(third);
  const auto root = [&](worker& w) {
    push(w, a);
    push(w, b);
    standing(w, [&] {
      second_ran.wait();
      push(w, c);
      third_ran.wait();
    });
    all_done.open();
  };
  work r(root);
  running_crew crew(1, 0, 1);
  crew.submit(r);
  all_done.wait();
}

// The other worker is in a leaf and keeps a frame to itself: the lent core is given to somebody who exposes
// it.
MODEL(PrivateWorkOfAnotherIsReachedFromALentCore, (long_within(0))) {
  gate child_ran, pushed, first_done, second_done;
  const auto child = [&](worker&) { child_ran.open(); };
  work c(child);
  const auto leaf = [&](worker& w) {
    push(w, c);
    pushed.open();
    child_ran.wait();
    first_done.open();
  };
  const auto stands = [&](worker& w) {
    pushed.wait();
    standing(w, [&] { child_ran.wait(); });
    second_done.open();
  };
  work a(leaf), b(stands);
  running_crew crew(2, 0, 1);
  crew.submit(a);
  crew.submit(b);
  first_done.wait();
  second_done.wait();
}

// The spare worker searches, sleeps, or has just been woken on the core when its lender comes back. What is
// submitted then is run by one of the two.
MODEL(WhoComesBackToAUsedCoreLosesNoWork,
      {.preemptions = 1, .spurious = 0, .timeouts = 0, .stale_total = 0, .detours = 0}) {
  gate opened, back, last_ran;
  const auto stands = [&](worker& w) {
    standing(w, [&] { opened.wait(); });
    back.open();
  };
  const auto opens = [&](worker&) { opened.open(); };
  const auto last = [&](worker&) { last_ran.open(); };
  work a(stands), b(opens), c(last);
  running_crew crew(1, 0, 1);
  crew.submit(a);
  crew.submit(b);
  back.wait();
  crew.submit(c);
  last_ran.wait();
}

// It has forked, and goes on as one that forks: whoever goes to sleep meanwhile asks it for what it keeps to
// itself then.
MODEL(WhoForkedWhileItStoodIsAskedAlsoWhenItComesBack,
      {.preemptions = 2, .spurious = 0, .timeouts = 0, .stale_total = 0, .detours = 0}) {
  gate first_ran, second_ran, all_done;
  const auto first = [&](worker&) { first_ran.open(); };
  const auto second = [&](worker&) { second_ran.open(); };
  work a(first), b(second);
  const auto root = [&](worker& w) {
    standing(w, [&] {
      push(w, a);
      first_ran.wait();
    });
    push(w, b);
    second_ran.wait();
    all_done.open();
  };
  work r(root);
  running_crew crew(2, 0, 1);
  crew.submit(r);
  all_done.wait();
}

// As many as may stand still do: the next one keeps its core, which is lent as soon as another comes back.
MODEL(TheCoreOfAKeeperIsLentWhenAnotherComesBack, (long_within(0))) {
  gate first_stands, first_goes, first_is_back, second_stands, second_goes, all_done;
  const auto first = [&](worker& w) {
    standing(w, [&] {
      first_stands.open();
      first_goes.wait();
    });
    first_is_back.open();
    second_goes.wait();  // not lent: somebody else must have a core
    all_done.open();
  };
  const auto second = [&](worker& w) {
    standing(w, [&] {
      second_stands.open();
      second_goes.wait();
    });
  };
  const auto last = [&](worker&) { second_goes.open(); };
  work a(first), b(second), c(last);
  running_crew crew(2, 0, 1);
  crew.submit(a);
  first_stands.wait();
  crew.submit(b);
  second_stands.wait();
  first_goes.open();
  first_is_back.wait();
  crew.submit(c);
  all_done.wait();
}

// A crew closes while a spare worker is made, searches, sleeps or is parked.
MODEL(SpareWorkersLeaveWhenTheDoorIsClosed, (long_within(1))) {
  gate opened;
  const auto stands = [&](worker& w) { standing(w, [&] { opened.wait(); }); };
  const auto opens = [&](worker&) { opened.open(); };
  work a(stands), b(opens);
  running_crew crew(1, 0, 1);
  crew.submit(a);
  crew.submit(b);
  opened.wait();
}

}  // namespace
