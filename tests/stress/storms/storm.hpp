// A storm: something that the scheduler promises, at times that are drawn anew in each round.
//
// A round takes milliseconds. It draws all its times from `random`, so the seed says what was asked for; what
// the threads make of it differs from run to run. What is wrong is thrown as storm_failed; what hangs is the
// watchdog's.
#pragma once

#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace storms {

struct storm_failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws storm_failed with the claim unless it holds.
void expect(bool holds, const std::string& claim);
/// What holds for each report: the counts add up, and the outcome agrees with them.
void expect_sound(const coppice::job_report& report);

class round {
 public:
  round(std::uint64_t seed, unsigned workers) : random_(seed), workers_(workers) {}

  /// A number from least to most.
  std::uint64_t between(std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(random_);
  }
  bool one_in(std::uint64_t n) { return between(1, n) == 1; }
  /// A time from nothing to `most`.
  std::chrono::nanoseconds moment(std::chrono::microseconds most) {
    return std::chrono::nanoseconds(between(0, static_cast<std::uint64_t>(most.count()) * 1000));
  }
  /// Workers for a scheduler: as many as were asked for, or drawn.
  unsigned workers() { return workers_ != 0 ? workers_ : static_cast<unsigned>(between(1, 8)); }

 private:
  std::mt19937_64 random_;
  const unsigned workers_;
};

/// Keeps this thread busy for some time.
void busy_for(std::chrono::nanoseconds time);
/// Stands still for some time, as in a call to a disk or a server.
void stand_still_for(std::chrono::nanoseconds time);

struct storm {
  const char* name;
  void (*run)(round&);
};

/// All of them, in the order in which they take turns.
const std::vector<storm>& all_storms();

/// Runs storms in turns until `until`, each at least once, only the one with this name unless it is empty.
/// Round n of a seed draws the same whatever ran before. Returns the number of rounds. `progress` is called
/// after each.
std::uint64_t run_storms(std::uint64_t seed, unsigned workers, const std::string& only,
                         std::chrono::steady_clock::time_point until, const std::function<void()>& progress);

void schedulers_come_and_go(round& r);
void submit_and_stop(round& r);
void cancel_and_finish(round& r);
void deadline_and_finish(round& r);
void handle_dropped(round& r);
void single_hand_overs(round& r);
void branches_that_meet(round& r);
void long_leaf(round& r);
void two_schedulers(round& r);
void more_workers_than_cores(round& r);
void stand_still_and_resize(round& r);
void stand_still_and_stop(round& r);

}  // namespace storms
