// A round trip through many cities, as short as can be found in a given time. Shows an anytime computation: a
// job with a deadline, tasks that leave promptly when it has passed, and a result that is good whenever one
// looks.
//
//   $ deadline --budget 200
//   200 cities, 61 starts of 1048576: the shortest tour is 11.002, from start 1048570
//   job "tour" exceeded its deadline after 200 ms
//     tasks: 153 spawned, 116 succeeded, 0 failed, 2 cancelled, 35 skipped
//     stopped by outside: its deadline was reached (2 tasks were running, quiet 54.1 us later)
#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <tuple>
#include <vector>

#include "support/command_line.hpp"
#include "support/program.hpp"

template <>
struct fmt::formatter<coppice::job_report> : fmt::ostream_formatter {};

namespace {

struct city {
  double x, y;
};

double distance(const city& a, const city& b) { return std::hypot(a.x - b.x, a.y - b.y); }

using tour = std::vector<std::size_t>;

// The engine's numbers are the same everywhere, those of the standard distributions are not.
std::vector<city> scatter(std::size_t n) {
  std::mt19937 random(1);
  const auto coordinate = [&] { return static_cast<double>(random()) / 4294967296.0; };
  std::vector<city> cities(n);
  for (city& c : cities) {
    c.x = coordinate();
    c.y = coordinate();
  }
  return cities;
}

tour random_tour(std::size_t n, std::uint64_t start) {
  std::mt19937_64 random(start);
  tour t(n);
  std::iota(t.begin(), t.end(), std::size_t{0});
  for (std::size_t i = n; i > 1; --i) std::swap(t[i - 1], t[random() % i]);
  return t;
}

double length(const std::vector<city>& cities, const tour& t) {
  double sum = distance(cities[t.back()], cities[t.front()]);
  for (std::size_t i = 1; i < t.size(); ++i) sum += distance(cities[t[i - 1]], cities[t[i]]);
  return sum;
}

// Turns parts of the tour round for as long as that makes it shorter (2-opt), or until the job is stopped:
// what there is by then is a tour as well. False: it was stopped.
bool shorten(const std::vector<city>& cities, tour& t) {
  for (bool better = true; better;) {
    better = false;
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      if (coppice::this_task::stop_requested()) return false;
      for (std::size_t j = i + 1; j < t.size(); ++j) {
        const city &a = cities[t[i]], &b = cities[t[i + 1]], &c = cities[t[j]],
                   &d = cities[t[(j + 1) % t.size()]];
        if (distance(a, c) + distance(b, d) >= distance(a, b) + distance(c, d) - 1e-12) continue;
        std::reverse(t.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                     t.begin() + static_cast<std::ptrdiff_t>(j) + 1);
        better = true;
      }
    }
  }
  return true;
}

class search {
 public:
  struct candidate {
    double length;
    std::uint64_t start;
  };

  explicit search(std::vector<city> cities) : cities_(std::move(cities)) {}

  // Spawned halves: the queue holds as many tasks as the range has binary digits, however long it is.
  void range(std::uint64_t first, std::uint64_t last) {
    if (last - first == 1) return one_start(first);
    const std::uint64_t middle = first + (last - first) / 2;
    coppice::spawn([this, first, middle] { range(first, middle); });
    coppice::spawn([this, middle, last] { range(middle, last); });
  }

  // At any time, from any thread.
  std::optional<candidate> best() const {
    const std::lock_guard hold(mutex_);
    return best_;
  }
  std::uint64_t tried() const {
    const std::lock_guard hold(mutex_);
    return tried_;
  }
  std::size_t cities() const { return cities_.size(); }

 private:
  void one_start(std::uint64_t start) {
    tour t = random_tour(cities_.size(), start);
    const bool finished = shorten(cities_, t);
    offer({length(cities_, t), start});
    // So that the report counts this task as cancelled.
    if (!finished) coppice::this_task::throw_if_stopped();
  }

  void offer(candidate c) {
    const std::lock_guard hold(mutex_);
    ++tried_;
    // Of equal ones the earliest, whoever comes first.
    if (!best_ || std::tie(c.length, c.start) < std::tie(best_->length, best_->start)) best_ = c;
  }

  const std::vector<city> cities_;
  mutable std::mutex mutex_;  // guards the rest
  std::optional<candidate> best_;
  std::uint64_t tried_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  support::command_line line(
      "Looks for a short round trip until the time is up; the exit status is 1 if there was time for none.",
      "deadline");
  unsigned workers = 0, budget = 200;
  std::size_t cities = 200;
  std::uint64_t starts = std::uint64_t{1} << 20;
  support::add_workers_option(line, workers);
  line.add_option("--budget", budget, "Milliseconds").within(0, 1000000000).shows_default();
  line.add_option("--cities", cities, "How many cities").within(3, 100000).shows_default();
  line.add_option("--starts", starts, "How many tours to begin with")
      .within(std::uint64_t{1}, std::uint64_t{1} << 60)
      .shows_default();
  return support::run_program(line, argc, argv, [&] {
    search tours(scatter(cities));
    coppice::scheduler scheduler({.workers = workers});
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(budget);
    auto job = scheduler.submit([&] { tours.range(0, starts); }, {.name = "tour", .deadline = until});
    const coppice::job_report& report = job.wait();
    const auto best = tours.best();
    if (best)
      fmt::print("{} cities, {} starts of {}: the shortest tour is {:.3f}, from start {}\n", tours.cities(),
                 tours.tried(), starts, best->length, best->start);
    else
      fmt::print("no tour in {} ms\n", budget);
    fmt::print("{}", report);
    return best ? 0 : 1;
  });
}
