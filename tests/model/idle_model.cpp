// Searching, sleeping, waking: the shipped workers, without jobs. Whoever is not woken is a deadlock.
#include "worker/bundle.hpp"
#include "worker_floor.hpp"

namespace {

using coppice::detail::parker;
using floor_model::gate;
using floor_model::push;
using floor_model::running_crew;
using floor_model::work;
using floor_model::worker;
using model::check;
using model::long_within;
using model::thread;

// ---- the parker ----

MODEL(WakeIsNotLostWhicheverComesFirst, {.preemptions = 3}) {
  parker p;
  int message = 0;
  thread waker([&] {
    message = 1;
    p.unpark();
  });
  p.park();
  check(message == 1, "what the waker did before is seen");
  waker.join();
}

MODEL(OneWakeIsKeptForTheNextSleep, {.preemptions = 3}) {
  parker p;
  thread waker([&] {
    p.unpark();
    p.unpark();
  });
  p.park();
  waker.join();
  p.unpark();
  p.park();
}

MODEL(SleepEndsAtItsDeadlineOrByAWakeAndKeepsNeither, {.preemptions = 3}) {
  parker p;
  int message = 0;
  const auto deadline = coppice::detail::clock::now();
  thread waker([&] {
    message = 1;
    p.unpark();
  });
  if (p.park(&deadline)) {
    check(message == 1, "woken: the waker came before");
    waker.join();
  } else {
    waker.join();
    p.park();  // the wake that came too late was kept
  }
}

// A wake that comes late, for a sleep that has ended, is used up just when the next one comes.
MODEL(WakeThatWasKeptDoesNotHideTheNextOne, {.preemptions = 2}) {
  parker p;
  coppice::detail::atomic<bool> awake{false};
  thread late([&] { p.unpark(); });
  thread waker([&] {
    awake.store(true, std::memory_order_seq_cst);
    p.unpark();
  });
  while (!awake.load(std::memory_order_seq_cst)) p.park();
  late.join();
  waker.join();
}

// ---- a crew ----

MODEL(SubmittedWorkIsRunByAWorkerThatIsAboutToSleep, (long_within(3))) {
  gate done;
  int result = 0;
  const auto body = [&](worker&) {
    result = 42;
    done.open();
  };
  work w(body);
  running_crew crew(1);
  crew.submit(w);
  done.wait();
  check(result == 42, "it was run");
}

MODEL(TwoSubmissionsAreRunByTwoWorkersAtOnce, (long_within(1))) {
  gate first_runs, second_runs;
  // Each waits for the other: one worker alone would wait for ever.
  const auto first = [&](worker&) {
    first_runs.open();
    second_runs.wait();
  };
  const auto second = [&](worker&) {
    second_runs.open();
    first_runs.wait();
  };
  work a(first), b(second);
  running_crew crew(2);
  crew.submit(a);
  crew.submit(b);
  first_runs.wait();
  second_runs.wait();
}

// The owner pushes, then is busy until somebody else has run what it pushed.
MODEL(WorkBehindALongLeafIsFoundByASleeper, (long_within(1))) {
  gate child_ran, all_done;
  const auto child = [&](worker&) { child_ran.open(); };
  work c(child);
  const auto root = [&](worker& w) {
    push(w, c);
    child_ran.wait();
    all_done.open();
  };
  work r(root);
  running_crew crew(2);
  crew.submit(r);
  all_done.wait();
}

// The same with two children that run at once: the first that finds work wakes the next.
MODEL(FinderOfWorkWakesTheNext, (long_within(0))) {
  gate first_runs, second_runs, first_over, second_over;
  const auto first = [&](worker&) {
    first_runs.open();
    second_runs.wait();
    first_over.open();
  };
  const auto second = [&](worker&) {
    second_runs.open();
    first_runs.wait();
    second_over.open();
  };
  work a(first), b(second);
  const auto root = [&](worker& w) {
    push(w, a);
    push(w, b);
    first_over.wait();
    second_over.wait();
  };
  work r(root);
  running_crew crew(3);
  crew.submit(r);
  first_over.wait();
  second_over.wait();
}

// One of two sleepers is woken for a root that forks once and waits: it was the last searcher, so its first
// fork wakes the other.
MODEL(FirstForkAfterASearchWakesASleeper, (long_within(1))) {
  gate ran;
  const auto child = [&](worker&) { ran.open(); };
  work a(child);
  const auto root = [&](worker& w) {
    push(w, a);
    ran.wait();
  };
  work r(root);
  running_crew crew(2);
  while (crew.all.idle.sleepers() < 2) coppice::detail::relax();
  crew.submit(r);
  ran.wait();
}

// Of three sleepers one takes the root, the next its first child, a leaf that needs the second: what is asked
// of that leaf's worker is asked of nobody, so the finder of the first child has to wake the third at once.
MODEL(FinderOfALeafWakesTheThirdForItsSister, (long_within(0))) {
  gate first_runs, second_runs, all_over;
  const auto first = [&](worker&) {
    first_runs.open();
    second_runs.wait();
  };
  const auto second = [&](worker&) {
    second_runs.open();
    first_runs.wait();
  };
  work a(first), b(second);
  const auto root = [&](worker& w) {
    push(w, a);
    push(w, b);
    first_runs.wait();
    second_runs.wait();
    all_over.open();
  };
  work r(root);
  running_crew crew(3);
  while (crew.all.idle.sleepers() < 3) coppice::detail::relax();
  crew.submit(r);
  all_over.wait();
}

// Whoever says it is hungry and then sleeps must say so in a way that the next fork answers, however shortly
// the owner has shared.
MODEL(OwnerThatJustSharedAnswersASleeper, (long_within(1))) {
  gate first_ran, second_ran, all_done;
  const auto first = [&](worker&) { first_ran.open(); };
  const auto second = [&](worker&) { second_ran.open(); };
  work a(first), b(second);
  const auto root = [&](worker& w) {
    push(w, a);
    first_ran.wait();
    push(w, b);
    second_ran.wait();
    all_done.open();
  };
  work r(root);
  running_crew crew(2);
  crew.submit(r);
  all_done.wait();
}

// A sleeper whose sleep was ended before it had parked goes on at once: it must already count as a searcher,
// or it would not know that it owes the next one a wake. Both others are about to park when the owner shares
// two.
MODEL(SharedPairWakesTwoSleepers,
      {.preemptions = 2, .spurious = 0, .timeouts = 0, .stale_total = 0, .detours = 0}) {
  gate first_runs, second_runs;
  const auto first = [&](worker&) {
    first_runs.open();
    second_runs.wait();
  };
  const auto second = [&](worker&) {
    second_runs.open();
    first_runs.wait();
  };
  work a(first), b(second);
  running_crew crew(3, 1);
  floor_model::worker_thread& owner = *crew.all.workers[0];
  while (crew.all.idle.sleepers() < 2) coppice::detail::relax();
  coppice::detail::deque_index index = 0;
  check(owner.deque.push_below_bound(a.f, &index) && owner.deque.push_below_bound(b.f, &index),
        "there is room");
  owner.share_all_and_wake();
  first_runs.wait();
  second_runs.wait();
}

// The owner of a full deque bundles its newest frames while a thief looks for work: each runs once, on
// whichever side.
MODEL(BundleIsMadeWhileAThiefTakesTheOldest, (long_within(1))) {
  model::ledger runs(4);
  const auto zero = [&](worker&) { runs.enter(0); };
  const auto one = [&](worker&) { runs.enter(1); };
  const auto two = [&](worker&) { runs.enter(2); };
  const auto three = [&](worker&) { runs.enter(3); };
  work all[] = {work(zero), work(one), work(two), work(three)};
  {
    running_crew crew(2, 1);
    floor_model::worker_thread& owner = *crew.all.workers[0];
    for (work& w : all) w.f.state.store(coppice::detail::frame::loose, std::memory_order_relaxed);
    for (unsigned i = 0; i < 3; ++i) floor_model::push(owner, all[i]);
    coppice::detail::deque_index index = 0;
    if (!owner.deque.has_room() || !owner.deque.push_below_bound(all[3].f, &index))
      check(coppice::detail::bundle_newest(owner, all[3].f, owner.floor), "there is memory");
    if (owner.attention.load(std::memory_order_relaxed) != 0) coppice::detail::answer_quietly(owner);
    while (coppice::detail::frame* const f = owner.pop_above(owner.floor)) f->run(f, owner);
  }
  runs.check_exactly_once();
}

MODEL(EveryWorkerLeavesWhenTheDoorIsClosed, (long_within(2))) { const running_crew crew(2); }

}  // namespace
