// Waiting for a stolen frame: the joiner sleeps and its thief wakes it, or helps with what the thief has
// left; the frame is gone as soon as its end is seen.
#include "worker_floor.hpp"

namespace {

using coppice::detail::end_frame;
using coppice::detail::frame;
using coppice::detail::take_back_or_wait;
using floor_model::worker;
using floor_model::worker_thread;
using model::check;
using model::thread;

// A forked branch on the joiner's stack. Running it writes its value, then ends it.
struct branch : frame {
  branch() : frame{&run_branch, frame::fresh} {}
  int value = 0;
  void (*body)(branch&, worker&) = nullptr;
  branch* child = nullptr;
  model::ledger* runs = nullptr;
  floor_model::gate* opens = nullptr;

  static void run_branch(frame* f, worker& w) noexcept {
    auto& self = *static_cast<branch*>(f);
    self.begin(w);
    if (self.body != nullptr) self.body(self, w);
    if (self.runs != nullptr) self.runs->enter(0);
    if (self.opens != nullptr) self.opens->open();
    self.value = 42;
    end_frame(self, frame::with_value);
  }
};

// Two workers that are not started: the program's threads act for them.
struct pair_of_workers {
  coppice::detail::crew all{
      coppice::platform::topology({.workers = 2, .pin = {}, .synthetic = {}, .mask = {}, .quota = {}}), 4};
  worker_thread* joiner;
  worker_thread* thief;
  pair_of_workers() {
    all.cores.reserve(2);
    for (unsigned i = 0; i < 2; ++i) {
      all.workers.push_back(std::make_unique<worker_thread>(all, i));
      all.cores.come(*all.workers[i]);
    }
    all.cores.want(2);
    joiner = all.workers[0].get();
    thief = all.workers[1].get();
    joiner->victims.push_back({thief, coppice::platform::distance::cache});
    thief->victims.push_back({joiner, coppice::platform::distance::cache});
  }
};

void fork(worker_thread& w, frame& f) {
  coppice::detail::deque_index index = 0;
  check(w.deque.push_below_bound(f, &index), "there is room");
}

// What a thief does: one steal, run as a strand.
void steal_once(worker_thread& thief, worker_thread& victim) {
  coppice::detail::this_worker = &thief;
  if (frame* const f = victim.deque.steal()) {
    thief.strand_of.store(f, std::memory_order_relaxed);
    thief.deque.begin_strand();
    f->run(f, thief);
  }
}

void join_with_a_thief(void (*body)(branch&, worker&)) {
  pair_of_workers p;
  model::ledger child_runs(1);
  {
    branch forked;  // dies as soon as the join is over: a late access of the thief is found
    branch inner;
    inner.runs = &child_runs;
    forked.body = body;
    forked.child = &inner;
    coppice::detail::this_worker = p.joiner;
    fork(*p.joiner, forked);
    p.joiner->deque.share();
    thread thief([&] { steal_once(*p.thief, *p.joiner); });
    if (take_back_or_wait(*p.joiner, forked)) forked.run(&forked, *p.joiner);
    check(forked.value == 42, "the branch's value is there after the join");
    forked.value = 0;
    if (body != nullptr) child_runs.check_exactly_once();
    // The frame may be reused now, though the thief's thread is still on its way home.
    new (&forked) branch;
    forked.value = 1;
    thief.join();
  }
  coppice::detail::this_worker = nullptr;
}

MODEL(JoinerSeesTheThiefsValueAndTheFrameIsLeftAlone, {.preemptions = 3}) { join_with_a_thief(nullptr); }

// The stolen branch forks itself: its joiner helps, or the thief does it all.
MODEL(JoinerHelpsTheThiefOfItsBranch, {.preemptions = 2, .stale_total = 2}) {
  join_with_a_thief([](branch& self, worker& w) {
    auto& me = worker_thread::of(w);
    fork(me, *self.child);
    me.deque.share();
    if (take_back_or_wait(w, *self.child)) self.child->run(self.child, w);
  });
}

// The same, unshared: the joiner has to ask for it, or wait until the thief has done it.
MODEL(JoinerThatFindsNothingSharedIsWokenAtTheEnd, {.preemptions = 2, .stale_total = 2}) {
  join_with_a_thief([](branch& self, worker& w) {
    auto& me = worker_thread::of(w);
    fork(me, *self.child);
    if (w.attention.load(std::memory_order_relaxed) != 0) coppice::detail::answer_quietly(w);
    if (take_back_or_wait(w, *self.child)) self.child->run(self.child, w);
  });
}

// Nothing comes after the fork that would answer: the joiner has to see what its thief keeps to itself, or
// the thief that it is asked.
MODEL(JoinerSeesWhatItsThiefHidesInALongLeaf, {.preemptions = 2, .stale_total = 2}) {
  pair_of_workers p;
  p.all.spin.store(false, std::memory_order_relaxed);  // it asks and sleeps at once
  {
    branch forked, inner;
    floor_model::gate inner_has_run;
    inner.opens = &inner_has_run;
    forked.child = &inner;
    forked.opens = &inner_has_run;
    forked.body = [](branch& self, worker& w) {
      fork(worker_thread::of(w), *self.child);
      if (w.attention.load(std::memory_order_relaxed) != 0) coppice::detail::answer_quietly(w);
      self.opens->wait();
      if (take_back_or_wait(w, *self.child)) self.child->run(self.child, w);
    };
    coppice::detail::this_worker = p.joiner;
    fork(*p.joiner, forked);
    p.joiner->deque.share();
    thread thief([&] { steal_once(*p.thief, *p.joiner); });
    while (frame::runner_of(forked.state.load(std::memory_order_relaxed)) == nullptr)
      coppice::detail::relax();
    check(!take_back_or_wait(*p.joiner, forked), "it was stolen");
    check(inner.value == 42, "what it waited for has run");
    thief.join();
  }
  coppice::detail::this_worker = nullptr;
}

}  // namespace
