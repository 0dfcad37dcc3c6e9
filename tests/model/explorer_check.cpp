// The explorer itself: what it must find, and what it must not take for a fault.
#include <coppice/detail/atomic.hpp>
#include <cstdlib>
#include <mutex>

#include "explorer/program.hpp"

namespace {

using coppice::detail::atomic;
using coppice::detail::condition_variable;
using coppice::detail::late_atomic;
using coppice::detail::mutex;
using model::check;
using model::thread;

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
constexpr auto seq_cst = std::memory_order_seq_cst;

// ---- message passing: what is released is seen ----

void pass_message(std::memory_order store, std::memory_order load) {
  int data = 0;
  atomic<int> ready{0};
  thread writer([&] {
    data = 42;
    ready.store(1, store);
  });
  if (ready.load(load) == 1) check(data == 42, "the message is whole");
  writer.join();
}
MODEL(MessageIsPassedByReleaseAndAcquire, {.preemptions = 2}) { pass_message(release, acquire); }
MODEL_MUST_FAIL(MessageIsLostWithoutRelease, "data race", {.preemptions = 1}) {
  pass_message(relaxed, acquire);
}
MODEL_MUST_FAIL(MessageIsLostWithoutAcquire, "data race", {.preemptions = 1}) {
  pass_message(release, relaxed);
}

// ---- a release sequence goes on through exchanges, not through plain stores ----

MODEL(ExchangesHandTheMessageOn, {.preemptions = 2}) {
  int data = 0;
  atomic<int> step{0};
  thread writer([&] {
    data = 1;
    step.store(1, release);
  });
  thread middle([&] { step.fetch_add(1, relaxed); });
  if (step.load(acquire) == 2) check(data == 1, "the head of the sequence is acquired");
  writer.join();
  middle.join();
}

// ---- a word that begins with nothing ----

void load_late_word(std::memory_order store, std::memory_order load) {
  late_atomic<int*> word;
  atomic<int> stored{0};
  int item = 0;
  thread writer([&] {
    word.store(&item, relaxed);
    stored.store(1, store);
  });
  if (stored.load(load) == 1) check(word.load(relaxed) == &item, "the word is what was stored");
  writer.join();
}
MODEL(ALateWordIsLoadedOnceItIsStored, {.preemptions = 2}) { load_late_word(release, acquire); }
MODEL_MUST_FAIL(ALateWordIsLoadedBeforeItIsStored, "a word that nobody has stored", {.preemptions = 1}) {
  load_late_word(relaxed, relaxed);
}

// ---- store, then load of the other's word: the Dekker pair ----

bool both_miss(std::memory_order store, std::memory_order load) {
  atomic<int> x{0}, y{0};
  int seen_x = -1, seen_y = -1;
  thread other([&] {
    y.store(1, store);
    seen_x = x.load(load);
  });
  x.store(1, store);
  seen_y = y.load(load);
  other.join();
  return seen_x == 0 && seen_y == 0;
}
MODEL(SequentialConsistencyForbidsThatBothMiss, {.preemptions = 3}) {
  check(!both_miss(seq_cst, seq_cst), "one sees the other");
}
MODEL_MUST_FAIL(WithReleaseAndAcquireBothMayMiss, "one sees the other", {.preemptions = 1}) {
  check(!both_miss(release, acquire), "one sees the other");
}

// ---- the same with a heavy fence on one side and a compiler barrier on the other ----

void asymmetric(bool heavy, bool light) {
  atomic<int> x{0}, y{0};
  int seen_x = -1, seen_y = -1;
  thread cheap([&] {
    y.store(1, relaxed);
    if (light) coppice::detail::compiler_barrier();
    seen_x = x.load(relaxed);
  });
  x.store(1, relaxed);
  if (heavy) model::execution::current()->heavy_fence(model::where::current());
  seen_y = y.load(relaxed);
  cheap.join();
  check(seen_x == 1 || seen_y == 1, "one sees the other");
}
MODEL(BarrierOnEveryThreadMakesUpForAFence, {.preemptions = 3}) { asymmetric(true, true); }
MODEL_MUST_FAIL(ItDoesNotWithoutTheHeavySide, "one sees the other", {.preemptions = 1}) {
  asymmetric(false, true);
}
MODEL_MUST_FAIL(ItDoesNotWhereTheCompilerMayReorder, "one sees the other", {.preemptions = 1}) {
  asymmetric(true, false);
}

// ---- independent reads of independent writes ----

void two_readers(std::memory_order order) {
  atomic<int> x{0}, y{0};
  int a = 0, b = 0, c = 0, d = 0;
  thread wx([&] { x.store(1, order); });
  thread wy([&] { y.store(1, order); });
  thread r1([&] {
    a = x.load(order == seq_cst ? seq_cst : acquire);
    b = y.load(order == seq_cst ? seq_cst : acquire);
  });
  c = y.load(order == seq_cst ? seq_cst : acquire);
  d = x.load(order == seq_cst ? seq_cst : acquire);
  wx.join();
  wy.join();
  r1.join();
  check(!(a == 1 && b == 0 && c == 1 && d == 0), "readers agree on the order of writes");
}
MODEL(ReadersAgreeUnderSequentialConsistency, {.preemptions = 2}) { two_readers(seq_cst); }
MODEL_MUST_FAIL(ReadersMayDisagreeOtherwise, "readers agree", {.preemptions = 1}) { two_readers(release); }

// ---- coherence: one location is never seen to go back ----

MODEL(OneLocationNeverGoesBack, {.preemptions = 3}) {
  atomic<int> x{0};
  thread writer([&] {
    x.store(1, relaxed);
    x.store(2, relaxed);
  });
  const int first = x.load(relaxed);
  const int second = x.load(relaxed);
  check(second >= first, "reads of one thread do not go back");
  writer.join();
}

// ---- weak exchanges may fail for no reason ----

MODEL_MUST_FAIL(WeakExchangeMayFail, "it took the value", {.preemptions = 0}) {
  atomic<int> x{0};
  int expected = 0;
  check(x.compare_exchange_weak(expected, 1, relaxed, relaxed), "it took the value");
}
MODEL(StrongExchangeMayNot, {.preemptions = 0}) {
  atomic<int> x{0};
  int expected = 0;
  check(x.compare_exchange_strong(expected, 1, relaxed, relaxed), "it took the value");
}

// ---- locks and notifications ----

MODEL(LockProtects, {.preemptions = 3}) {
  mutex lock;
  int count = 0;
  const auto add = [&] {
    const std::lock_guard hold(lock);
    ++count;
  };
  thread a(add), b(add);
  add();
  a.join();
  b.join();
  check(count == 3, "nothing is lost");
}
MODEL_MUST_FAIL(UnlockedCounterRaces, "data race", {.preemptions = 1}) {
  int count = 0;
  const auto add = [&] { ++count; };
  thread a(add);
  add();
  a.join();
}
MODEL_MUST_FAIL(TwoLocksInOppositeOrderBlock, "deadlock", {.preemptions = 1}) {
  mutex first, second;
  thread other([&] {
    const std::lock_guard hold_second(second);
    const std::lock_guard hold_first(first);
  });
  {
    const std::lock_guard hold_first(first);
    const std::lock_guard hold_second(second);
  }
  other.join();
}

void wait_for_flag(bool in_loop) {
  mutex lock;
  condition_variable changed;
  bool flag = false;
  thread setter([&] {
    const std::lock_guard hold(lock);
    flag = true;
    changed.notify_one();
  });
  {
    std::unique_lock hold(lock);
    if (in_loop)
      changed.wait(hold, [&] { return flag; });
    else if (!flag)
      changed.wait(hold);
    check(flag, "the flag is set");
  }
  setter.join();
}
MODEL(WaitInALoopIsRight, {.preemptions = 2}) { wait_for_flag(true); }
MODEL_MUST_FAIL(WaitWithoutALoopIsWokenForNothing, "the flag is set", {.preemptions = 1}) {
  wait_for_flag(false);
}

// ---- futex ----

void sleep_until_set(bool check_value) {
  atomic<std::uint32_t> word{0};
  thread waker([&] {
    word.store(1, release);
    model::execution::current()->wake_one(&word, model::where::current());
  });
  while (word.load(acquire) == 0)
    model::execution::current()->futex_wait(&word, check_value ? 0 : word.load(seq_cst), false,
                                            model::where::current());
  waker.join();
}
MODEL(FutexComparesBeforeItSleeps, {.preemptions = 2}) { sleep_until_set(true); }
MODEL_MUST_FAIL(FutexWithTheWrongValueSleepsOn, "deadlock", {.preemptions = 1}) { sleep_until_set(false); }

MODEL_MUST_FAIL(PollingForWhatNeverComesIsALivelock, "livelock", {.preemptions = 0}) {
  const atomic<int> x{0};
  while (x.load(relaxed) == 0) coppice::detail::relax();
}
MODEL(PollingEndsWhenTheStoreArrives, {.preemptions = 2}) {
  atomic<int> x{0};
  thread other([&] { x.store(1, relaxed); });
  while (x.load(relaxed) == 0) coppice::detail::relax();
  other.join();
}

// ---- a program that ends itself ----

MODEL_MUST_FAIL(ProgramThatAbortsInOneOrderIsFound, "calls std::abort", {.preemptions = 1}) {
  atomic<int> x{0};
  thread other([&] { x.store(1, relaxed); });
  if (x.load(relaxed) == 1) std::abort();
  other.join();
}
void throw_one() { throw 1; }
MODEL_MUST_FAIL(ExceptionThatMayNotLeaveIsFound, "calls std::abort", {.preemptions = 0}) {
  []() noexcept { throw_one(); }();
}

// ---- life of objects ----

MODEL_MUST_FAIL(AccessAfterDeleteIsFound, "end of storage", {.preemptions = 1}) {
  auto* const p = new int(1);
  atomic<int> taken{0};
  thread other([&] { taken.store(*p, relaxed); });
  delete p;
  other.join();
}
MODEL_MUST_FAIL(ObjectThatIsLetGoByNobodyIsFound, "never freed", {.preemptions = 1}) {
  atomic<int> references{2};
  auto* const p = new int(1);
  const auto let_go = [&] {  // two who both see two
    const int n = references.load(relaxed);
    references.store(n - 1, relaxed);
    if (n == 1) delete p;
  };
  thread other(let_go);
  let_go();
  other.join();
}
MODEL_MUST_FAIL(LateTouchOfAFinishedObjectIsFound, "data race", {.preemptions = 1}) {
  atomic<bool> done{false};
  int on_stack = 0;
  thread other([&] {
    done.store(true, release);
    on_stack = 1;  // after this store the object may be gone
  });
  while (!done.load(acquire)) coppice::detail::relax();
  on_stack = 2;
  other.join();
}
MODEL(DecrementThenDeleteIsRight, {.preemptions = 3}) {
  struct counted {
    atomic<int> references{2};
    int value = 0;
  };
  auto* const c = new counted;
  const auto release_one = [c] {
    if (c->references.fetch_sub(1, acq_rel) == 1) {
      ++c->value;
      delete c;
    }
  };
  thread other(release_one);
  release_one();
  other.join();
}

}  // namespace
