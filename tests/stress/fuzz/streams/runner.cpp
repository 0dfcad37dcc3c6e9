#include "streams/runner.hpp"

#include <memory>
#include <mutex>
#include <numeric>
#include <ranges>
#include <thread>

#include "observation.hpp"
#include "streams/bystander.hpp"
#include "streams/item.hpp"
#include "streams/options.hpp"
#include "streams/oracle.hpp"
#include "streams/reader.hpp"
#include "streams/stage_values.hpp"
#include "streams/work.hpp"
#include "support/ledger.hpp"
#include "support/streams.hpp"

namespace fuzz::streams {

namespace {

using coppice::result;
using coppice::results;

// What the handler of unobserved errors hears while a plan runs.
std::mutex told_lock;
std::vector<coppice::job_report> told;
void hear(const coppice::job_report& r) {
  const std::lock_guard hold(told_lock);
  told.push_back(r);
  for (coppice::task_error& e : told.back().errors) e.exception = nullptr;
}

// One stream: makes it, and is what its functions work on.
class performance {
 public:
  performance(const stream& s, std::uint32_t number, world& on, bystander& near, seen_stream& seen,
              troubles& wrong)
      : plan_(s),
        number_(number),
        on_(on),
        near_(near),
        seen_(seen),
        wrong_(wrong),
        work_(on, wrong),
        inputs_(s.inputs) {
    std::iota(inputs_.begin(), inputs_.end(), 0);
    for (std::size_t k = 0; k < s.stages.size(); ++k)
      entered_.push_back(std::make_unique<support::ledger>(s.inputs + 1));
  }

  void perform() {
    if (plan_.made_outside) {
      results<item> made = make();
      on_.run(plan_.reader, [&] { read(std::move(made), plan_, number_, near_, seen_, wrong_); });
    } else {
      on_.run(plan_.reader, [&] { read(make(), plan_, number_, near_, seen_, wrong_); });
    }
    for (const auto& ledger : entered_) {
      std::vector<unsigned>& times = seen_.entered.emplace_back();
      for (std::size_t i = 0; i <= plan_.inputs; ++i) times.push_back(ledger->times(i));
    }
  }

 private:
  results<item> make() {
    results<item> s = first();
    for (std::uint32_t k = 1; k < plan_.stages.size(); ++k) s = next(std::move(s), k);
    return s;
  }

  coppice::stream_options options(std::uint32_t k) const {
    const stage& g = plan_.stages[k];
    return {.capacity = g.capacity,
            .ordered = g.ordered,
            .concurrency = g.concurrency,
            .name = name_of(number_, k),
            .errors = policy_of(g.errors),
            .deadline = deadline_of(g.deadline),
            .keep_errors = g.keep_errors,
            .shield = g.shield};
  }

  results<item> first() {
    const place where = plan_.stages[0].where;
    // Lives as long as the function.
    const auto f = [this, alive = support::tracked(1)](int i) {
      const auto input = static_cast<std::uint32_t>(i);
      return pass(0, item(input, first_value(input)));
    };
    const auto n = static_cast<int>(plan_.inputs);
    switch (plan_.from) {
      case source::vector:
        return on_.map(where, inputs_, f, options(0));
      case source::numbers:
        return on_.map(where,
                       std::views::iota(0, n) | std::views::transform([this](int i) { return asked(i); }), f,
                       options(0));
      case source::filtered:
        return on_.map(where, std::views::iota(0, 2 * n) | std::views::filter([](int i) {
                                return i % 2 == 0;
                              }) | std::views::transform([](int i) { return i / 2; }),
                       f, options(0));
      case source::generated:
        break;
    }
    return on_.map(where, support::generated([this, n, next = 0]() mutable -> std::optional<int> {
                     const int i = next++;
                     if (plan_.source_works) work_.fork_a_little();
                     asked(i);
                     return i < n ? std::optional<int>(i) : std::nullopt;
                   }),
                   f, options(0));
  }
  int asked(int i) const {
    const auto input = static_cast<std::uint32_t>(i);
    if (input == plan_.throws_at) throw counted_error(source_error(input));
    return i;
  }

  results<item> next(results<item>&& before, std::uint32_t k) {
    const stage& g = plan_.stages[k];
    if (!g.recovers)
      return on_.map(
          g.where, std::move(before),
          [this, k, alive = support::tracked(1)](item in) { return pass(k, std::move(in)); }, options(k));
    return on_.map(
        g.where, std::move(before),
        [this, k, alive = support::tracked(1)](result<item> in) {
          if (in.ok()) return pass(k, std::move(in).value());
          return pass(k, item(static_cast<std::uint32_t>(in.index), recovered(fate_of(in))));
        },
        options(k));
  }

  item pass(std::uint32_t k, item in) {
    const stage& g = plan_.stages[k];
    entered_[k]->enter(in.input);
    near_.function_begins(number_);
    for (std::uint32_t a = 0; a < g.acts.size(); ++a) {
      if (!g.acts[a].concerns(in.input)) continue;
      work_.perform(g.acts[a], g.where, error_of(k, a, in.input));
      in.value = worked(in.value, a);
    }
    return in;
  }

  const stream& plan_;
  const std::uint32_t number_;
  world& on_;
  bystander& near_;
  seen_stream& seen_;
  troubles& wrong_;
  work work_;
  std::vector<int> inputs_;
  std::vector<std::unique_ptr<support::ledger>> entered_;
};

}  // namespace

observation run(const plan& p, world& on) {
  observation seen;
  seen.streams.resize(p.streams.size());
  troubles wrong;
  coppice::set_unobserved_error_handler(hear);
  auto near = std::make_unique<bystander>(p, on, seen);
  const auto one = [&](std::uint32_t i) {
    try {
      performance(p.streams[i], i, on, *near, seen.streams[i], wrong).perform();
    } catch (const std::exception& e) {
      wrong.tell("stream ", i, " could not be read: ", e.what());
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::uint32_t i = 1; i < p.streams.size(); ++i) others.emplace_back(one, i);
    one(0);
  }
  near.reset();
  seen.values_left = support::tracked::live();
  coppice::set_unobserved_error_handler(nullptr);
  seen.trouble = wrong.take();
  const std::lock_guard hold(told_lock);
  for (coppice::job_report& r : std::exchange(told, {}))
    for (std::uint32_t i = 0; i < p.streams.size(); ++i)
      for (std::uint32_t k = 0; k < p.streams[i].stages.size(); ++k)
        if (r.name == name_of(i, k)) seen.streams[i].told.push_back(r);
  return seen;
}

}  // namespace fuzz::streams
