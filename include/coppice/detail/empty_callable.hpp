// Callables that have an empty state, in which they must not be called.
#pragma once

#include <concepts>
#include <type_traits>

namespace coppice {
inline namespace v0 {
namespace detail {

// A null function pointer or an empty std::function. A lambda compares through its conversion, and is never
// null.
template <class F>
bool is_empty_callable(const F& f) noexcept {
  if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F>)
    return f == nullptr;
  else if constexpr (
      requires {
        { f == nullptr } -> std::convertible_to<bool>;
      } &&
      !requires { +f; })
    return f == nullptr;
  else
    return false;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
