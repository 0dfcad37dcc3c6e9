// Sorts N pseudo-random numbers in place. Shows forks that share one array: each branch has its own part of
// it, and join returns when both are done, so nothing needs a lock. The result is a checksum that depends on
// the order.
//
//   $ quicksort 1000000
//   quicksort(1000000) = 7062095307481620451 (0.050 s, 2 workers)
//   $ quicksort 1000000 --json
//   {"result":7062095307481620451,"seconds":0.0502,"workers":2}
#include <fmt/format.h>

#include <algorithm>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/command_line.hpp"
#include "support/program.hpp"

namespace {

using numbers = std::span<std::uint64_t>;

// Below this insertion is faster than partition: a matter of sorting, not of tasks.
constexpr std::size_t few = 24;

void insertion_sort(numbers v) {
  for (std::size_t i = 1; i < v.size(); ++i)
    for (std::size_t j = i; j != 0 && v[j] < v[j - 1]; --j) std::swap(v[j], v[j - 1]);
}

std::uint64_t median(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

// Everything before the returned place is at most everything from there on; both parts are smaller than v.
std::size_t partition(numbers v) {
  const std::uint64_t pivot = median(v[0], v[v.size() / 2], v[v.size() - 1]);
  std::size_t i = 0, j = v.size() - 1;
  for (;; ++i, --j) {
    while (v[i] < pivot) ++i;
    while (pivot < v[j]) --j;
    if (i >= j) return std::max<std::size_t>(i, 1);
    std::swap(v[i], v[j]);
  }
}

void quicksort(numbers v) {
  if (v.size() <= few) return insertion_sort(v);
  const std::size_t middle = partition(v);
  coppice::join([=] { quicksort(v.first(middle)); }, [=] { quicksort(v.subspan(middle)); });
}

void serial_quicksort(numbers v) {
  if (v.size() <= few) return insertion_sort(v);
  const std::size_t middle = partition(v);
  serial_quicksort(v.first(middle));
  serial_quicksort(v.subspan(middle));
}

// splitmix64: the same numbers everywhere.
std::vector<std::uint64_t> pseudo_random(std::size_t n) {
  std::vector<std::uint64_t> v(n);
  std::uint64_t state = 0;
  for (std::uint64_t& x : v) {
    x = state += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
  }
  return v;
}

std::uint64_t checksum(const std::vector<std::uint64_t>& v) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const std::uint64_t x : v) sum = (sum ^ x) * 0x100000001b3;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line(
      "Sorts N pseudo-random numbers; the result is a checksum of the sorted sequence.", "quicksort");
  support::run_options options;
  std::size_t n = 0;
  line.add_option("N", n, "How many numbers").required().within(std::size_t{0}, std::size_t{1} << 32);
  support::add_run_options(line, options);
  return support::run_program(line, argc, argv, [&] {
    std::vector<std::uint64_t> v = pseudo_random(n);
    const auto sorted = [&](auto sort) {
      return [&v, sort] {
        sort(v);
        return true;
      };
    };
    const auto m = support::measure(options, sorted(serial_quicksort), sorted(quicksort));
    if (!std::is_sorted(v.begin(), v.end())) throw std::logic_error("the result is not sorted");
    support::print(options, fmt::format("quicksort({})", n), {checksum(v), m.seconds, m.workers});
    return 0;
  });
}
