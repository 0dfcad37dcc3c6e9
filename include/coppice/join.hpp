// join: run several functions, maybe at the same time, and return their results.
//
// May be called on any thread. In a task of a scheduler the later branches can be stolen; elsewhere all run
// here, in order (serial elision).
//
//   long fib(int n) {
//     if (n < 2) return n;
//     auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
//     return a + b;
//   }
#pragma once

#include <coppice/detail/join_frame.hpp>
#include <tuple>

namespace coppice {
inline namespace v0 {
namespace detail {

// What join keeps of a closure that it was given: a copy that can stay in registers, or a reference.
template <class G>
using branch_argument = std::conditional_t<travels_by_copy<G>, std::remove_cvref_t<G>, G&&>;

// The branches travel as separate arguments, not as a tuple: in registers, as long as they fit.
template <std::size_t I, class First, class... Rest>
[[gnu::always_inline]] inline auto& pick(First& first, Rest&... rest) noexcept {
  if constexpr (I == 0)
    return first;
  else
    return pick<I - 1>(rest...);
}
template <std::size_t I, class... Bodies>
using body_at = std::tuple_element_t<I, std::tuple<Bodies...>>;

// What branches 0 to I give.
template <class Indices, class... Bodies>
struct results_of;
template <std::size_t... K, class... Bodies>
struct results_of<std::index_sequence<K...>, Bodies...> {
  using type = std::tuple<branch_result<body_at<K, Bodies...>>...>;
};
template <std::size_t I, class... Bodies>
using results_up_to = typename results_of<std::make_index_sequence<I + 1>, Bodies...>::type;

// Ends a join on every way out: the place above runs again, its children are counted. It is read back from
// the frame: a register kept across the branches would cost more.
template <std::uint32_t Count>
[[gnu::always_inline]] inline void leave_join(worker& w, const place& here) noexcept {
  place* const up = here.above_of_join();
  up->next += Count;
  w.where = up;
}

// A fork's usual way contains no call but those of the branches, so that nothing is kept in registers for the
// rare ways: each of those is a function of its own, which does the rest of the join.
template <std::size_t I, class... Bodies>
[[gnu::noinline, gnu::cold]] results_up_to<I, Bodies...> join_at_bound(worker& w, place* up,
                                                                       Bodies... bodies);
template <std::size_t I, class... Bodies>
[[gnu::noinline, gnu::cold]] results_up_to<I, Bodies...> join_asked(
    worker& w, place* up, join_frame<I, body_at<I, Bodies...>>& here, std::uint32_t index, Bodies... bodies);

template <std::size_t I, class... Bodies>
[[gnu::always_inline]] inline results_up_to<I, Bodies...> join_up_to(
    worker& w, place* up, std::remove_reference_t<Bodies>&... bodies);

// Branches 0 to I - 1, then branch I, whose frame is `here`. Pushed: it lies in the deque.
template <bool Pushed, std::size_t I, class... Bodies>
[[gnu::always_inline]] inline results_up_to<I, Bodies...> run_branches(
    worker& w, place* up, join_frame<I, body_at<I, Bodies...>>& here, std::uint32_t index,
    std::remove_reference_t<Bodies>&... bodies) {
  using body = body_at<I, Bodies...>;
  using first = body_at<0, Bodies...>;
  constexpr std::uint32_t count = sizeof...(Bodies);
  constexpr bool outermost = I + 1 == count;

  // What runs before branch I, as a tuple. If it throws, branch I must not stay behind in the deque.
  auto before = [&] {
    try {
      if constexpr (I == 1)
        return std::tuple<branch_result<first>>(call_branch(static_cast<first&&>(pick<0>(bodies...))));
      else
        return join_up_to<I - 1, Bodies...>(w, up, bodies...);
    } catch (...) {
      if (earlier_branch_failed(w, here, here, Pushed)) here.drop_value();
      if constexpr (outermost) leave_join<count>(w, here);
      throw;
    }
  }();

  auto last = [&]() -> branch_result<body> {
    if (!Pushed || w.deque.pop_if_private(index) || take_back_or_join(w, here)) [[likely]] {
      if constexpr (I > 1) w.where = &here;
      here.enter(I);
      try {
        return call_branch(here.closure.get());
      } catch (...) {
        own_branch_failed(w, here);
        if constexpr (outermost) leave_join<count>(w, here);
        throw;
      }
    }
    try {
      return here.take(w);
    } catch (...) {
      if constexpr (outermost) leave_join<count>(w, here);
      throw;
    }
  };
  auto results = std::tuple_cat(std::move(before), std::tuple<branch_result<body>>(last()));
  if constexpr (outermost) leave_join<count>(w, here);
  return results;
}

// Forks branch I, runs all before it, joins. `up` is the place that forks.
template <std::size_t I, class... Bodies>
[[gnu::always_inline]] inline results_up_to<I, Bodies...> join_up_to(
    worker& w, place* up, std::remove_reference_t<Bodies>&... bodies) {
  join_frame<I, body_at<I, Bodies...>> here(pick<I>(bodies...), up);
  if (stack_address(&here) < w.stack_limit) [[unlikely]]
    refuse_recursion();
  std::uint32_t index = 0;
  if (!w.deque.push_below_bound(here, &index)) [[unlikely]]
    return join_at_bound<I, Bodies...>(w, up, static_cast<Bodies&&>(bodies)...);
  w.where = &here;
  if (w.attention.load(memory_order_relaxed) != 0) [[unlikely]]
    return join_asked<I, Bodies...>(w, up, here, index, static_cast<Bodies&&>(bodies)...);
  return run_branches<true, I, Bodies...>(w, up, here, index, bodies...);
}

// The deque may be full: then the branches run here, one after the other.
template <std::size_t I, class... Bodies>
results_up_to<I, Bodies...> join_at_bound(worker& w, place* up, Bodies... bodies) {
  if (w.deque.has_room()) return join_up_to<I, Bodies...>(w, up, bodies...);
  add_as_only_writer(w.inline_runs, std::uint64_t{1}, memory_order_relaxed);
  join_frame<I, body_at<I, Bodies...>> here(pick<I>(bodies...), up);
  w.where = &here;
  if (w.attention.load(memory_order_relaxed) != 0)
    answer_before(w, here, here, false, I + 1 == sizeof...(Bodies) ? sizeof...(Bodies) : 0);
  return run_branches<false, I, Bodies...>(w, up, here, 0, bodies...);
}

// Somebody wants this worker's attention: shares, or leaves by `cancelled` before any branch has run.
template <std::size_t I, class... Bodies>
results_up_to<I, Bodies...> join_asked(worker& w, place* up, join_frame<I, body_at<I, Bodies...>>& here,
                                       std::uint32_t index, Bodies... bodies) {
  answer_before(w, here, here, true, I + 1 == sizeof...(Bodies) ? sizeof...(Bodies) : 0);
  return run_branches<true, I, Bodies...>(w, up, here, index, bodies...);
}

template <class... Bodies>
[[gnu::noinline, gnu::cold]] auto join_serially(Bodies... bodies) {
  // Braces order the calls.
  return std::tuple<branch_result<Bodies>...>{call_branch(static_cast<Bodies&&>(bodies))...};
}

template <bool AllVoid, class... Bodies>
[[gnu::always_inline]] inline auto join_bodies(Bodies... bodies) {
  worker* const w = this_worker;
  if (w == nullptr) [[unlikely]] {
    auto results = join_serially<Bodies...>(static_cast<Bodies&&>(bodies)...);
    if constexpr (!AllVoid) return results;
  } else {
    auto results = join_up_to<sizeof...(Bodies) - 1, Bodies...>(*w, w->where, bodies...);
    if constexpr (!AllVoid) return results;
  }
}

}  // namespace detail

/// Runs f, g, ... and returns their results as a std::tuple; void counts as std::monostate; all void: void.
///
/// As in serial code: if branches throw, the leftmost one's original exception comes out, after all branches
/// have ended. Under error_policy::fail_fast a branch that has not started when an earlier one throws is not
/// run; under collect_all every branch runs. The other branches' errors become secondary errors of the task.
///
/// Threads: any. Branches may run on any worker; the caller goes on on its own thread.
/// Blocks: until all branches have ended; meanwhile only descendants of the awaited branch run on this
/// thread. Throws: what a branch threw; cancelled, if the job is cancelled and a branch was not run;
/// recursion_too_deep. Cost: no allocation; about ten stores, no fence, no read-modify-write for a branch
/// that nobody steals. Source: van Dijk and van de Pol, Lace (2014); see detail/deque.hpp for what was
/// changed.
template <class F, class G, class... Rest>
[[gnu::always_inline]] inline auto join(F&& f, G&& g, Rest&&... rest) {
  constexpr bool all_void = std::is_void_v<std::invoke_result_t<F>> &&
                            std::is_void_v<std::invoke_result_t<G>> &&
                            (std::is_void_v<std::invoke_result_t<Rest>> && ...);
  return detail::join_bodies<all_void, detail::branch_argument<F>, detail::branch_argument<G>,
                             detail::branch_argument<Rest>...>(static_cast<F&&>(f), static_cast<G&&>(g),
                                                               static_cast<Rest&&>(rest)...);
}

}  // namespace v0
}  // namespace coppice
