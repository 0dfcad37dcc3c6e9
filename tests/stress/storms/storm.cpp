#include "storm.hpp"

#include <condition_variable>
#include <mutex>
#include <sstream>

#include "support/random.hpp"

namespace storms {

void expect(bool holds, const std::string& claim) {
  if (!holds) throw storm_failed("not so: " + claim);
}

void expect_sound(const coppice::job_report& r) {
  std::ostringstream text;
  text << r;
  expect(r.spawned == r.succeeded + r.failed + r.cancelled + r.skipped, "the counts add up: " + text.str());
  expect((r.result == coppice::outcome::failed) == (r.errors_total != 0),
         "failed means errors: " + text.str());
  if (r.result == coppice::outcome::cancelled || r.result == coppice::outcome::deadline_exceeded)
    expect(r.cancel.has_value() && r.cancelled + r.skipped != 0,
           "a stop has a record and lost something: " + text.str());
}

void busy_for(std::chrono::nanoseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
  }
}

void stand_still_for(std::chrono::nanoseconds time) {
  std::mutex lock;
  std::condition_variable never;
  std::unique_lock hold(lock);
  const auto until = std::chrono::steady_clock::now() + time;
  while (never.wait_until(hold, until) != std::cv_status::timeout) {
  }
}

const std::vector<storm>& all_storms() {
  static const std::vector<storm> all{{"schedulers_come_and_go", &schedulers_come_and_go},
                                      {"submit_and_stop", &submit_and_stop},
                                      {"cancel_and_finish", &cancel_and_finish},
                                      {"deadline_and_finish", &deadline_and_finish},
                                      {"handle_dropped", &handle_dropped},
                                      {"single_hand_overs", &single_hand_overs},
                                      {"branches_that_meet", &branches_that_meet},
                                      {"long_leaf", &long_leaf},
                                      {"two_schedulers", &two_schedulers},
                                      {"more_workers_than_cores", &more_workers_than_cores},
                                      {"stand_still_and_resize", &stand_still_and_resize},
                                      {"stand_still_and_stop", &stand_still_and_stop}};
  return all;
}

std::uint64_t run_storms(std::uint64_t seed, unsigned workers, const std::string& only,
                         std::chrono::steady_clock::time_point until, const std::function<void()>& progress) {
  std::uint64_t rounds = 0;
  for (std::uint64_t turn = 0; turn == 0 || std::chrono::steady_clock::now() < until; ++turn)
    for (const storm& s : all_storms()) {
      if (!only.empty() && only != s.name) continue;
      round r(support::mixed(seed, turn), workers);
      try {
        s.run(r);
      } catch (const std::exception& e) {
        throw storm_failed(std::string(s.name) + ", turn " + std::to_string(turn) + ": " + e.what());
      }
      ++rounds;
      progress();
    }
  return rounds;
}

}  // namespace storms
