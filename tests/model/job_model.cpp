// Jobs on the whole shipped library: threads, machine and clock are the explorer's, everything else is as
// users get it.
#include <coppice/coppice.hpp>
#include <coppice/detail/worker.hpp>
#include <optional>

#include "explorer/program.hpp"
#include "platform/futex.hpp"

namespace {

using coppice::job_report;
using coppice::outcome;
using coppice::scheduler;
using model::check;
using model::long_within;
using model::thread;

void check_counts(const job_report& r) {
  check(r.spawned == r.succeeded + r.failed + r.cancelled + r.skipped, "what was spawned has ended, once");
}

// Without spare workers: they would run what a wait leaves alone, and hide that it does. loan_model.cpp has
// them.
coppice::scheduler_options workers(unsigned n) {
  coppice::scheduler_options o;
  o.workers = n;
  o.max_spare_workers = 0;
  return o;
}

MODEL(JobHandsItsValueToTheOneWhoWaits, (long_within(2))) {
  scheduler s(workers(1));
  auto job = s.submit([] { return 42; });
  check(job.get() == 42, "the value comes out");
}

// Without a wait, which takes the job's lock too.
MODEL(WhoSeesThatAJobIsOverSeesWhatItDid, (long_within(1))) {
  scheduler s(workers(1));
  int did = 0;
  auto job = s.submit([&] { did = 1; });
  while (!job.done()) coppice::detail::relax();
  check(did == 1, "what the job did is seen");
  job.wait();
}

MODEL(JoinRunsItsBranchesOnceOnTwoWorkers, (long_within(0))) {
  scheduler s(workers(2));
  model::ledger runs(2);
  const int sum = s.run([&] {
    auto [a, b] = coppice::join(
        [&] {
          runs.enter(0);
          return 1;
        },
        [&] {
          runs.enter(1);
          return 2;
        });
    return a + b;
  });
  check(sum == 3, "both values come back");
  runs.check_exactly_once();
}

MODEL(SpawnedChildrenEndBeforeTheJobDoes, (long_within(0))) {
  scheduler s(workers(2));
  int done[2] = {};
  auto job = s.submit([&] {
    for (int& d : done) coppice::spawn([&d] { d = 1; });
  });
  const job_report& r = job.wait();
  check(done[0] == 1 && done[1] == 1, "what children wrote is seen after the wait");
  check(r.spawned == 3 && r.succeeded == 3 && r.result == outcome::completed, "all are counted");
}

// More children than the deque holds, and none of them runs inline here.
MODEL(BundledChildrenRunOnceWhoeverTakesTheBundle, (long_within(0))) {
  scheduler s(workers(2));
  model::ledger runs(5);
  auto job = s.submit([&] {
    for (unsigned i = 0; i < 5; ++i) coppice::spawn([&runs, i] { runs.enter(i); });
  });
  const job_report& r = job.wait();
  runs.check_exactly_once();
  check(r.spawned == 6 && r.succeeded == 6 && r.result == outcome::completed, "all are counted");
}

// A bundle holds nothing from below a group, or its wait would leave the group's own child alone.
MODEL(GroupOnAFullDequeWaitsForItsOwnChildren, (long_within(0))) {
  scheduler s(workers(1));
  int inner = 0;
  auto job = s.submit([&] {
    for (int i = 0; i < 4; ++i) coppice::spawn([] {});
    coppice::task_group group;
    for (int i = 0; i < 3; ++i) group.spawn([&inner] { ++inner; });
    group.wait();
    check(inner == 3, "all have ended");
  });
  check(job.wait().succeeded == 8, "all are counted");
}

// The bundle takes in what was spawned between the group and its first child, and comes to lie where that was.
MODEL(GroupFindsItsChildInABundleThatBeginsBelowIt, (long_within(0))) {
  scheduler s(workers(1));
  int inner = 0;
  auto job = s.submit([&] {
    for (int i = 0; i < 3; ++i) coppice::spawn([] {});
    coppice::task_group group;
    coppice::spawn([] {});
    group.spawn([&inner] { ++inner; });
    group.wait();
    check(inner == 1, "it has ended");
  });
  check(job.wait().succeeded == 6, "all are counted");
}

// Nor a branch, which its join takes back by name.
MODEL(BranchOnAFullDequeIsNotBundled, (long_within(0))) {
  scheduler s(workers(1));
  int ran = 0;
  auto job = s.submit([&] {
    coppice::spawn([&] { ++ran; });
    coppice::join(
        [&] {
          for (int i = 0; i < 4; ++i) coppice::spawn([&] { ++ran; });
        },
        [&] { ++ran; });
  });
  check(job.wait().succeeded == 6 && ran == 6, "all have run");
}

MODEL(GroupWaitsForChildrenThatWereStolen, (long_within(0))) {
  scheduler s(workers(2));
  const int sum = s.run([] {
    int results[2] = {};
    coppice::task_group group;
    group.spawn([&] { results[0] = 1; });
    group.spawn([&] { results[1] = 2; });
    group.wait();
    return results[0] + results[1];
  });
  check(sum == 3, "both children have ended after wait()");
}

// The stolen child stands still until its group's owner has gone to sleep.
MODEL(GroupOwnerThatSleepsIsWokenByTheLastChild, (long_within(0))) {
  coppice::platform::futex_word may_end{0};
  coppice::detail::atomic<int> child_runs{0};
  scheduler s(workers(2));
  auto job = s.submit([&] {
    coppice::task_group group;
    group.spawn([&] {
      child_runs.store(1, std::memory_order_relaxed);
      while (may_end.load(std::memory_order_acquire) == 0) coppice::platform::futex_wait(may_end, 0);
    });
    while (child_runs.load(std::memory_order_relaxed) == 0) {
      coppice::spawn([] {});  // a fork: answers whoever wants the child
      coppice::detail::relax();
    }
    group.wait();
    return 1;
  });
  while (child_runs.load(std::memory_order_relaxed) == 0) coppice::detail::relax();
  for (int i = 0; i < 20; ++i) coppice::detail::relax();
  may_end.store(1, std::memory_order_release);
  coppice::platform::futex_wake_all(may_end);
  check(job.get() == 1, "the group is over");
}

// The handle goes last, while nothing but the count orders it after the worker that held the job too.
MODEL(LastHolderOfAJobComesAfterTheOthers, (long_within(1))) {
  coppice::detail::atomic<int> second_runs{0};
  scheduler s(workers(1));
  std::optional<coppice::job<void>> first = s.submit([] {});
  auto second = s.submit([&] { second_runs.store(1, std::memory_order_relaxed); });
  first->wait();
  while (second_runs.load(std::memory_order_relaxed) == 0) coppice::detail::relax();
  first.reset();
  second.wait();
}

// For threads that have nothing else to do until it is open.
class gate {
 public:
  void pass() {
    while (open_.load(std::memory_order_acquire) == 0) coppice::platform::futex_wait(open_, 0);
  }
  void open() {
    open_.store(1, std::memory_order_release);
    coppice::platform::futex_wake_all(open_);
  }

 private:
  coppice::platform::futex_word open_{0};
};

// Who has run the last task, which was worth the way, takes a branch of another job from the same worker.
MODEL(JobIsOverThoughItsLastWorkerGoesOnWithABranchOfAnother, (long_within(0))) {
  gate child_runs, forked, branch_runs, told;
  scheduler s(workers(2));
  auto first = s.submit([&] {
    coppice::spawn([&] {
      child_runs.open();
      forked.pass();
      const auto since = coppice::detail::clock::now();
      while (coppice::detail::clock::now() - since < coppice::detail::worth_a_steal) {
      }
    });
    child_runs.pass();
  });
  child_runs.pass();
  auto second = s.submit([&] {
    using namespace coppice::detail;
    this_worker->attention.fetch_or(attention_bit::hungry, std::memory_order_seq_cst);
    coppice::join(
        [&] {
          forked.open();
          branch_runs.pass();
        },
        [&] {
          branch_runs.open();
          told.pass();
        });
  });
  first.wait();
  told.open();
  second.wait();
}

MODEL(CancelMeetsTheEndOfTheJob, (long_within(2))) {
  scheduler s(workers(1));
  bool ran = false;
  auto job = s.submit([&] { ran = true; });
  const bool cancelled = job.cancel("outside");
  const job_report& r = job.wait();
  check_counts(r);
  check(ran == (r.succeeded == 1), "a body that ran is counted as such");
  if (r.result != outcome::completed) check(cancelled && !ran, "lost only if it was cancelled in time");
  if (cancelled) check(r.cancel.has_value(), "who cancelled stands in the report");
}

// The job's end is all that its scheduler waits for.
MODEL(CancelMeetsTheEndOfTheScheduler, (long_within(1))) {
  std::optional<scheduler> s(std::in_place, workers(1));
  auto job = s->submit([] {});
  thread other([&] { job.cancel("outside"); });
  job.wait();
  s.reset();
  other.join();
  check_counts(job.wait());
}

MODEL(TwoCancelsAndOneIsTheFirst, (long_within(1))) {
  scheduler s(workers(1));
  auto job = s.submit([] { coppice::this_task::throw_if_stopped(); });
  bool other = false;
  thread second([&] { other = job.cancel("second"); });
  const bool mine = job.cancel("first");
  second.join();
  const job_report& r = job.wait();
  check_counts(r);
  check(!(mine && other), "one cancel at most is the first");
  if (mine) check(r.cancel && r.cancel->reason == "first", "its reason stands in the report");
}

MODEL(FailureIsKeptWhoeverRunsTheBranch, (long_within(0))) {
  scheduler s(workers(2));
  auto job = s.submit([] { coppice::join([] { throw 1; }, [] {}); });
  const job_report& r = job.wait();
  check(r.result == outcome::failed && r.errors_total == 1, "the error is reported once");
  check(r.errors.size() == 1 && r.errors[0].path == "root/0", "with its place");
}

// Of two errors a group hands up one; the other stays with the task, until its header goes.
void handle_two_errors() {
  coppice::task_group group;
  for (int i = 0; i < 2; ++i) group.spawn([] { throw 1; });
  try {
    group.wait();
  } catch (int) {
  }
}

MODEL(WhatARootHasHandledDiesWithItsJob, (long_within(0))) {
  scheduler s(workers(1));
  auto job = s.submit([] { handle_two_errors(); }, {.errors = coppice::error_policy::collect_all()});
  check(job.wait().succeeded == 1, "the root has handled both");
}

// The innermost child is in a group of the first, and takes over what lies between: it is counted by nobody.
MODEL(HeaderGoesWhenItsGroupsChildHasTakenOverItsParent, (long_within(0))) {
  scheduler s(workers(1));
  auto job = s.submit(
      [] {
        coppice::spawn([] {
          handle_two_errors();
          coppice::task_group group;
          group.spawn([&group] {
            group.spawn([] {
              struct {
                char room[64];
              } const large{};  // of a size that has no node at hand
              coppice::spawn([large] { static_cast<void>(large); });
            });
          });
          group.wait();
        });
      },
      {.errors = coppice::error_policy::collect_all()});
  check(job.wait().errors_total == 0, "all errors were handled");
}

MODEL(HandleThatGoesCancelsAndJoins, (long_within(1))) {
  scheduler s(workers(1));
  int state = 0;
  {
    auto job = s.submit([&] {
      state = 1;
      state = 2;
    });
  }
  check(state != 1, "the body has ended, or never began");
}

// Whoever comes second, the end or the handle that lets go, tells of the error.
MODEL(ErrorOfAJobThatIsLetGoIsToldOnce, (long_within(1))) {
  static int told;
  told = 0;
  coppice::set_unobserved_error_handler(
      [](const coppice::job_report& r) { told += r.errors_total == 1 ? 1 : 10; });
  {
    scheduler s(workers(1));
    s.submit([] { throw 1; }).detach();
  }
  coppice::set_unobserved_error_handler(nullptr);
  check(told == 1, "an error that nobody looked at is told, once");
}

MODEL(DetachedJobEndsBeforeItsScheduler, (long_within(1))) {
  bool ran = false;
  {
    scheduler s(workers(1));
    s.submit([&] { ran = true; }).detach();
  }
  check(ran, "stop drains");
}

MODEL(SubmitMeetsStop, (long_within(2))) {
  scheduler s(workers(1));
  bool ran = false, refused = false;
  thread submitter([&] {
    try {
      s.submit([&] { ran = true; }).detach();
    } catch (const coppice::scheduler_stopped&) {
      refused = true;
    }
  });
  const coppice::stop_report r = s.stop(coppice::stop_mode::drain);
  submitter.join();
  check(ran != refused, "a submission is run, or refused");
  check(r.ran <= 1, "one task at most is counted");
}

MODEL(TwoStopsGiveOneReport, (long_within(1))) {
  scheduler s(workers(1));
  s.submit([] {}).detach();
  thread other([&] { s.stop(coppice::stop_mode::cancel); });
  s.stop(coppice::stop_mode::drain);
  other.join();
}

MODEL(JobThatWaitsForAnInnerJobHelps, (long_within(1))) {
  scheduler s(workers(1));
  const int value = s.run([&] { return s.submit([] { return 7; }).get(); });
  check(value == 7, "one worker is enough");
}

MODEL(InnerJobOnTwoWorkersIsRunOnce, (long_within(0))) {
  scheduler s(workers(2));
  model::ledger runs(1);
  const int value = s.run([&] {
    return s
        .submit([&] {
          runs.enter(0);
          return 7;
        })
        .get();
  });
  check(value == 7, "its value comes back");
  runs.check_exactly_once();
}

MODEL(InnerJobThatWasLetGoMeetsTheEndOfItsOuter, (long_within(0))) {
  model::ledger runs(2);
  {
    scheduler s(workers(2));
    auto outer = s.submit([&] {
      runs.enter(0);
      s.submit([&] { runs.enter(1); }).detach();
    });
    check(outer.wait().succeeded == 1, "the outer job does not wait for the inner one");
  }
  runs.check_exactly_once();
}

// What lies between has ended and waits for nobody; it keeps the outermost as long as the innermost may look
// up.
MODEL(JobsAboveTheInnermostGoWithIt, (long_within(0))) {
  coppice::detail::atomic<int> innermost_runs{0};
  scheduler s(workers(2));
  s.submit([&] {
     s.submit([&] {
        s.submit([&] { innermost_runs.store(1, std::memory_order_relaxed); }).detach();
      }).detach();
   }).detach();
  while (innermost_runs.load(std::memory_order_relaxed) == 0) coppice::detail::relax();
}

MODEL(WaitForAnotherSchedulersJobWakesUp, (long_within(1))) {
  scheduler outer(workers(1)), inner(workers(1));
  const int value = outer.run([&] { return inner.submit([] { return 7; }).get(); });
  check(value == 7, "its value comes back");
}

MODEL(SurplusWorkerLeavesAndItsWorkIsDone, (long_within(0))) {
  scheduler s(workers(2));
  auto job = s.submit([] { return 1; });
  s.resize(1);
  check(job.get() == 1, "the job is run by whoever is left");
  check(s.workers() == 1, "one worker is wanted");
}

MODEL(SubmissionMeetsAWorkerThatLeaves, (long_within(1))) {
  scheduler s(workers(2));
  thread other([&] { check(s.submit([] { return 2; }).get() == 2, "the job is run"); });
  s.resize(1);
  other.join();
}

MODEL(NewWorkerTakesPart, (long_within(0))) {
  scheduler s(workers(1));
  int ran = 0;
  auto job = s.submit([&] {
    s.resize(2);
    coppice::join([&] { ran += 1; }, [] {});
  });
  check_counts(job.wait());
  check(ran == 1, "the branch is run once");
}

}  // namespace
