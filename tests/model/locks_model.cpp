// The mutex and the condition variable: what is under the lock is one thread's at a time, no wake is lost,
// and both may go as soon as nobody needs them. The other programs have the explorer's own in their place.
#include <coppice/detail/waiting.hpp>
#include <memory>
#include <mutex>

#include "explorer/program.hpp"

namespace {

using coppice::detail::adaptive_mutex;
using coppice::detail::condition;
using model::check;
using model::thread;
using held = std::unique_lock<adaptive_mutex>;

constexpr std::chrono::steady_clock::time_point some_time{};

MODEL(WhatIsUnderTheLockIsOneThreadsAtATime, {.preemptions = 3}) {
  adaptive_mutex m;
  int under = 0;  // plain: two at a time are a race
  const auto add = [&] {
    const std::lock_guard hold(m);
    ++under;
  };
  thread a(add);
  thread b(add);
  add();
  a.join();
  b.join();
  check(under == 3, "each has added one");
}

MODEL(WhoeverSleepsForTheLockHasItInTheEnd, {.preemptions = 4}) {
  adaptive_mutex m;
  int under = 0;
  const auto add_twice = [&] {
    for (int i = 0; i < 2; ++i) {
      const std::lock_guard hold(m);
      ++under;
    }
  };
  thread a(add_twice);
  add_twice();
  a.join();
  check(under == 4, "each has added two");
}

MODEL(TryLockHasTheLockOrLeavesItAlone, {.preemptions = 3}) {
  adaptive_mutex m;
  int under = 0;
  int more = 1;
  thread a([&] {
    const std::lock_guard hold(m);
    ++under;
  });
  if (m.try_lock()) {
    ++under;
    ++more;
    m.unlock();
  }
  a.join();
  check(under == more, "who had it has added one");
}

// As a job's lock is: the last one that needs it takes it away.
MODEL(TheMutexMayGoAsSoonAsItCanBeLocked, {.preemptions = 3}) {
  struct owned {
    adaptive_mutex m;
    bool over = false;
  };
  auto o = std::make_unique<owned>();
  thread a([&o = *o] {
    const std::lock_guard hold(o.m);
    o.over = true;
  });
  bool over = false;
  {
    const std::lock_guard hold(o->m);
    over = o->over;
  }
  if (over) o.reset();
  a.join();
}

void tell(adaptive_mutex& m, condition& c, int& tokens, int more, bool under_the_lock, bool all) {
  held hold(m);
  tokens += more;
  if (!under_the_lock) hold.unlock();
  all ? c.notify_all() : c.notify_one();
}

void take(adaptive_mutex& m, condition& c, int& tokens) {
  held hold(m);
  c.wait(hold, [&] { return tokens != 0; });
  --tokens;
}

MODEL(ANotificationIsNotLost, {.preemptions = 4}) {
  adaptive_mutex m;
  condition c;
  int tokens = 0;
  const bool under_the_lock = model::choose(2) == 1;
  thread waits([&] { take(m, c, tokens); });
  tell(m, c, tokens, 1, under_the_lock, false);
  waits.join();
}

MODEL(OneNotificationForEachOfTwo, {.preemptions = 2}) {
  adaptive_mutex m;
  condition c;
  int tokens = 0;
  const auto takes = [&] { take(m, c, tokens); };
  thread a(takes);
  thread b(takes);
  tell(m, c, tokens, 1, false, false);
  tell(m, c, tokens, 1, true, false);
  a.join();
  b.join();
  check(tokens == 0, "each has taken one");
}

MODEL(OneNotificationForAll, {.preemptions = 2}) {
  adaptive_mutex m;
  condition c;
  int tokens = 0;
  const auto takes = [&] { take(m, c, tokens); };
  thread a(takes);
  thread b(takes);
  tell(m, c, tokens, 2, model::choose(2) == 1, true);
  a.join();
  b.join();
}

MODEL(WhoWaitsUntilATimeIsToldWhetherItIsMet, {.preemptions = 3}) {
  adaptive_mutex m;
  condition c;
  int tokens = 0;
  thread waits([&] {
    held hold(m);
    const bool met = c.wait_until(hold, some_time, [&] { return tokens != 0; });
    check(met == (tokens != 0), "what it is told is so under the lock");
  });
  tell(m, c, tokens, 1, false, true);
  waits.join();
}

// As a scheduler's is, in its destructor: under the lock is the last moment that a notifier has.
MODEL(TheConditionMayGoWithTheOneWhoWaited, {.preemptions = 3}) {
  struct owned {
    adaptive_mutex m;
    condition c;
    int tokens = 0;
  };
  auto* const o = new owned;
  thread tells([o] { tell(o->m, o->c, o->tokens, 1, true, true); });
  {
    held hold(o->m);
    o->c.wait(hold, [&] { return o->tokens != 0; });
  }
  delete o;
  tells.join();
}

}  // namespace
