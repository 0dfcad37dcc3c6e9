#include "streams/reader.hpp"

#include "streams/options.hpp"

namespace fuzz::streams {

namespace {

class reader {
 public:
  reader(coppice::results<item> from, const stream& s, std::uint32_t number, bystander& near,
         seen_stream& seen, troubles& wrong)
      : from_(std::move(from)), plan_(s), number_(number), near_(near), seen_(seen), wrong_(wrong) {
    near_.offer(number_, from_);
  }
  ~reader() { near_.withdraw(number_); }
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  void run() {
    if (!heed_stop()) return;
    if (!read_all()) return;
    wrong_.expect(from_.done() && !from_.next() && from_.begin() == from_.end(),
                  "an end that is none (C-33)");
    seen_.report = from_.report();
    for (coppice::task_error& e : seen_.report->errors) {
      seen_.kept.push_back(fate_of(std::exchange(e.exception, nullptr)));
      seen_.kept.back().name = e.name;
    }
  }

 private:
  // False: the reader leaves.
  bool heed_stop() {
    if (plan_.end == stop::none || seen_.results.size() != plan_.stop_at) return true;
    if (plan_.end == stop::cancel) seen_.cancelled_here = from_.cancel(readers_reason);
    if (plan_.end == stop::cancel_job) coppice::this_task::cancel_job(readers_reason);
    return plan_.end != stop::leave;
  }
  bool take(const coppice::result<item>& r) {
    seen_.results.push_back({r.index, fate_of(r)});
    return heed_stop();
  }

  bool read_all() {
    switch (plan_.how) {
      case reading::loop:
        for (const coppice::result<item>& r : from_)
          if (!take(r)) return false;
        return true;
      case reading::next:
        while (const auto r = from_.next())
          if (!take(*r)) return false;
        return true;
      case reading::both:
        return loop_and_next();
      case reading::by_two:
        return two_loops();
    }
    return true;
  }

  // What the loop stands at stays while next() reads behind it.
  bool loop_and_next() {
    for (const coppice::result<item>& r : from_) {
      if (!take(r)) return false;
      if (seen_.results.size() % 3 != 0) continue;
      const seen_result before = seen_.results.back();
      for (int i = 0; i < 2; ++i) {
        const auto further = from_.next();
        if (further && !take(*further)) return false;
      }
      wrong_.expect(r.index == before.index && fate_of(r) == before.end,
                    "what a loop stands at changed with next()");
    }
    return true;
  }

  // The stream is moved between two loops: the second one begins where the first was left.
  bool two_loops() {
    for (const coppice::result<item>& r : from_) {
      if (!take(r)) return false;
      if (seen_.results.size() == 1 + plan_.inputs / 2) break;
    }
    near_.withdraw(number_);
    coppice::results<item> moved = std::move(from_);
    from_ = std::move(moved);
    near_.offer(number_, from_);
    auto at = from_.begin();
    if (at == from_.end()) return true;
    wrong_.expect(!seen_.results.empty() && at->index == seen_.results.back().index,
                  "a second loop begins elsewhere than the first was left");
    for (++at; at != from_.end(); ++at)
      if (!take(*at)) return false;
    return true;
  }

  coppice::results<item> from_;
  const stream& plan_;
  const std::uint32_t number_;
  bystander& near_;
  seen_stream& seen_;
  troubles& wrong_;
};

}  // namespace

fate fate_of(const coppice::result<item>& r) {
  if (!r.ok()) {
    fate f = fate_of(r.error().exception);
    f.name = r.error().name;
    return f;
  }
  const item& value = r.value();
  if (value.alive.value() != 1 || value.input != r.index) return {fate::unknown};
  return {fate::value, value.value};
}

void read(coppice::results<item> from, const stream& s, std::uint32_t number, bystander& near,
          seen_stream& seen, troubles& wrong) {
  reader(std::move(from), s, number, near, seen, wrong).run();
}

}  // namespace fuzz::streams
