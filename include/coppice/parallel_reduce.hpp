// parallel_reduce: a sum, in the widest sense, over a range.
//
// May be called on any thread. The tree of combinations depends on the length of the range only, not on the
// number of workers or on who stole what: floating-point results are the same every time.
//
//   double total = coppice::parallel_reduce(
//       std::size_t{0}, v.size(), 0.0, [&](std::size_t i) { return v[i]; }, std::plus<>());
#pragma once

#include <coppice/join.hpp>
#include <coppice/parallel_for.hpp>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

// Whether a leaf combines four elements with each other before it adds them to its sum: the chain of what has
// to wait for each other is a quarter as long then. Not for a T that moves: a string that grows would be
// copied twice more.
template <class I, class T, class M>
inline constexpr bool folds_by_four =
    std::is_trivially_copyable_v<T> &&
    sizeof(T) <= 2 * sizeof(void*) && std::is_same_v<std::remove_cvref_t<std::invoke_result_t<M&, I&>>, T>;

template <class I, class T, class M, class C>
class reduction {
 public:
  reduction(I first, const T& identity, M& map, C& combine, std::uint64_t leaf)
      : first_(first), identity_(identity), map_(map), combine_(combine), leaf_(leaf) {}

  T run(std::uint64_t begin, std::uint64_t end) {
    if (end - begin <= leaf_) return fold(begin, end);
    const std::uint64_t middle = begin + (end - begin) / 2;
    auto [left, right] = coppice::join([this, begin, middle] { return run(begin, middle); },
                                       [this, middle, end] { return run(middle, end); });
    return combined(std::move(left), std::move(right));
  }

 private:
  T fold(std::uint64_t begin, std::uint64_t end) {
    T sum = identity_;
    I i = detail::advanced(first_, begin);
    if constexpr (folds_by_four<I, T, M>) {
      for (const I last = detail::advanced(i, (end - begin) & ~std::uint64_t{3}); i != last;) {
        T left = pair(i);
        T right = pair(i);
        sum = combined(std::move(sum), combined(std::move(left), std::move(right)));
      }
    }
    for (const I last = detail::advanced(first_, end); i != last; ++i)
      sum = combined(std::move(sum), map_(i));
    return sum;
  }

  // A generic combine may give another type: of two shorts an int.
  template <class X>
  T combined(T&& sum, X&& x) {
    return static_cast<T>(combine_(std::move(sum), std::forward<X>(x)));
  }

  T pair(I& i) {
    T left = map_(i);
    ++i;
    T both = combined(std::move(left), map_(i));
    ++i;
    return both;
  }

  const I first_;
  const T& identity_;
  M& map_;
  C& combine_;
  const std::uint64_t leaf_;
};

// The leaves of a reduction fold this many elements at most: 4096 leaves, but never more than 8192 elements
// in one, so that sums of floating point stay nearly pairwise. The end of a leaf costs a few hundred cycles
// (bench/notes/2026-11-29-the-end-of-a-leaf.md).
constexpr std::uint64_t reduction_leaf(std::uint64_t n) noexcept {
  constexpr std::uint64_t longest = 8192;
  const std::uint64_t leaf = n / 4096 + 1;
  return leaf < longest ? leaf : longest;
}

}  // namespace detail

/// combine(map(first), combine(map(first + 1), ...)) in some association that depends on last - first only.
/// combine must be associative and identity neutral; neither needs to be commutative: the order is kept.
///
/// Threads: any. map and combine may run on any worker at the same time.
/// Blocks: until all calls have ended.
/// Throws: as join.
/// Cost: one fork for every n/4096 elements, for every 8192 in ranges above 33 million.
template <class I, class T, class M, class C>
T parallel_reduce(I first, I last, T identity, M map, C combine) {
  const std::uint64_t n = detail::distance_of(first, last);
  if (n == 0) return identity;
  return detail::reduction<I, T, M, C>(first, identity, map, combine, detail::reduction_leaf(n)).run(0, n);
}

}  // namespace v0
}  // namespace coppice
