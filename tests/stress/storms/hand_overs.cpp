// Work that comes at the moment when workers are about to park. A wake-up that is lost is a hang.
#include <algorithm>
#include <atomic>
#include <thread>

#include "storm.hpp"

namespace storms {

namespace {

// Workers search for 50 us before they sleep: busy times from nothing to well beyond that.
constexpr std::chrono::microseconds around_a_park{200};

// Spins, and on a machine with fewer cores than that takes lets the others run.
template <class Over>
void stand_until(const Over& over) {
  while (!over()) std::this_thread::yield();
}

}  // namespace

void single_hand_overs(round& r) {
  coppice::scheduler scheduler({.workers = r.workers()});
  int handed = 0;  // plain on purpose
  for (int n = 0; n < 100; ++n) {
    busy_for(r.moment(around_a_park));
    switch (r.between(0, 2)) {
      case 0:
        scheduler.run([&] { ++handed; });
        break;
      case 1:
        scheduler.run([&] { coppice::spawn([&] { ++handed; }); });
        break;
      default: {
        const auto leaf = r.moment(around_a_park / 4);
        scheduler.run([&] {
          coppice::task_group group;
          group.spawn([&] { ++handed; });
          busy_for(leaf);
          group.wait();
        });
      }
    }
    expect(handed == n + 1, "a task that was waited for has run");
  }
}

void branches_that_meet(round& r) {
  const unsigned workers = std::max(2U, r.workers());
  coppice::scheduler scheduler({.workers = workers});
  for (int n = 0; n < 40; ++n) {
    busy_for(r.moment(around_a_park));
    // As many branches as workers at most: each stands until all have come, so each needs a worker of its
    // own.
    const auto wanted = static_cast<unsigned>(r.between(2, std::min(workers, 4U)));
    std::atomic<unsigned> met{0};
    const auto before = r.moment(around_a_park / 4);
    const auto meet = [&] {
      met.fetch_add(1);
      stand_until([&] { return met.load() >= wanted; });
    };
    scheduler.run([&] {
      busy_for(before);
      if (wanted == 2)
        coppice::join(meet, meet);
      else if (wanted == 3)
        coppice::join(meet, meet, meet);
      else
        coppice::join(meet, meet, meet, meet);
    });
    expect(met.load() == wanted, "every branch came");
  }
}

void long_leaf(round& r) {
  const unsigned workers = std::max(2U, r.workers());
  coppice::scheduler scheduler({.workers = workers});
  for (int n = 0; n < 20; ++n) {
    const auto tasks = static_cast<unsigned>(r.between(1, 2 * workers));
    std::vector<std::chrono::nanoseconds> pauses(tasks);
    for (auto& p : pauses) p = r.one_in(3) ? r.moment(around_a_park / 2) : std::chrono::nanoseconds(0);
    const auto work = r.moment(around_a_park / 8);
    const bool by_joins = r.one_in(2);
    std::atomic<unsigned> ran{0};
    const auto leaf = [&] { stand_until([&] { return ran.load() == tasks; }); };
    const auto task = [&] {
      busy_for(work);
      ran.fetch_add(1);
    };
    const auto nest = [&](const auto& self, unsigned left) -> void {
      if (left == 0) return leaf();
      busy_for(pauses[left - 1]);
      coppice::join([&] { self(self, left - 1); }, task);
    };
    scheduler.run([&] {
      if (by_joins) return nest(nest, tasks);
      coppice::task_group group;
      for (const auto pause : pauses) {
        busy_for(pause);
        group.spawn(task);
      }
      leaf();
      group.wait();
    });
    expect(ran.load() == tasks, "others ran what lay behind the leaf");
  }
}

}  // namespace storms
