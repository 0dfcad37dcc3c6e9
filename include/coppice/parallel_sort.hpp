// parallel_sort: std::sort on several workers.
//
// May be called on any thread; outside of a task it sorts here.
//
//   coppice::parallel_sort(words.begin(), words.end());
//   coppice::parallel_sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.key < b.key;
//   });
#pragma once

#include <algorithm>
#include <bit>
#include <coppice/join.hpp>
#include <iterator>
#include <limits>
#include <memory>  // std::less too: <functional> is heavy
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

// Quicksort in place. Elements are moved by swaps alone until a leaf is left to std::sort, so whatever the
// comparison throws, the range holds all of them.
template <class It, class Cmp>
class quick_sort {
  using difference = typename std::iterator_traits<It>::difference_type;

 public:
  explicit quick_sort(Cmp& cmp) : cmp_(cmp) {}

  // So many uneven halves are put up with before std::sort, which has a bound, takes what is left.
  void sort(It first, It last, int depth) {
    if (last - first <= leaf || depth == 0) {
      std::sort(first, last, [this](const auto& x, const auto& y) { return cmp_(x, y); });
      return;
    }
    std::iter_swap(first, ninther(first, last));
    const auto& pivot = *first;
    const It less =
        partition(first + 1, last, [&](const auto& x) { return static_cast<bool>(cmp_(x, pivot)); });
    It more = less;
    // What is as large as the pivot need not be looked at again. Worth a look where there may be much of it.
    if (less - first < (last - first) / 8)
      more = partition(less, last, [&](const auto& x) { return !cmp_(pivot, x); });
    std::iter_swap(first, less - 1);
    coppice::join([&] { sort(first, less - 1, depth - 1); }, [&] { sort(more, last, depth - 1); });
  }

 private:
  // A distance may be a short, which then no range is longer than.
  static constexpr difference at_most(int n) {
    constexpr difference largest = std::numeric_limits<difference>::max();
    return n < largest ? static_cast<difference>(n) : largest;
  }
  // Below this std::sort is faster than its split; measured flat from 1000 to 8000 elements.
  static constexpr difference leaf = at_most(2048);
  // From twice this on a partition is split too. A multiple of what one worker does in 100 us.
  static constexpr difference part = at_most(1 << 16);

  It median(It a, It b, It c) {
    if (cmp_(*b, *a)) std::swap(a, b);
    if (!cmp_(*c, *b)) return b;
    return cmp_(*c, *a) ? a : c;
  }
  It ninther(It first, It last) {
    const difference step = (last - first) / 9;
    const It at = first + step / 2;
    return median(median(at, at + step, at + 2 * step), median(at + 3 * step, at + 4 * step, at + 5 * step),
                  median(at + 6 * step, at + 7 * step, at + 8 * step));
  }

  // Brings what is wanted to the front; returns where the rest begins.
  template <class Wanted>
  It partition(It first, It last, const Wanted& wanted) {
    if (last - first < 2 * part) return partition_here(first, last, wanted);
    const It middle = first + (last - first) / 2;
    It left = first, right = middle;
    coppice::join([&] { left = partition(first, middle, wanted); },
                  [&] { right = partition(middle, last, wanted); });
    // The unwanted of the left half and the wanted of the right one change places: those next to the middle
    // stay.
    const difference moved = std::min(middle - left, right - middle);
    exchange(left, right - moved, moved);
    return left + (right - middle);
  }
  void exchange(It a, It b, difference n) {
    if (n < part) {
      std::swap_ranges(a, a + n, b);
      return;
    }
    coppice::join([&] { exchange(a, b, n / 2); }, [&] { exchange(a + n / 2, b + n / 2, n - n / 2); });
  }

  // Notes in blocks which elements are on the wrong side, then swaps those: no branch depends on a
  // comparison, of which the processor would guess half wrong.
  template <class Wanted>
  static It partition_here(It first, It last, const Wanted& wanted) {
    constexpr difference block = 64;
    unsigned char lefts[block], rights[block];
    difference l = 0, left_end = 0, r = 0, right_end = 0;
    while (last - first > 2 * block) {
      if (l == left_end) {
        l = left_end = 0;
        for (difference i = 0; i < block; ++i) {
          lefts[left_end] = static_cast<unsigned char>(i);
          left_end += static_cast<difference>(!wanted(first[i]));
        }
      }
      if (r == right_end) {
        r = right_end = 0;
        for (difference i = 0; i < block; ++i) {
          rights[right_end] = static_cast<unsigned char>(i);
          right_end += static_cast<difference>(wanted(last[-1 - i]));
        }
      }
      for (auto pairs = std::min(left_end - l, right_end - r); pairs > 0; --pairs)
        std::iter_swap(first + static_cast<difference>(lefts[l++]),
                       last - 1 - static_cast<difference>(rights[r++]));
      if (l == left_end) first += block;
      if (r == right_end) last -= block;
    }
    return std::partition(first, last, wanted);
  }

  Cmp& cmp_;
};

}  // namespace detail

/// Sorts [first, last) so that cmp(later, earlier) is false for each pair. Not stable.
///
/// Threads: any. cmp may run on any worker at the same time.
/// Blocks: until the range is sorted.
/// Throws: what cmp or a move throws, cancelled, recursion_too_deep. The range then holds living elements, of
/// which at most one for each worker is moved from. Cost: n log n comparisons, in place; partitions of more
/// than 2^17 elements are split too. Source: Edelkamp and Weiss, BlockQuicksort (2016), for the partition.
template <class It, class Cmp = std::less<>>
void parallel_sort(It first, It last, Cmp cmp = {}) {
  if (!(first < last)) return;
  if (detail::forking_worker == nullptr) {
    std::sort(first, last, [&cmp](const auto& x, const auto& y) { return cmp(x, y); });
    return;
  }
  using count = std::make_unsigned_t<decltype(last - first)>;
  const int depth = 2 * static_cast<int>(std::bit_width(static_cast<count>(last - first)));
  detail::quick_sort<It, Cmp>(cmp).sort(first, last, depth);
}

}  // namespace v0
}  // namespace coppice
