// parallel_sort: std::sort on several workers.
//
// May be called on any thread; outside of a task it sorts here.
//
//   coppice::parallel_sort(words.begin(), words.end());
//   coppice::parallel_sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.key < b.key;
//   });
#pragma once

#include <algorithm>
#include <coppice/join.hpp>
#include <cstddef>
#include <iterator>
#include <memory>  // std::less too: <functional> is heavy
#include <new>
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

// Room for n elements of T that are made by moving from a range, and moved over by assignment from then on.
// So at any moment, whatever the comparison throws, both the range and the buffer hold n living elements.
template <class T>
class sort_buffer {
 public:
  explicit sort_buffer(std::size_t n)
      : at_(static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{alignof(T)}))) {}
  sort_buffer(const sort_buffer&) = delete;
  sort_buffer& operator=(const sort_buffer&) = delete;
  ~sort_buffer() {
    std::destroy_n(at_, made_);
    ::operator delete (at_, std::align_val_t{alignof(T)});
  }
  template <class It>
  T* move_from(It first, std::size_t n) {
    for (; made_ != n; ++made_, ++first) ::new (static_cast<void*>(at_ + made_)) T(std::move(*first));
    return at_;
  }

 private:
  T* at_;
  std::size_t made_ = 0;
};

template <class Cmp>
class merge_sort {
 public:
  explicit merge_sort(Cmp& cmp) : cmp_(cmp) {}

  // Sorts the n elements at `data`; the result is at `data` or, if `into_other`, at `other`.
  template <class A, class B>
  void sort(A data, B other, std::size_t n, bool into_other) {
    if (n <= leaf) {
      std::sort(data, data + diff<A>(n), by_cmp());
      if (into_other) std::move(data, data + diff<A>(n), other);
      return;
    }
    const std::size_t half = n / 2;
    join([&] { sort(data, other, half, !into_other); },
         [&] { sort(data + diff<A>(half), other + diff<B>(half), n - half, !into_other); });
    if (into_other)
      merge(data, half, data + diff<A>(half), n - half, other);
    else
      merge(other, half, other + diff<B>(half), n - half, data);
  }

 private:
  // Below this std::sort and std::merge are faster than their split; measured flat from 1000 to 8000
  // elements.
  static constexpr std::size_t leaf = 2048;

  // The one comparison object, by reference: it need not be copyable.
  auto by_cmp() {
    return [this](const auto& x, const auto& y) { return cmp_(x, y); };
  }

  template <class It>
  static auto diff(std::size_t n) {
    return static_cast<typename std::iterator_traits<It>::difference_type>(n);
  }

  // Moves two sorted runs into one: splits the longer in its middle, the other where that middle belongs.
  template <class From, class To>
  void merge(From a, std::size_t na, From b, std::size_t nb, To out) {
    if (na + nb <= 2 * leaf) {
      std::merge(std::make_move_iterator(a), std::make_move_iterator(a + diff<From>(na)),
                 std::make_move_iterator(b), std::make_move_iterator(b + diff<From>(nb)), out, by_cmp());
      return;
    }
    if (na < nb) {
      // Elements of a equal to the middle go before it.
      const std::size_t mb = nb / 2;
      const From cut = std::upper_bound(a, a + diff<From>(na), b[diff<From>(mb)], by_cmp());
      split(a, static_cast<std::size_t>(cut - a), na, b, mb, nb, out);
    } else {
      const std::size_t ma = na / 2;
      const From cut = std::lower_bound(b, b + diff<From>(nb), a[diff<From>(ma)], by_cmp());
      split(a, ma, na, b, static_cast<std::size_t>(cut - b), nb, out);
    }
  }
  template <class From, class To>
  void split(From a, std::size_t ma, std::size_t na, From b, std::size_t mb, std::size_t nb, To out) {
    join([&] { merge(a, ma, b, mb, out); },
         [&] { merge(a + diff<From>(ma), na - ma, b + diff<From>(mb), nb - mb, out + diff<To>(ma + mb)); });
  }

  Cmp& cmp_;
};

}  // namespace detail

/// Sorts [first, last) so that cmp(later, earlier) is false for each pair. Not stable.
///
/// Threads: any. cmp may run on any worker at the same time.
/// Blocks: until the range is sorted.
/// Throws: what cmp or a move throws, std::bad_alloc, cancelled. The range then holds living elements, some
/// of them moved from. Cost: n log n comparisons, room for n elements; merges are split too.
template <class It, class Cmp = std::less<>>
void parallel_sort(It first, It last, Cmp cmp = {}) {
  using value = typename std::iterator_traits<It>::value_type;
  if (!(first < last)) return;
  const auto n = static_cast<std::size_t>(last - first);
  if (detail::this_worker == nullptr || n <= 4096) {
    std::sort(first, last, [&cmp](const auto& x, const auto& y) { return cmp(x, y); });
    return;
  }
  detail::sort_buffer<value> buffer(n);
  value* const room = buffer.move_from(first, n);
  // The elements are in the buffer; they end in the range.
  detail::merge_sort<Cmp>(cmp).sort(room, first, n, true);
}

}  // namespace v0
}  // namespace coppice
