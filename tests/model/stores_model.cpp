// The stores beside the deque: the slab, the shelves, the injection queue, the tally.
#include <coppice/detail/slab.hpp>
#include <coppice/detail/tally.hpp>
#include <coppice/detail/worker.hpp>

#include "explorer/program.hpp"
#include "stores/injection.hpp"
#include "stores/shelves.hpp"

namespace {

using coppice::detail::add_as_only_writer;
using coppice::detail::atomic;
using coppice::detail::injected;
using coppice::detail::injection_queue;
using coppice::detail::shard;
using coppice::detail::shard_room;
using coppice::detail::shelves;
using coppice::detail::slab;
using coppice::detail::tally;
using coppice::detail::worker;
using model::check;
using model::thread;

constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;

// ---- slab ----

constexpr std::uint32_t largest = slab::list_of(slab::largest_node);
constexpr std::uint32_t smaller = largest - 1;

void* take(slab& s, std::uint32_t list = largest) {
  void* const node = s.take(list);
  return node != nullptr ? node : s.take_more(list);
}

// Node contents are plain: whoever reuses a node must come after who freed it.
void use(void* node, int value) { *static_cast<int*>(node) = value; }

MODEL(NodeIsReusedAfterItsOtherUserIsDone, {.preemptions = 3}) {
  slab mine, theirs;
  void* const first = take(mine);
  use(first, 1);
  thread other([&] {
    use(first, 2);
    slab::give(&theirs, first);
  });
  // The chunk holds three; the fourth is a new chunk or the one that came back.
  for (int i = 0; i < 3; ++i) use(take(mine), 3);
  other.join();
}

MODEL(NodesComeBackFromTwoWorkersAtOnce, {.preemptions = 3}) {
  slab mine, a_own, b_own;
  void* const first = take(mine);
  void* const second = take(mine);
  use(first, 1);
  use(second, 1);
  thread a([&] {
    use(first, 2);
    slab::give(&a_own, first);
  });
  thread b([&] {
    use(second, 2);
    slab::give(&b_own, second);
  });
  void* const third = take(mine);
  void* const fourth = take(mine);
  use(third, 3);
  use(fourth, 3);
  check(third != fourth, "a node is in use once");
  a.join();
  b.join();
  void* const fifth = take(mine);
  void* const sixth = take(mine);
  check(fifth != sixth && fifth != third && fifth != fourth && sixth != third && sixth != fourth,
        "a node is in use once");
}

MODEL(NodesOfTwoSizesComeBackEachToItsOwn, {.preemptions = 3}) {
  slab mine, a_own, b_own;
  void* const large = take(mine);
  void* const small = take(mine, smaller);
  use(large, 1);
  use(small, 1);
  thread a([&] {
    use(large, 2);
    slab::give(&a_own, large);
  });
  thread b([&] {
    use(small, 2);
    slab::give(&b_own, small);
  });
  for (int i = 0; i < 3; ++i) {
    void* const more = take(mine);
    check(more != small, "a node comes back as one of its size");
    use(more, 3);
  }
  a.join();
  b.join();
  for (int i = 0; i < 4; ++i) {
    void* const more = take(mine, smaller);
    check(more != large, "a node comes back as one of its size");
    use(more, 3);
  }
}

// ---- injection queue ----

// Two submitters at a bound of one, a taker, and everybody is served.
MODEL(BoundedQueueServesEverySubmitterOnce, {.preemptions = 2}) {
  injection_queue queue(1);
  injected jobs[2];
  int contents[2] = {};
  model::ledger taken(2);
  const auto submit = [&](int i) {
    if (queue.reserve(true, nullptr) != injection_queue::outcome::reserved) return;
    contents[i] = 1;
    queue.commit(jobs[i]);
  };
  thread a([&] { submit(0); }), b([&] { submit(1); });
  int n = 0;
  while (n < 2) {
    if (injected* const job = queue.take()) {
      const auto i = static_cast<std::size_t>(job - jobs);
      check(contents[i] == 1, "the job's contents came with it");
      taken.enter(i);
      ++n;
    } else {
      coppice::detail::relax();
    }
  }
  a.join();
  b.join();
  taken.check_exactly_once();
  check(queue.empty(), "nothing is left");
}

MODEL(ClosingWakesABlockedSubmitter, {.preemptions = 3}) {
  injection_queue queue(1);
  injected first;
  check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "there is room for one");
  queue.commit(first);
  injection_queue::outcome got{};
  thread submitter([&] { got = queue.reserve(true, nullptr); });
  queue.close();
  submitter.join();
  check(got == injection_queue::outcome::closed, "who was blocked hears that the door is closed");
  check(queue.take() == &first, "what was accepted is still there");
}

MODEL(JobTakenFromTheMiddleIsNotTakenAgain, {.preemptions = 3}) {
  injection_queue queue(3);
  injected jobs[3];
  model::ledger taken(3);
  for (injected& j : jobs) {
    check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "there is room");
    queue.commit(j);
  }
  thread remover([&] {
    if (queue.remove(jobs[1])) taken.enter(1);
  });
  while (injected* const job = queue.take()) taken.enter(static_cast<std::size_t>(job - jobs));
  remover.join();
  taken.check_exactly_once();
}

// Each goes from one to the next as workers do.
MODEL(OfTwoWhoEndJobsOneIsTheLast, {.preemptions = 2}) {
  injection_queue queue(2);
  injected jobs[2];
  model::ledger taken(2), last(1);
  for (injected& j : jobs) {
    check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "there is room");
    queue.commit(j);
  }
  const auto work = [&] {
    injected* job = queue.take();
    while (job != nullptr) {
      taken.enter(static_cast<std::size_t>(job - jobs));
      injection_queue::end over{.job = job, .ran = 1, .skipped = 0, .when = {}};
      job = queue.take_after(over);
      if (over.was_last) last.enter(0);
    }
  };
  thread other(work);
  work();
  other.join();
  taken.check_exactly_once();
  last.check_exactly_once();
  check(queue.now().ran == 2 && queue.now().live == 0, "both ends are counted");
}

MODEL(SubmitterWhoseTimeIsUpLeavesNoReservation, {.preemptions = 2}) {
  injection_queue queue(1);
  injected first, second;
  check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "there is room for one");
  queue.commit(first);
  const auto deadline = coppice::detail::clock::now();
  bool reserved = false;
  thread submitter([&] {
    const auto got = queue.reserve(true, &deadline);
    reserved = got == injection_queue::outcome::reserved;
    if (reserved) queue.commit(second);
  });
  while (queue.take() == nullptr) coppice::detail::relax();
  submitter.join();
  if (reserved) check(queue.take() == &second, "what was reserved was committed");
  check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "there is room again");
}

MODEL(RoomThatCameBackIsTakenOnce, {.preemptions = 3}) {
  injection_queue queue(1);
  injected first;
  check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "there is room for one");
  queue.commit(first);
  injection_queue::outcome theirs{};
  thread submitter([&] { theirs = queue.reserve(false, nullptr); });
  thread worker([&] { check(queue.take() == &first, "it is there"); });
  const injection_queue::outcome mine = queue.reserve(false, nullptr);
  submitter.join();
  worker.join();
  int reserved = 0;
  for (const auto got : {theirs, mine, queue.reserve(false, nullptr), queue.reserve(false, nullptr)})
    reserved += got == injection_queue::outcome::reserved ? 1 : 0;
  check(reserved == 1, "of four who ask for one place one gets it");
}

MODEL(SubmitterThatWasHeldUpFindsTheRoomThereIs, {.preemptions = 2}) {
  injection_queue queue(3);
  injected jobs[4];
  thread submitter([&] {
    check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "never more than two are in");
  });
  for (injected& job : jobs) {
    check(queue.reserve(false, nullptr) == injection_queue::outcome::reserved, "never more than two are in");
    queue.commit(job);
    check(queue.take() == &job, "it is there");
  }
  submitter.join();
}

// ---- shelves ----

// A block's contents are plain: whoever has it next must come after who had it. What goes to the system is
// seen by the explorer, as is what never gets there.
void use_block(void* block, int value) { static_cast<int*>(block)[8] = value; }
void* new_block() { return ::operator new(64); }
void* block_of(shelves& s, unsigned home) {
  void* const taken = s.take(home);
  return taken != nullptr ? taken : new_block();
}

MODEL(BlockIsReusedAfterItsOtherUserIsDone, {.preemptions = 3}) {
  shelves s;
  thread worker([&] {
    for (int i = 0; i < 2; ++i) {
      void* const block = new_block();
      use_block(block, i);
      s.give(0, block);
    }
  });
  for (int i = 0; i < 2; ++i) {
    void* const block = block_of(s, 1);
    use_block(block, 3);
    s.give(1, block);
  }
  worker.join();
  s.clear();
}

MODEL(BlocksOfFullShelvesGoToTheSystem, {.preemptions = 2}) {
  shelves s;
  constexpr unsigned more_than_there_is_room_for = shelves::number * shelves::longest_chain + 1;
  thread other([&] {
    void* const block = block_of(s, 1);
    use_block(block, 1);
    s.give(1, block);
  });
  for (unsigned i = 0; i < more_than_there_is_room_for; ++i) {
    void* const block = new_block();
    use_block(block, 2);
    s.give(0, block);
  }
  other.join();
  unsigned kept = 0;
  while (void* const block = s.take(0)) {
    ++kept;
    ::operator delete(block);
  }
  check(kept <= more_than_there_is_room_for - 1, "no more is kept than there is room for");
  check(kept != 0, "something is kept");
}

MODEL(TwoWhoTakeAtOnceNeverHaveTheSameBlock, {.preemptions = 3}) {
  shelves s;
  s.give(0, new_block());
  s.give(0, new_block());
  const auto take_use_and_give = [&s](unsigned home) {
    void* const block = block_of(s, home);
    use_block(block, 1);
    s.give(home, block);
  };
  thread other([&] { take_use_and_give(0); });
  take_use_and_give(1);
  take_use_and_give(1);
  other.join();
  s.clear();
}

// A worker collects what it ends, and hangs up whole chains.
MODEL(CollectedBlockIsReusedAfterItsOtherUserIsDone, {.preemptions = 3}) {
  shelves s;
  void* const block = new_block();
  thread worker([&] {
    shelves::collection mine;
    use_block(block, 1);
    s.give(0, mine, block);
    for (unsigned i = 0; i < shelves::longest_chain; ++i) s.give(0, mine, new_block());
  });
  void* const newer = block_of(s, 0);
  void* const older = block_of(s, 0);
  use_block(newer, 2);
  use_block(older, 2);
  worker.join();
  ::operator delete(newer);
  ::operator delete(older);
  s.clear();
}

MODEL(FullCollectionWithoutRoomIsKept, {.preemptions = 0}) {
  shelves s;
  for (unsigned i = 0; i < shelves::number * shelves::longest_chain; ++i) s.give(0, new_block());
  shelves::collection mine;
  for (unsigned i = 0; i < 2 * shelves::longest_chain + 1; ++i) s.give(0, mine, new_block());
  unsigned kept = 0;
  while (void* const block = mine.take()) {
    ++kept;
    ::operator delete(block);
  }
  check(kept == shelves::longest_chain, "what is collected waits for room");
  s.clear();
}

MODEL(TwoWhoGiveAtOnceLoseNothing, {.preemptions = 3}) {
  shelves s;
  thread other([&] { s.give(0, new_block()); });
  s.give(0, new_block());
  other.join();
  s.clear();
}

// ---- tally ----

// A job of a root and its children as far as the counts see it: each task counts its children before they
// can be taken, and its end after everything that it did.
struct job {
  shard_room room;
  tally counts{room};
  worker crew[3];
  int result[3] = {};          // plain: read by the one that ends the job
  atomic<int> handed[3] = {};  // which tasks can be taken
  model::ledger ended{1};

  shard& of(unsigned w) { return counts.shard_of(crew[w]); }
  void begin(unsigned w) {
    add_as_only_writer(counts.first_shard(crew[w]).spawned, std::uint64_t{1}, release);
  }
  void spawn(unsigned w, int task) {
    add_as_only_writer(of(w).spawned, std::uint64_t{1}, release);
    handed[task].store(1, release);
  }
  void wait_for(int task) {
    while (handed[task].load(acquire) == 0) coppice::detail::relax();
  }
  void end(unsigned w, int task) {
    result[task] = 1;
    add_as_only_writer(of(w).succeeded, std::uint64_t{1}, release);
  }
  void look(unsigned w, int tasks) {
    static_cast<void>(w);
    if (!counts.claim_if_quiet()) return;
    for (int i = 0; i < tasks; ++i) check(result[i] == 1, "the job ends after all its tasks");
    check(counts.counts().ended() == static_cast<std::uint64_t>(tasks), "all ends are counted");
    ended.enter(0);
  }
};

MODEL(LastOfTwoWorkersEndsTheJobOnce, {.preemptions = 3}) {
  job j;
  thread other([&] {
    j.wait_for(1);
    j.end(1, 1);
    j.look(1, 2);
  });
  j.begin(0);
  j.spawn(0, 1);
  j.end(0, 0);
  j.look(0, 2);
  other.join();
  j.ended.check_exactly_once();
}

MODEL(JobOfAChainOverThreeWorkersEndsOnce, {.preemptions = 2}) {
  job j;
  thread second([&] {
    j.wait_for(1);
    j.spawn(1, 2);
    j.end(1, 1);
    j.look(1, 3);
  });
  thread third([&] {
    j.wait_for(2);
    j.end(2, 2);
    j.look(2, 3);
  });
  j.begin(0);
  j.spawn(0, 1);
  j.end(0, 0);
  j.look(0, 3);
  second.join();
  third.join();
  j.ended.check_exactly_once();
}

// As who asks for a report, or stops the job, from outside: nothing but the tally tells it of the first
// shard.
MODEL(OutsiderCountsWhileTheRootBegins, {}) {
  job j;
  thread outsider([&] {
    const coppice::detail::task_counts seen = j.counts.counts();
    check(seen.ended() <= seen.spawned && seen.spawned <= 1, "what is counted is a shard's");
  });
  j.begin(0);
  j.end(0, 0);
  j.look(0, 1);
  outsider.join();
  j.ended.check_exactly_once();
}

MODEL(WorkerThatLooksTwiceEndsTheJobOnce, {.preemptions = 2}) {
  job j;
  thread other([&] {
    j.wait_for(1);
    j.end(1, 1);
    j.look(1, 3);
    j.wait_for(2);
    j.end(1, 2);
    j.look(1, 3);
  });
  j.begin(0);
  j.spawn(0, 1);
  j.spawn(0, 2);
  j.end(0, 0);
  j.look(0, 3);
  other.join();
  j.ended.check_exactly_once();
}

}  // namespace
