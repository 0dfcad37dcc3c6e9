// What became of one input of a stream: a value or an error. A value type; any thread, one at a time.
//
//   for (coppice::result<row>& r : scheduler.map(lines, parse))
//     if (r.ok()) insert(r.value());
//     else std::cerr << "line " << r.index + 1 << ": " << r.error().message << '\n';
#pragma once

#include <coppice/detail/config.hpp>
#include <coppice/error.hpp>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace coppice {
inline namespace v0 {

namespace detail {
using kept_error = std::shared_ptr<const task_error>;  // null: there was no memory for it
// Rethrows the original exception.
[[noreturn]] COPPICE_API void throw_kept_error(const kept_error& error);
COPPICE_API const task_error& error_of(const kept_error* error);  // null: throws
}  // namespace detail

/// The outcome of one input. T may be void or a reference.
template <class T>
struct result {
  /// Of the input, from 0; of a pipeline's first source, whatever stages lie between.
  std::size_t index = 0;

  bool ok() const noexcept { return kept_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  /// Throws: the original exception if there is no value.
  decltype(auto) value() & { return value_of(*this); }
  decltype(auto) value() const& { return value_of(*this); }
  T value() && {
    if constexpr (std::is_void_v<T> || std::is_reference_v<T>)
      return value_of(*this);
    else
      return std::move(value_of(*this));
  }

  /// Its path begins with the input's place in its stage, its name is the stage's.
  ///
  /// Throws: std::logic_error if there is a value.
  const task_error& error() const { return detail::error_of(std::get_if<1>(&kept_)); }

  /// For streams and for tests.
  template <class... Args>
  static result with_value(std::size_t index, Args&&... args) {
    return result(index, either(std::in_place_index<0>, std::forward<Args>(args)...));
  }
  static result with_error(std::size_t index, detail::kept_error error) noexcept {
    return result(index, either(std::in_place_index<1>, std::move(error)));
  }
  detail::kept_error shared_error() const noexcept { return ok() ? nullptr : std::get<1>(kept_); }

 private:
  using kept = std::conditional_t<std::is_void_v<T>, std::monostate,
                                  std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;
  using either = std::variant<kept, detail::kept_error>;
  result(std::size_t i, either&& k) : index(i), kept_(std::move(k)) {}

  template <class Self>
  static decltype(auto) value_of(Self& self) {
    if (!self.ok()) detail::throw_kept_error(std::get<1>(self.kept_));
    if constexpr (std::is_void_v<T>)
      return;
    else if constexpr (std::is_reference_v<T>)
      return static_cast<T>(*std::get<0>(self.kept_));
    else
      return (std::get<0>(self.kept_));
  }

  either kept_;
};

}  // namespace v0
}  // namespace coppice
