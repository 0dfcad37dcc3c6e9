// From a seed to a plan, as the trees' generator.
#include <algorithm>
#include <array>
#include <random>

#include "streams/plan.hpp"
#include "support/random.hpp"

namespace fuzz::streams {

namespace {

class generator {
 public:
  explicit generator(std::uint64_t seed) : random_(support::mixed(seed, 0x57ea)) { plan_.seed = seed; }

  plan make(unsigned workers) {
    constexpr std::array<unsigned, 5> crews{1, 2, 3, 8, 64};
    const unsigned chosen = crews.at(below(crews.size()));
    plan_.workers = workers != 0 ? workers : chosen;
    plan_.other_workers = 1 + below(2);
    plan_.spares = chance(4) ? below(2) : 256;
    plan_.queue = chance(2) ? 1 + below(2) : 8;
    stops_ = chance(2);
    functions_help_ = chance(2);
    const std::uint32_t count = chance(3) ? 2 + below(2) : 1;
    for (std::uint32_t i = 0; i < count; ++i) plan_.streams.push_back(make_stream());
    if (chance(4)) make_resizes();
    return plan_;
  }

 private:
  std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(random_() % n); }
  bool chance(std::uint64_t one_in) { return random_() % one_in == 0; }

  stream make_stream() {
    stream s;
    s.inputs = chance(5) ? below(3) : chance(4) ? below(400) : below(60);
    s.from = static_cast<source>(below(4));
    if ((s.from == source::numbers || s.from == source::generated) && chance(3))
      s.throws_at = below(s.inputs + 2);
    s.source_works = chance(3);
    s.reader = chance(2) ? place::outside : static_cast<place>(1 + below(3));
    s.made_outside = chance(2);
    s.how = static_cast<reading>(below(4));
    if (stops_ && chance(2)) {
      s.end = static_cast<stop>(1 + below(3));
      s.stop_at = below(s.inputs + 2);
    }
    if (stops_ && chance(4)) s.cancelled_after = below(2 * s.inputs + 2);
    if (chance(6)) {
      s.end = stop::none;
      s.cancelled_after = nothing;
      s.stages.push_back(stage_in_order(s));
      return s;
    }
    const std::uint32_t stages = 1 + below(3);
    const std::uint32_t busy_one = below(stages + 1);
    for (std::uint32_t k = 0; k < stages; ++k) s.stages.push_back(make_stage(s, k, k == busy_one));
    return s;
  }

  void make_resizes() {
    const std::uint32_t count = 1 + below(6);
    std::uint32_t after = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      after += below(20);
      const auto where = static_cast<place>(1 + below(3));
      plan_.resizes.push_back({after, where, chance(8) ? 16 : 1 + below(4)});
    }
  }

  // One that code there may wait for.
  place within_reach(place from, bool own_pool) {
    for (;;) {
      const auto to = static_cast<place>(1 + below(4));
      if (may_wait(from, to) && (own_pool || to != from || is_scheduler(from))) return to;
    }
  }

  stage make_stage(const stream& s, std::uint32_t k, bool busy) {
    constexpr std::array<std::size_t, 6> keeps{64, 64, 64, 1000, 3, 1};
    stage g;
    g.where = within_reach(s.reader, !functions_help_);
    g.capacity = chance(3) ? 1 + below(3) : chance(4) ? 1024 : 1 + below(40);
    g.ordered = chance(2);
    g.concurrency = chance(2) ? 1 + below(3) : 0;
    g.keep_errors = keeps.at(below(keeps.size()));
    g.shield = chance(4);
    g.recovers = k != 0 && chance(4);
    g.deadline = chance(8) ? limit::far : limit::none;
    if (stops_) {
      if (chance(20)) g.deadline = limit::passed;
      if (chance(2)) g.errors = rule(5);
    } else if (chance(4)) {
      g.errors = {policy::after, 1000};
    }
    const std::uint32_t count = busy ? 1 + below(4) : below(2);
    for (std::uint32_t i = 0; i < count; ++i) g.acts.push_back(make_action(g.where));
    return g;
  }

  // One input at a time: it is known where the policy stops it.
  stage stage_in_order(const stream& s) {
    stage g = make_stage(s, 0, true);
    g.concurrency = 1;
    g.deadline = limit::none;
    g.errors = rule(5);
    action a;
    a.what = chance(2) ? act::raise : act::fail;
    a.every = 1 + below(4);
    a.phase = below(a.every);
    g.acts.push_back(a);
    return g;
  }

  error_rule rule(std::uint32_t policies) {
    return {static_cast<policy>(below(policies)), 1 + below(chance(2) ? 4 : 20)};
  }

  action make_action(place here) {
    action a;
    a.every = chance(4) ? 1 : 2 + below(9);
    a.phase = below(a.every);
    a.amount = below(12);
    do {
      a.what = static_cast<act>(below(acts));
    } while (here == place::narrow && (a.what == act::job || a.what == act::task || a.what == act::stream));
    if (a.what == act::cancel_own && !stops_) a.what = act::join;
    if (a.what == act::own_pool) a.every += 8;
    if (a.what == act::raise || a.what == act::cancelled) a.every += 2 + below(6);
    if (a.what == act::job) {
      // FIFO functions wait for FIFO tasks only.
      if (!is_scheduler(here)) a.what = act::task;
      a.errors = rule(6);
      a.deadline = chance(6) ? limit::passed : chance(4) ? limit::far : limit::none;
      a.where = here == place::home && chance(2) ? place::home : place::other;
    }
    if (a.what == act::task) do
        a.where = within_reach(here, functions_help_);
      while (is_scheduler(a.where));
    if (a.what == act::stream) a.where = within_reach(here, functions_help_);
    return a;
  }

  std::mt19937_64 random_;
  plan plan_;
  bool stops_ = false;
  bool functions_help_ = false;
};

bool waits(const action& a) { return a.what == act::job || a.what == act::task || a.what == act::stream; }

bool is_valid(const stream& s) {
  if (s.stages.empty() || s.stages[0].recovers) return false;
  for (const stage& g : s.stages) {
    if (!may_wait(s.reader, g.where)) return false;
    if (g.capacity == 0 || g.errors.what == policy::serial_first) return false;
    for (const action& a : g.acts)
      if (waits(a) && !may_wait(g.where, a.where)) return false;
  }
  return true;
}

// What a FIFO worker runs while it waits lies on top of what waits: a reader on top of an input of its stream
// would wait for what is below it.
bool keeps_readers_off_inputs(const plan& p) {
  bool readers = false, inputs = false;
  for (const stream& s : p.streams)
    for (const stage& g : s.stages) {
      if (g.where != place::fifo) continue;
      readers = readers || s.reader == place::fifo;
      for (const action& a : g.acts) inputs = inputs || (waits(a) && a.where == place::fifo);
    }
  return !(readers && inputs);
}

// `narrow` is of one worker.
bool keeps_narrow(const plan& p) {
  return std::all_of(p.resizes.begin(), p.resizes.end(), [](const resizing& r) {
    return r.where != place::narrow && r.where != place::outside && r.workers != 0;
  });
}

}  // namespace

plan make_plan(std::uint64_t seed, unsigned workers) { return generator(seed).make(workers); }

bool may_wait(place from, place to) { return from <= to && from != place::narrow && to != place::outside; }

bool is_valid(const plan& p) {
  return !p.streams.empty() && keeps_readers_off_inputs(p) && keeps_narrow(p) &&
         std::all_of(p.streams.begin(), p.streams.end(), [](const stream& s) { return is_valid(s); });
}

}  // namespace fuzz::streams
