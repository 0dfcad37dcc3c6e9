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
    return detail::pick<I - 1>(rest...);
}
template <std::size_t I, class... Bodies>
using body_at = std::tuple_element_t<I, std::tuple<Bodies...>>;

// What branches 0 to I give, I at least 1: what those before I give, and the last one's. Made where it stays,
// in registers if it fits: a std::tuple is returned through memory, and one that grows with each branch is
// copied as often.
template <class Before, class Last>
struct results_and_last {
  Before before;
  Last last;
};
template <std::size_t I, class... Bodies>
struct results_of {
  using type =
      results_and_last<typename results_of<I - 1, Bodies...>::type, branch_result<body_at<I, Bodies...>>>;
};
template <class... Bodies>
struct results_of<0, Bodies...> {
  using type = branch_result<body_at<0, Bodies...>>;
};
template <std::size_t I, class... Bodies>
using results_up_to = typename results_of<I, Bodies...>::type;

// Of results of branches 0 to I that of branch K.
template <std::size_t K, std::size_t I, class Results>
[[gnu::always_inline]] inline auto& result_at(Results& results) noexcept {
  if constexpr (I == 0)
    return results;
  else if constexpr (K == I)
    return results.last;
  else
    return detail::result_at<K, I - 1>(results.before);
}
template <class Results, class... Each, std::size_t... K>
[[gnu::always_inline]] inline std::tuple<Each...> as_tuple(Results& results, std::tuple<Each...>*,
                                                           std::index_sequence<K...>) {
  return std::tuple<Each...>(static_cast<Each&&>(detail::result_at<K, sizeof...(K) - 1>(results))...);
}

// A fork's usual way contains no call but those of the branches, and its rare ways find the frame through the
// worker: so nothing is kept in registers for them across the branches, which each call would have to save.

// The frame of branch I.
template <std::size_t I, class... Bodies>
using frame_at = join_frame<I, body_at<I, Bodies...>>;

// The same, of the branch in whose join the worker stands.
template <std::size_t I, class... Bodies>
[[gnu::always_inline]] inline frame_at<I, Bodies...>& frame_of(worker& w) noexcept {
  return *static_cast<frame_at<I, Bodies...>*>(static_cast<branch_head*>(w.where().at()));
}

// Of an inner level the outer one leaves the join.
template <std::size_t I, class... Bodies>
inline constexpr join_level level_of{I + 1 == sizeof...(Bodies) ? sizeof...(Bodies) : 0,
                                     std::is_trivially_destructible_v<typename frame_at<I, Bodies...>::stored>
                                         ? nullptr
                                         : &frame_at<I, Bodies...>::drop_value};

// Branch I was stolen and has ended.
template <std::size_t I, class... Bodies>
COPPICE_COLD branch_result<body_at<I, Bodies...>> take_result(worker& w, frame_at<I, Bodies...>& here) {
  detail::throw_unless_value(w, here, level_of<I, Bodies...>);
  if constexpr (I + 1 < sizeof...(Bodies) || noexcept(here.take())) {
    return here.take();
  } else {
    try {
      return here.take();
    } catch (...) {
      detail::leave_join(w, here, sizeof...(Bodies));
      throw;
    }
  }
}

template <std::size_t I, class... Bodies>
COPPICE_COLD results_up_to<I, Bodies...> join_slowly(worker& w, frame_at<I, Bodies...>& here,
                                                     deque_index index, Bodies... bodies);
template <std::size_t I, class... Bodies>
[[gnu::always_inline]] inline results_up_to<I, Bodies...> join_up_to(
    worker& w, spot up, std::remove_reference_t<Bodies>&... bodies);

// Branches 0 to I - 1, then branch I, whose frame is `here`. Pushed: it lies in the deque, at `index`.
template <std::size_t I, class... Bodies>
[[gnu::always_inline]] inline results_up_to<I, Bodies...> run_branches(
    worker& w, spot up, frame_at<I, Bodies...>& here, deque_index index, bool pushed,
    std::remove_reference_t<Bodies>&... bodies) {
  using body = body_at<I, Bodies...>;
  using first = body_at<0, Bodies...>;
  constexpr bool outermost = I + 1 == sizeof...(Bodies);
  // Read back from the worker: a register that holds the address would be saved by every call.
  const auto mine = [&]() COPPICE_INLINE -> frame_at<I, Bodies...>& {
    if constexpr (I == 1)
      return frame_of<I, Bodies...>(w);
    else
      return here;
  };

  // What runs before branch I. If it throws, branch I must not stay behind in the deque.
  auto before = [&]() COPPICE_INLINE -> decltype(auto) {
    try {
      if constexpr (I == 1)
        return detail::call_branch(static_cast<first&&>(detail::pick<0>(bodies...)));
      else
        return detail::join_up_to<I - 1, Bodies...>(w, up, bodies...);
    } catch (...) {
      detail::end_after_failure(w, mine(), level_of<I, Bodies...>, pushed);
      throw;
    }
  };

  auto last = [&]() COPPICE_INLINE -> branch_result<body> {
    if constexpr (I > 1) w.where() = here;  // also while it waits: the inner levels' places are gone
    if (!pushed || w.deque.pop_if_private(index) || detail::take_back_or_join(w, mine())) [[likely]] {
      w.where() = spot::own_branch(here);
      try {
        return detail::call_branch(here.closure.get());
      } catch (...) {
        end_after_own_failure(w, level_of<I, Bodies...>);
        throw;
      }
    }
    return detail::take_result<I, Bodies...>(w, mine());
  };

  // Braces order the calls.
  results_up_to<I, Bodies...> results{before(), last()};
  if constexpr (outermost)
    detail::leave_join(w, here, sizeof...(Bodies));
  else
    w.where() = up;
  return results;
}

// Forks branch I, runs all before it, joins. `up` is the spot that forks.
template <std::size_t I, class... Bodies>
[[gnu::always_inline]] inline results_up_to<I, Bodies...> join_up_to(
    worker& w, spot up, std::remove_reference_t<Bodies>&... bodies) {
  frame_at<I, Bodies...> here(detail::pick<I>(bodies...), up);
  deque_index index = 0;
  if (!w.deque.push_below_bound(here, &index)) [[unlikely]]
    return detail::join_slowly<I, Bodies...>(w, here, 0, static_cast<Bodies&&>(bodies)...);
  w.where() = here;
  if (w.attention.stops_fork_at(detail::stack_address(std::addressof(here)))) [[unlikely]]
    return detail::join_slowly<I, Bodies...>(w, here, index, static_cast<Bodies&&>(bodies)...);
  return detail::run_branches<I, Bodies...>(w, up, here, index, true, bodies...);
}

// The deque may be full (index 0: no frame has that), somebody wants this worker's attention, or the stack
// ends: what the usual way leaves out, and after it the branches once more.
template <std::size_t I, class... Bodies>
results_up_to<I, Bodies...> join_slowly(worker& w, frame_at<I, Bodies...>& here, deque_index index,
                                        Bodies... bodies) {
  if (index == 0) {
    index = detail::push_at_bound(w, here);
    w.where() = here;
  }
  detail::answer_before(w, here, level_of<I, Bodies...>, index != 0);
  return detail::run_branches<I, Bodies...>(w, here.above_of_join(), here, index, index != 0, bodies...);
}

template <std::size_t I, class... Bodies>
results_up_to<I, Bodies...> run_serially(std::remove_reference_t<Bodies>&... bodies) {
  if constexpr (I == 0)
    return detail::call_branch(static_cast<body_at<0, Bodies...>&&>(detail::pick<0>(bodies...)));
  else
    return {detail::run_serially<I - 1, Bodies...>(bodies...),
            detail::call_branch(static_cast<body_at<I, Bodies...>&&>(detail::pick<I>(bodies...)))};
}
template <class... Bodies>
COPPICE_COLD results_up_to<sizeof...(Bodies) - 1, Bodies...> join_serially(Bodies... bodies) {
  return detail::run_serially<sizeof...(Bodies) - 1, Bodies...>(bodies...);
}

// A function of its own, with its results in registers. A recursive function that forks stays small: the
// compilers look into it for its leaves before they call it, and save no registers there. What has handlers
// inlined saves them at its entry with clang, and g++ does not inline it into itself.
template <class... Bodies>
[[gnu::noinline]] results_up_to<sizeof...(Bodies) - 1, Bodies...> fork_here(Bodies... bodies) {
  worker* const w = forking_worker;
  if (w == nullptr) [[unlikely]]
    return detail::join_serially<Bodies...>(static_cast<Bodies&&>(bodies)...);
  return detail::join_up_to<sizeof...(Bodies) - 1, Bodies...>(*w, w->where(), bodies...);
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
/// recursion_too_deep, on a worker: elsewhere, also in a task of a fifo_pool, joins that are nested too deep
/// overflow the stack as calls do. Cost: no allocation; nine stores beside a call's own, no fence, no
/// read-modify-write for a branch that nobody steals. Source: van Dijk and van de Pol, Lace (2014); see
/// detail/deque.hpp for what was changed.
template <class F, class G, class... Rest>
[[gnu::always_inline]] inline auto join(F&& f, G&& g, Rest&&... rest) {
  constexpr bool all_void = std::is_void_v<std::invoke_result_t<F>> &&
                            std::is_void_v<std::invoke_result_t<G>> &&
                            (std::is_void_v<std::invoke_result_t<Rest>> && ...);
  auto results = detail::fork_here<detail::branch_argument<F>, detail::branch_argument<G>,
                                   detail::branch_argument<Rest>...>(static_cast<F&&>(f), static_cast<G&&>(g),
                                                                     static_cast<Rest&&>(rest)...);
  using each = std::tuple<detail::branch_result<detail::branch_argument<F>>,
                          detail::branch_result<detail::branch_argument<G>>,
                          detail::branch_result<detail::branch_argument<Rest>>...>;
  if constexpr (!all_void)
    return detail::as_tuple(results, static_cast<each*>(nullptr),
                            std::make_index_sequence<std::tuple_size_v<each>>());
}

}  // namespace v0
}  // namespace coppice
