// join: run several functions, maybe at the same time, and return their results.
//
// May be called on any thread. In a task of a scheduler the later branches can be stolen; elsewhere all run here, in
// order (serial elision).
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

// Ends a join on every way out: the place above runs again, its children are counted.
template <class Branches>
[[gnu::always_inline]] inline void leave_join(worker& w, place* up) noexcept {
  up->number_children(std::tuple_size_v<Branches>);
  w.where = up;
}

// What join keeps of a closure that it was given: a copy that can stay in registers, or a reference.
template <class G>
using branch_argument = std::conditional_t<travels_by_copy<G>, std::remove_cvref_t<G>, G&&>;

template <std::size_t I, class Branches>
[[gnu::noinline, gnu::cold]] auto join_without_room(worker& w, place* up, Branches branches);

// Branch I and all before it. `up` is the place that forks. Stealable: branch I goes through the deque; otherwise the
// deque is full and the branches run here, one after the other.
template <bool Stealable, std::size_t I, class Branches>
[[gnu::always_inline]] inline auto join_up_to(worker& w, place* up, Branches& branches) {
  using body = std::tuple_element_t<I, Branches>;
  using first = std::tuple_element_t<0, Branches>;
  constexpr bool outermost = I + 1 == std::tuple_size_v<Branches>;

  join_frame<I, body> here(std::get<I>(branches), up);
  std::uint32_t index = 0;
  if constexpr (Stealable) {
    if (stack_address(&here) < w.stack_limit) [[unlikely]] refuse_recursion();
    if (!w.deque.has_room()) [[unlikely]] 
      return join_without_room<I>(w, up, Branches(std::move(branches)));
    index = w.deque.push(here);
  }
  w.where = &here;

  // What runs before branch I, as a tuple. If it throws, branch I must not stay behind in the deque.
  auto before = [&] {
    try {
      if (w.attention.load(memory_order_relaxed) != 0) [[unlikely]] answer(w);
      if constexpr (I == 1)
        return std::tuple<branch_result<first>>(call_branch(static_cast<first&&>(std::get<0>(branches))));
      else
        return join_up_to<true, I - 1>(w, up, branches);
    } catch (...) {
      if (earlier_branch_failed(w, here, here, Stealable)) here.drop_value();
      if constexpr (outermost) leave_join<Branches>(w, up);
      throw;
    }
  }();

  auto last = [&]() -> branch_result<body> {
    if (!Stealable || w.deque.pop_if_private(index) || take_back_or_wait(w, here)) [[likely]] {
      if constexpr (I > 1) w.where = &here;
      here.enter(I);
      try {
        return call_branch(static_cast<body&&>(std::get<I>(branches)));
      } catch (...) {
        own_branch_failed(w, here);
        if constexpr (outermost) leave_join<Branches>(w, up);
        throw;
      }
    }
    try {
      return here.take(w);
    } catch (...) {
      if constexpr (outermost) leave_join<Branches>(w, up);
      throw;
    }
  };
  auto results = std::tuple_cat(std::move(before), std::tuple<branch_result<body>>(last()));
  if constexpr (outermost) leave_join<Branches>(w, up);
  return results;
}

template <std::size_t I, class Branches>
auto join_without_room(worker& w, place* up, Branches branches) {
  add_as_only_writer(w.inline_runs, std::uint64_t{1}, memory_order_relaxed);
  return join_up_to<false, I>(w, up, branches);
}

template <class Branches, std::size_t... I>
[[gnu::noinline, gnu::cold]] auto join_serially(Branches branches, std::index_sequence<I...>) {
  // Braces order the calls.
  return std::tuple<branch_result<std::tuple_element_t<I, Branches>>...>{
      call_branch(static_cast<std::tuple_element_t<I, Branches>&&>(std::get<I>(branches)))...};
}

}  // namespace detail

/// Runs f, g, ... and returns their results as a std::tuple; void counts as std::monostate; all void: void.
///
/// As in serial code: if branches throw, the leftmost one's original exception comes out, after all branches have
/// ended. Under error_policy::fail_fast a branch that has not started when an earlier one throws is not run; under
/// collect_all every branch runs. The other branches' errors become secondary errors of the task.
///
/// Threads: any. Branches may run on any worker; the caller goes on on its own thread.
/// Blocks: until all branches have ended; meanwhile only descendants of the awaited branch run on this thread.
/// Throws: what a branch threw; cancelled, if the job is cancelled and a branch was not run; recursion_too_deep.
/// Cost: no allocation; about ten stores, no fence, no read-modify-write for a branch that nobody steals.
/// Source: van Dijk and van de Pol, Lace (2014); see detail/deque.hpp for what was changed.
template <class F, class G, class... Rest>
[[gnu::always_inline]] inline auto join(F&& f, G&& g, Rest&&... rest) {
  using branches_t =
      std::tuple<detail::branch_argument<F>, detail::branch_argument<G>, detail::branch_argument<Rest>...>;
  constexpr bool all_void = std::is_void_v<std::invoke_result_t<F>> && std::is_void_v<std::invoke_result_t<G>> &&
                            (std::is_void_v<std::invoke_result_t<Rest>> && ...);
  branches_t branches{static_cast<F&&>(f), static_cast<G&&>(g), static_cast<Rest&&>(rest)...};
  detail::worker* const w = detail::this_worker;
  if (w == nullptr) [[unlikely]] {
    auto results = detail::join_serially(std::move(branches), std::make_index_sequence<2 + sizeof...(Rest)>{});
    if constexpr (!all_void) return results;
  } else {
    detail::place* const up = w->where;
    auto results = detail::join_up_to<true, 1 + sizeof...(Rest)>(*w, up, branches);
    if constexpr (!all_void) return results;
  }
}

}  // namespace v0
}  // namespace coppice
