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
#include <optional>
#include <type_traits>
#include <utility>

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

  bool ok() const noexcept { return kept_.has_value(); }
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
  const task_error& error() const { return detail::error_of(ok() ? nullptr : &error_); }

  /// For streams and for tests.
  template <class... Args>
  static result with_value(std::size_t index, Args&&... args) {
    result made(index);
    made.kept_.emplace(std::forward<Args>(args)...);
    return made;
  }
  static result with_error(std::size_t index, detail::kept_error error) noexcept {
    result made(index);
    made.error_ = std::move(error);
    return made;
  }
  detail::kept_error shared_error() const noexcept { return error_; }

 private:
  struct nothing {};
  using kept = std::conditional_t<std::is_void_v<T>, nothing,
                                  std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;
  explicit result(std::size_t i) noexcept : index(i) {}

  template <class Self>
  static decltype(auto) value_of(Self& self) {
    if (!self.ok()) detail::throw_kept_error(self.error_);
    if constexpr (std::is_void_v<T>)
      return;
    else if constexpr (std::is_reference_v<T>)
      return static_cast<T>(**self.kept_);
    else
      return (*self.kept_);
  }

  std::optional<kept> kept_;  // no std::variant: g++ 12 warns of it where it is inlined
  detail::kept_error error_;
};

}  // namespace v0
}  // namespace coppice
