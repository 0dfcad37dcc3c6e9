// A job with its types: the value that the handle gets, and the closure that the root task runs.
#pragma once

#include <coppice/detail/callable.hpp>
#include <coppice/detail/job_core.hpp>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

struct no_value {};

template <class T>
class job_value : public job_core {
 public:
  using stored =
      std::conditional_t<std::is_void_v<T>, no_value,
                         std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;
  bool has_value() const noexcept { return value_.has_value(); }
  // Done, and the handle can go without code of users.
  bool leaves_nothing() const noexcept {
    return done() && completed() && (std::is_trivially_destructible_v<stored> || !has_value());
  }
  T take() {
    if constexpr (std::is_void_v<T>) {
      value_.reset();
    } else if constexpr (std::is_reference_v<T>) {
      auto* const v = *value_;
      value_.reset();
      return static_cast<T>(*v);
    } else {
      struct reset {
        std::optional<stored>& v;
        ~reset() { v.reset(); }
      } const after{value_};
      return std::move(*value_);
    }
  }

 protected:
  using job_core::job_core;
  ~job_value() noexcept override = default;  // also where T says that its own may throw
  void drop_value() noexcept final { value_.reset(); }
  std::optional<stored> value_;
};

template <class T, class F>
class job_body final : public job_value<T> {
  using stored_closure = std::decay_t<F>;

 public:
  template <class G>
  job_body(scheduler_core& home, job_options&& options, G&& closure)
      : job_value<T>(home, std::move(options)) {
    ::new (static_cast<void*>(std::addressof(closure_))) stored_closure(std::forward<G>(closure));
  }
  ~job_body() noexcept override {}  // NOLINT(modernize-use-equals-default): drop_body() has ended the closure

 private:
  void run_body() override {
    if constexpr (std::is_void_v<T>) {
      static_cast<void>(call());
      this->value_.emplace();
    } else if constexpr (std::is_reference_v<T>) {
      T value = call();
      this->value_.emplace(std::addressof(value));
    } else {
      this->value_.emplace(call());
    }
  }
  void drop_body() noexcept(std::is_nothrow_destructible_v<stored_closure>) override {
    closure_.~stored_closure();
  }
  decltype(auto) call() { return static_cast<called_as<F>&&>(closure_)(); }

  union {
    stored_closure closure_;
  };
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
