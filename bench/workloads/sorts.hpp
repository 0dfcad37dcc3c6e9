// quicksort: an unequal halving, and serial work before the fork.
// cilksort: a merge sort in quarters whose merges are forked too. Source: the sort of the Cilk examples.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "workloads/base.hpp"

namespace bench {

/// Below this many elements both sort serially: their splitting costs more than the work. It is a property of
/// the algorithm, the same for all runtimes.
inline constexpr std::ptrdiff_t sort_leaf = 256;

using number_iterator = std::uint64_t*;

template <class Verbs>
void quicksort(number_iterator first, number_iterator last) {  // NOLINT(misc-no-recursion)
  if (last - first <= sort_leaf) return std::sort(first, last);
  const number_iterator middle = first + (last - first) / 2;
  const std::uint64_t pivot =
      std::max(std::min(*first, *middle), std::min(std::max(*first, *middle), last[-1]));
  const number_iterator less = std::partition(first, last, [=](std::uint64_t x) { return x < pivot; });
  const number_iterator more = std::partition(less, last, [=](std::uint64_t x) { return x == pivot; });
  Verbs::all([=] { quicksort<Verbs>(first, less); }, [=] { quicksort<Verbs>(more, last); });
}

template <class Verbs>
void merge_runs(number_iterator a, number_iterator a_end, number_iterator b,  // NOLINT(misc-no-recursion)
                number_iterator b_end, number_iterator out) {
  if (a_end - a < b_end - b) {
    std::swap(a, b);
    std::swap(a_end, b_end);
  }
  if (a_end - a <= sort_leaf) {
    std::merge(a, a_end, b, b_end, out);
    return;
  }
  const number_iterator a_cut = a + (a_end - a) / 2;
  const number_iterator b_cut = std::lower_bound(b, b_end, *a_cut);
  Verbs::all([=] { merge_runs<Verbs>(a, a_cut, b, b_cut, out); },
             [=] { merge_runs<Verbs>(a_cut, a_end, b_cut, b_end, out + (a_cut - a) + (b_cut - b)); });
}

template <class Verbs>
void cilksort(number_iterator first, std::ptrdiff_t n, number_iterator room) {  // NOLINT(misc-no-recursion)
  if (n <= sort_leaf) return std::sort(first, first + n);
  const std::ptrdiff_t q = n / 4;
  const std::ptrdiff_t rest = n - 3 * q;
  Verbs::all([=] { cilksort<Verbs>(first, q, room); }, [=] { cilksort<Verbs>(first + q, q, room + q); },
             [=] { cilksort<Verbs>(first + 2 * q, q, room + 2 * q); },
             [=] { cilksort<Verbs>(first + 3 * q, rest, room + 3 * q); });
  Verbs::all(
      [=] { merge_runs<Verbs>(first, first + q, first + q, first + 2 * q, room); },
      [=] { merge_runs<Verbs>(first + 2 * q, first + 3 * q, first + 3 * q, first + n, room + 2 * q); });
  merge_runs<Verbs>(room, room + 2 * q, room + 2 * q, room + n, first);
}

/// Numbers to sort, and whether they are sorted and the same.
class sort_input {
 public:
  explicit sort_input(std::size_t n) : original_(n) {
    std::uint64_t seed = 13;
    for (std::uint64_t& x : original_) x = next_random(seed);
    sum_ = std::accumulate(original_.begin(), original_.end(), std::uint64_t{0});
    numbers = original_;
  }
  void reset() { std::copy(original_.begin(), original_.end(), numbers.begin()); }
  void check(const char* workload) const {
    if (!std::is_sorted(numbers.begin(), numbers.end()) ||
        std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0}) != sum_)
      wrong_result(workload);
  }

  std::vector<std::uint64_t> numbers;

 private:
  std::vector<std::uint64_t> original_;
  std::uint64_t sum_ = 0;
};

template <bool Merge>
class sort_work {
 public:
  explicit sort_work(std::size_t n) : in_(n), room_(Merge ? n : 0) {}
  void reset() { in_.reset(); }
  template <class Verbs>
  int run() {
    if constexpr (Merge)
      cilksort<Verbs>(in_.numbers.data(), std::ssize(in_.numbers), room_.data());
    else
      quicksort<Verbs>(in_.numbers.data(), in_.numbers.data() + in_.numbers.size());
    return 0;
  }
  void check(int) const { in_.check(Merge ? "cilksort" : "quicksort"); }

 private:
  sort_input in_;
  std::vector<std::uint64_t> room_;
};

inline std::size_t numbers_to_sort() {
  return the_settings().sized(std::size_t{200'000}, std::size_t{4'000'000});
}

template <class Runtime>
void add_sorts(const char* runtime, unsigned workers) {
  const std::size_t n = numbers_to_sort();
  add_work_row<Runtime>({"quicksort", runtime, parameter("n", n), workers},
                        [=] { return sort_work<false>(n); });
  add_work_row<Runtime>({"cilksort", runtime, parameter("n", n), workers},
                        [=] { return sort_work<true>(n); });
}

}  // namespace bench
