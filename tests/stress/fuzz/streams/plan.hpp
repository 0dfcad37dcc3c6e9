// A plan: some streams at a time, with what their functions do, as a value. It can be run, judged, made
// smaller, and printed.
//
// What happens to an input depends on its number only, so a plan has one outcome unless something stops it.
// A place waits only for itself and for places after it in `place`: so every wait ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "program.hpp"

namespace fuzz::streams {

/// Where code runs. `narrow` is a FIFO pool of one worker whose functions wait for nothing.
enum class place : std::uint8_t { outside, home, other, fifo, narrow };
constexpr bool is_scheduler(place p) { return p == place::home || p == place::other; }

enum class policy : std::uint8_t { collect_all, fail_fast, after, fraction, when, serial_first };
/// fraction: more than half of at least `amount`. when: see stops_when.
struct error_rule {
  policy what = policy::collect_all;
  std::uint32_t amount = 1;
};

enum class act : std::uint8_t {
  raise,        ///< throws
  fail,         ///< this_task::fail, and goes on
  cancelled,    ///< throws coppice::cancelled, which nobody has asked for
  join,         ///< a tree of joins
  caught_join,  ///< a join of which two branches throw, and a handler
  groups,       ///< two groups by turns; with an odd `amount` one child throws, and a handler
  job,          ///< a job there: `amount` children, every third of which throws
  task,         ///< FIFO tasks there, some of which throw, and a handler
  stream,       ///< a stream there, which is read; with an odd `amount` not to its end
  own_pool,     ///< a pool of its own, which ends before its stream is read
  blocking,     ///< stands still
  cancel_own,   ///< this_task::cancel_job, and goes on
};
inline constexpr std::size_t acts = 12;

/// Of inputs whose number is `phase` modulo `every`.
struct action {
  act what = act::join;
  std::uint32_t every = 1, phase = 0;
  std::uint32_t amount = 1;
  place where = place::home;
  error_rule errors = {};
  limit deadline = limit::none;
  bool concerns(std::uint32_t input) const { return input % every == phase; }
};

struct stage {
  place where = place::home;
  std::size_t capacity = 16;
  bool ordered = false;
  unsigned concurrency = 0;
  error_rule errors = {};
  limit deadline = limit::none;  ///< none, passed or far
  std::size_t keep_errors = 64;
  bool shield = false;
  bool recovers = false;  ///< takes results, and makes values of errors; not the first stage
  std::vector<action> acts = {};
};

enum class source : std::uint8_t { vector, numbers, generated, filtered };
enum class reading : std::uint8_t { loop, next, both, by_two };
enum class stop : std::uint8_t { none, leave, cancel, cancel_job };
inline constexpr const char* readers_reason = "the reader has enough";
inline constexpr const char* bystanders_reason = "a bystander has enough";

struct stream {
  std::uint32_t inputs = 10;
  source from = source::vector;
  std::uint32_t throws_at = nothing;  ///< the source, which `numbers` and `generated` do
  bool source_works = false;          ///< `generated` forks
  std::vector<stage> stages = {};
  place reader = place::outside;
  bool made_outside = true;  ///< else where it is read
  reading how = reading::loop;
  stop end = stop::none;
  std::uint32_t stop_at = 0;  ///< after so many results
  /// A bystander cancels it when its functions have begun so often, if it is being read then.
  std::uint32_t cancelled_after = nothing;
};

/// A bystander gives a scheduler or pool another number of workers when so many functions of the plan have
/// begun. The first ones come first.
struct resizing {
  std::uint32_t after = 0;
  place where = place::home;
  unsigned workers = 1;
};

struct plan {
  std::uint64_t seed = 0;
  unsigned workers = 1, other_workers = 1;
  unsigned spares = 256;
  std::size_t queue = 4;  ///< of both FIFO pools
  std::vector<stream> streams = {};
  std::vector<resizing> resizes = {};
};

/// The plan of a seed.
plan make_plan(std::uint64_t seed, unsigned workers = 0);
std::string to_text(const plan& p);
/// Whether code at `from` may wait for what runs at `to`.
bool may_wait(place from, place to);
/// Whether the plan keeps the rules that the generator keeps.
bool is_valid(const plan& p);

/// Numbers of errors, for node_error.
constexpr std::uint32_t error_of(std::uint32_t stage, std::uint32_t act, std::uint32_t input) {
  return (stage * 16 + act) * 10000 + input;
}
constexpr std::uint32_t source_error(std::uint32_t input) { return 9000000 + input; }

}  // namespace fuzz::streams
