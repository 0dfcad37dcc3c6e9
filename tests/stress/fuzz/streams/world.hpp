// The two schedulers and the two FIFO pools that a plan runs on.
#pragma once

#include <coppice/coppice.hpp>
#include <coppice/fifo_pool.hpp>
#include <map>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "streams/plan.hpp"

namespace fuzz::streams {

struct world {
  explicit world(const plan& p)
      : home({.workers = p.workers, .max_spare_workers = p.spares, .name = "home"}),
        other({.workers = p.other_workers,
               .injection_capacity = 2,
               .max_spare_workers = p.spares,
               .name = "other"}),
        fifo({.workers = p.other_workers,
              .queue_capacity = p.queue,
              .on_recursion = coppice::recursion::help,
              .name = "fifo"}),
        narrow({.workers = 1, .queue_capacity = p.queue, .name = "narrow"}) {}

  coppice::scheduler& scheduler(place p) { return p == place::other ? other : home; }
  coppice::fifo_pool& pool(place p) { return p == place::narrow ? narrow : fifo; }

  /// How many workers a plan gives it at the beginning.
  static unsigned workers_of(place p, const plan& of) {
    return p == place::home ? of.workers : p == place::narrow ? 1 : of.other_workers;
  }
  void resize(place p, unsigned workers) {
    if (is_scheduler(p))
      scheduler(p).resize(workers);
    else
      pool(p).resize(workers);
  }

  template <class Range, class F>
  auto map(place where, Range&& inputs, F f, coppice::stream_options options) {
    if (is_scheduler(where))
      return scheduler(where).map(std::forward<Range>(inputs), std::move(f), std::move(options));
    return pool(where).map(std::forward<Range>(inputs), std::move(f), std::move(options));
  }
  /// Runs f there and waits.
  ///
  /// Throws: what f throws, which of a job may be another.
  template <class F>
  void run(place where, F&& f) {
    if (where == place::outside)
      f();
    else if (is_scheduler(where))
      run_as_job(scheduler(where), f);
    else
      pool(where).submit(f).get();
  }

  coppice::scheduler home, other;
  coppice::fifo_pool fifo, narrow;

 private:
  // It may have been cancelled, and have returned all the same.
  template <class F>
  static void run_as_job(coppice::scheduler& s, F& f) {
    bool returned = false;
    auto job = s.submit([&] {
      f();
      returned = true;
    });
    if (const coppice::job_report& r = job.wait(); !returned)
      throw std::runtime_error(r.errors.empty() ? "the job was left by a cancel" : r.errors[0].message);
  }
};

/// Worlds are kept for the next plan that wants such a one.
class worlds {
 public:
  world& of(const plan& p) {
    auto& made = made_[{p.workers, p.other_workers, p.spares, p.queue}];
    if (!made) made = std::make_unique<world>(p);
    return *made;
  }

 private:
  std::map<std::tuple<unsigned, unsigned, unsigned, std::size_t>, std::unique_ptr<world>> made_;
};

}  // namespace fuzz::streams
