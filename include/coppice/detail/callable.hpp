// What a pool is given to call: whether it may be called, and as what.
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

// What a kept callable is called as, that was handed in as F: an lvalue as an lvalue; a function by its
// pointer.
template <class F>
using called_as = std::conditional_t<std::is_function_v<std::remove_reference_t<F>>, std::decay_t<F>, F>;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
