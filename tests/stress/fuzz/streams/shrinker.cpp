#include "streams/shrinker.hpp"

#include <utility>
#include <vector>

namespace fuzz::streams {

namespace {

// All that is one step simpler.
class steps {
 public:
  static std::vector<plan> of(const plan& p) {
    steps all(p);
    all.make();
    return std::move(all.made_);
  }

 private:
  explicit steps(const plan& p) : from_(p) {}

  template <class Change>
  void with(Change change) {
    plan p = from_;
    change(p);
    if (is_valid(p)) made_.push_back(std::move(p));
  }
  template <class List>
  static void erase(List& list, std::size_t i) {
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
  }

  void make() {
    for (std::size_t i = 0; i < from_.streams.size(); ++i) with([&](plan& p) { erase(p.streams, i); });
    for (const unsigned n : {1U, 2U, 3U})
      if (n < from_.workers) with([&](plan& p) { p.workers = n; });
    if (from_.other_workers != 1) with([&](plan& p) { p.other_workers = 1; });
    if (from_.spares != 256) with([&](plan& p) { p.spares = 256; });
    if (from_.queue != 8) with([&](plan& p) { p.queue = 8; });
    for (std::size_t i = 0; i < from_.streams.size(); ++i) simpler_stream(i);
    for (std::size_t i = 0; i < from_.resizes.size(); ++i) with([&](plan& p) { erase(p.resizes, i); });
  }

  void simpler_stream(std::size_t i) {
    const stream& s = from_.streams[i];
    for (std::size_t k = 0; k < s.stages.size(); ++k) {
      with([&](plan& p) { erase(p.streams[i].stages, k); });
      simpler_stage(i, k);
    }
    const auto set = [&](bool differs, auto change) {
      if (differs) with([&](plan& p) { change(p.streams[i]); });
    };
    set(s.inputs > 1, [](stream& x) { x.inputs /= 2; });
    set(s.inputs > 0, [](stream& x) { --x.inputs; });
    set(s.throws_at != nothing, [](stream& x) { x.throws_at = nothing; });
    set(s.from != source::vector, [](stream& x) { x.from = source::vector; });
    set(s.source_works, [](stream& x) { x.source_works = false; });
    set(s.reader != place::outside, [](stream& x) { x.reader = place::outside; });
    set(!s.made_outside, [](stream& x) { x.made_outside = true; });
    set(s.how != reading::next, [](stream& x) { x.how = reading::next; });
    set(s.end != stop::none, [](stream& x) { x.end = stop::none; });
    set(s.stop_at > 0, [](stream& x) { x.stop_at /= 2; });
    set(s.cancelled_after != nothing, [](stream& x) { x.cancelled_after = nothing; });
  }

  void simpler_stage(std::size_t i, std::size_t k) {
    const stage& g = from_.streams[i].stages[k];
    const auto set = [&](bool differs, auto change) {
      if (differs) with([&](plan& p) { change(p.streams[i].stages[k]); });
    };
    for (std::size_t a = 0; a < g.acts.size(); ++a) {
      set(true, [&](stage& x) { erase(x.acts, a); });
      set(g.acts[a].amount > 1, [&](stage& x) { x.acts[a].amount /= 2; });
      set(g.acts[a].errors.what != policy::collect_all, [&](stage& x) { x.acts[a].errors = {}; });
      set(g.acts[a].deadline != limit::none, [&](stage& x) { x.acts[a].deadline = limit::none; });
    }
    set(g.where != place::home, [](stage& x) { x.where = place::home; });
    set(g.capacity != 16, [](stage& x) { x.capacity = 16; });
    set(g.ordered, [](stage& x) { x.ordered = false; });
    set(g.concurrency != 0, [](stage& x) { x.concurrency = 0; });
    set(g.errors.what != policy::collect_all, [](stage& x) { x.errors = {}; });
    set(g.deadline != limit::none, [](stage& x) { x.deadline = limit::none; });
    set(g.keep_errors != 64, [](stage& x) { x.keep_errors = 64; });
    set(g.shield, [](stage& x) { x.shield = false; });
    set(g.recovers, [](stage& x) { x.recovers = false; });
  }

  const plan& from_;
  std::vector<plan> made_;
};

}  // namespace

plan shrink(plan p, const std::function<bool(const plan&)>& fails) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (plan& candidate : steps::of(p)) {
      if (!fails(candidate)) continue;
      p = std::move(candidate);
      smaller = true;
      break;
    }
  }
  return p;
}

}  // namespace fuzz::streams
