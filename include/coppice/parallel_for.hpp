// parallel_for: a loop whose iterations may run at the same time.
//
// May be called on any thread; outside of a task the loop runs here, in order.
//
//   coppice::parallel_for(std::size_t{0}, pixels.size(), [&](std::size_t i) { pixels[i] = shade(i); });
#pragma once

#include <coppice/detail/worker.hpp>
#include <coppice/join.hpp>
#include <coppice/this_task.hpp>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>

namespace coppice {
inline namespace v0 {
namespace detail {

// The number of iterations, without overflow at the limits of an index type; 0 for an empty or reversed
// range.
template <class I>
std::uint64_t distance_of(const I& first, const I& last) {
  if constexpr (std::is_integral_v<I>) {
    if (!(first < last)) return 0;
    using wide = std::make_unsigned_t<I>;
    return static_cast<std::uint64_t>(static_cast<wide>(static_cast<wide>(last) - static_cast<wide>(first)));
  } else {
    const auto n = last - first;
    return n > 0 ? static_cast<std::uint64_t>(n) : 0;
  }
}

template <class I>
I advanced(const I& first, std::uint64_t by) {
  if constexpr (std::is_integral_v<I>) {
    using wide = std::make_unsigned_t<I>;
    return static_cast<I>(static_cast<wide>(static_cast<wide>(first) + static_cast<wide>(by)));
  } else {
    return first + static_cast<typename std::iterator_traits<I>::difference_type>(by);
  }
}

// Splits in halves down to leaves whose size depends on the length only: so which calls are made after one
// has thrown, and the paths of errors, do not depend on who was hungry when.
template <class I, class F>
class loop {
 public:
  loop(I first, F& body, std::uint64_t leaf) : first_(first), body_(body), leaf_(leaf) {}

  void run(std::uint64_t begin, std::uint64_t end) {
    if (end - begin <= leaf_) {
      // One counter: bodies of a nanosecond feel a second one.
      const I last = detail::advanced(first_, end);
      for (I i = detail::advanced(first_, begin); i != last; ++i) static_cast<void>(body_(i));
      return;
    }
    const std::uint64_t middle = begin + (end - begin) / 2;
    coppice::join([this, begin, middle] { run(begin, middle); }, [this, middle, end] { run(middle, end); });
  }

 private:
  const I first_;
  F& body_;
  const std::uint64_t leaf_;
};

// Enough leaves that the last ones to end leave little to wait for; few enough that their forks, 2 ns each,
// do not show.
inline constexpr std::uint64_t leaves_per_loop = 1024;

}  // namespace detail

/// Calls body(i) for each i in [first, last), an integer or a random-access iterator. An empty or reversed
/// range runs nothing.
///
/// Threads: any. Calls may run on any worker at the same time: body must be safe for that.
/// Blocks: until all calls have ended.
/// Throws: as join; when a call throws, later ones may not be made.
/// Stop: a cancelled job forks no further; each worker ends the part of at most a 1024th that it is in.
/// Cost: at most 2048 forks, whatever the length.
template <class I, class F>
void parallel_for(I first, I last, F body) {
  const std::uint64_t n = detail::distance_of(first, last);
  if (n == 0) return;
  if (detail::forking_worker == nullptr) {
    for (std::uint64_t k = 0; k != n; ++k, void(++first)) static_cast<void>(body(first));
    return;
  }
  this_task::throw_if_stopped();
  detail::loop<I, F>(first, body, (n - 1) / detail::leaves_per_loop + 1).run(0, n);
}

}  // namespace v0
}  // namespace coppice
