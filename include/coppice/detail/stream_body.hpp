// A stream with its types: the source, the function, the results.
#pragma once

#include <coppice/detail/room_for.hpp>
#include <coppice/results.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

template <class R>
inline constexpr bool is_results = false;
template <class T>
inline constexpr bool is_results<results<T>> = true;

// What a source hands to the function. Elements that stay where they are, as in a vector, are handed on by
// reference; what an input iterator shows is gone with its next step, so it is taken out.
template <class R>
inline constexpr bool stays =
    std::ranges::forward_range<R>&& std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>;
template <class R>
using input_of =
    std::conditional_t<stays<R>, std::ranges::range_reference_t<R>, std::ranges::range_value_t<R>>;

// As std::invoke, whose header is a heavy one: the member of x, or of what x points or refers to.
template <class C, class M, class X>
decltype(auto) member_of(M C::*member, X&& x) {
  if constexpr (!std::is_base_of_v<C, std::remove_cvref_t<X>>) {
    if constexpr (requires { *std::forward<X>(x); })
      return detail::member_of(member, *std::forward<X>(x));
    else
      return detail::member_of(member, x.get());
  } else if constexpr (std::is_function_v<M>) {
    return (std::forward<X>(x).*member)();
  } else {
    return std::forward<X>(x).*member;
  }
}

template <class F, class X>
decltype(auto) call(F& f, X&& x) {
  if constexpr (std::is_member_pointer_v<F>)
    return detail::member_of(f, std::forward<X>(x));
  else
    return f(std::forward<X>(x));
}

// Puts what the call returns, or that it returned, into the node.
template <class T, class Call>
void keep_result(result_node<T>& node, std::size_t index, Call&& call) {
  if constexpr (std::is_void_v<T>) {
    call();
    node.kept.emplace(result<T>::with_value(index));
  } else if constexpr (std::is_reference_v<T>) {
    T&& value = call();
    node.kept.emplace(result<T>::with_value(index, std::addressof(value)));
  } else {
    node.kept.emplace(result<T>::with_value(index, call()));
  }
}

// A view of any kind as source.
template <class V, class F, class T>
class range_stream final : public stream_of<T> {
 public:
  template <class W, class G>
  range_stream(std::unique_ptr<stream_pool> pool, W&& view, G&& f, stream_options&& options)
      : stream_of<T>(std::move(pool), std::move(options), false) {
    ::new (static_cast<void*>(std::addressof(parts_.made))) parts(std::forward<W>(view), std::forward<G>(f));
    has_parts_ = true;
  }
  ~range_stream() noexcept override { end_parts(); }

 private:
  struct parts {
    template <class W, class G>
    parts(W&& v, G&& g) : view(std::forward<W>(v)), f(std::forward<G>(g)) {}
    V view;
    F f;
    std::optional<std::ranges::iterator_t<V>> at;  // after the view, so that it dies before
    std::exception_ptr ahead_failed;               // to be thrown by the next pull
  };
  using held = std::conditional_t<stays<V>, std::remove_reference_t<std::ranges::range_reference_t<V>>*,
                                  std::ranges::range_value_t<V>>;

  // Whether its end is at hand, so that asking does not wait: a filter's is not, nor a generator's.
  static constexpr bool looks_ahead = std::ranges::random_access_range<V>;

  pulled pull(std::optional<held>& input) {
    parts& p = parts_.made;
    if (p.ahead_failed != nullptr) std::rethrow_exception(std::exchange(p.ahead_failed, nullptr));
    if (!p.at)
      p.at.emplace(std::ranges::begin(p.view));
    else if constexpr (!looks_ahead)
      ++*p.at;
    if (*p.at == std::ranges::end(p.view)) return pulled::end;
    if constexpr (stays<V>)
      input.emplace(std::addressof(**p.at));
    else
      input.emplace(**p.at);
    if constexpr (looks_ahead) {
      if (ends_here(p)) return pulled::last_item;
    }
    return pulled::item;
  }

  // The input that was taken is not lost to what comes after it: that fails when it is asked for.
  static bool ends_here(parts& p) noexcept {
    try {
      ++*p.at;
      return *p.at == std::ranges::end(p.view);
    } catch (...) {
      p.ahead_failed = std::current_exception();
      return false;
    }
  }

  pulled run_one(stream_node& base) noexcept override {
    auto& node = static_cast<result_node<T>&>(base);
    item_scope scope(*this);
    std::optional<held> input;
    pulled how{};
    try {
      how = pull(input);
    } catch (...) {
      return this->source_failed(node);
    }
    if (how == pulled::end) return how;
    if (!this->began(node, scope, how == pulled::last_item)) return how;
    try {
      detail::keep_result<T>(node, node.sequence, [&]() -> decltype(auto) {
        if constexpr (stays<V>)
          return detail::call(parts_.made.f, static_cast<std::ranges::range_reference_t<V>>(**input));
        else
          return detail::call(parts_.made.f, std::move(*input));
      });
    } catch (...) {
      this->item_failed(node);
    }
    input.reset();
    this->item_over(scope, node);
    return how;
  }
  void dispose(bool) noexcept override { end_parts(); }
  void end_parts() noexcept {
    if (!std::exchange(has_parts_, false)) return;
    try {
      parts_.made.~parts();
    } catch (...) {
      this->destructor_failed();
    }
  }

  bool has_parts_ = false;
  alignas(cache_line) room_for<parts> parts_;  // steps write here, the reader beside it
};

template <class F, class U>
constexpr bool takes_value() {
  if constexpr (std::is_void_v<U>)
    return std::is_invocable_v<F&>;
  else
    return std::is_invocable_v<F&, U&&>;
}

// Another stream as source. Values are the function's input; errors pass it by, unless it takes results.
template <class U, class F, class T>
class stage_stream final : public stream_of<T> {
 public:
  template <class G>
  stage_stream(std::unique_ptr<stream_pool> pool, results<U>&& source, G&& f, stream_options&& options)
      : stream_of<T>(std::move(pool), std::move(options), true) {
    ::new (static_cast<void*>(std::addressof(f_.made))) F(std::forward<G>(f));
    has_f_ = true;
    source_ = std::move(source);
  }
  ~stage_stream() noexcept override { end_f(); }
  // Of a stage that could not be started.
  results<U> give_up_source() noexcept { return std::move(source_); }

 private:
  pulled run_one(stream_node& base) noexcept override {
    auto& node = static_cast<result_node<T>&>(base);
    item_scope scope(*this);
    bool ended = source_.core_ == nullptr;
    auto* const read = ended ? nullptr : source_.core_->try_next_node(*this, ended);
    if (read == nullptr) return ended ? pulled::end : pulled::nothing;
    handed in(*read);
    source_.core_->give_back(read);
    const bool runs = this->began(node, scope, false);
    try {
      if (runs || in.passes_by()) run(node, in);
    } catch (...) {
      this->item_failed(node);
    }
    in.input.reset();
    if (runs) this->item_over(scope, node);
    if (node.kept) node.kept->index = in.index;
    return pulled::item;
  }

  // What the stage before has made, taken out of its node: that is free from then on.
  struct handed {
    explicit handed(result_node<U>& from) noexcept : index(from.kept->index), how(from.how) {
      try {
        input.emplace(std::move(*from.kept));
      } catch (...) {
        not_moved = std::current_exception();
      }
    }
    // Not an input of the function, so a stop does not take its place.
    bool passes_by() const noexcept { return takes_value<F, U>() && input && !input->ok(); }

    std::size_t index;
    item_end how;
    std::optional<result<U>> input;
    std::exception_ptr not_moved;  // why there is none
  };

  void run(result_node<T>& node, handed& in) {
    if (!in.input) std::rethrow_exception(in.not_moved);
    result<U>& input = *in.input;
    if constexpr (takes_value<F, U>()) {
      if (in.passes_by()) {
        node.how = in.how;
        node.kept.emplace(result<T>::with_error(input.index, input.shared_error()));
        return;
      }
      detail::keep_result<T>(node, input.index, [&]() -> decltype(auto) {
        if constexpr (std::is_void_v<U>)
          return (f_.made)();
        else
          return detail::call(f_.made, static_cast<U&&>(input.value()));
      });
    } else {
      detail::keep_result<T>(node, input.index,
                             [&]() -> decltype(auto) { return detail::call(f_.made, std::move(input)); });
    }
  }

  stream_core* source() const noexcept override { return source_.core_; }
  void stop_source() noexcept override {
    const item_scope callbacks_of_users(*this);
    try {
      source_.cancel("the stage that reads it was stopped");
    } catch (const std::bad_alloc&) {
      // It is destroyed with this stage's reader at the latest.
    }
  }
  void dispose(bool waits) noexcept override {
    if (source_.core_ != nullptr) std::exchange(source_.core_, nullptr)->abandon(waits);
    end_f();
  }
  void end_f() noexcept {
    if (!std::exchange(has_f_, false)) return;
    try {
      f_.made.~F();
    } catch (...) {
      this->destructor_failed();
    }
  }

  bool has_f_ = false;
  alignas(cache_line) results<U> source_;
  room_for<F> f_;
};

template <class F, class U>
decltype(auto) stage_result() {
  if constexpr (!takes_value<F, U>())
    return std::type_identity<std::invoke_result_t<F&, result<U>>>();
  else if constexpr (std::is_void_v<U>)
    return std::type_identity<std::invoke_result_t<F&>>();
  else
    return std::type_identity<std::invoke_result_t<F&, U&&>>();
}

// What is kept of what a function returns. What it refers to as to be moved may go with the input.
template <class T>
using kept_value =
    std::remove_cv_t<std::conditional_t<std::is_rvalue_reference_v<T>, std::remove_reference_t<T>, T>>;

template <class R, class F>
struct stream_types {
  using view = std::views::all_t<R>;
  using value = kept_value<std::invoke_result_t<F&, input_of<view>>>;
  using body = range_stream<view, F, value>;
};
template <class U, class F>
struct stream_types<results<U>, F> {
  using value = kept_value<typename decltype(stage_result<F, U>())::type>;
  using body = stage_stream<U, F, value>;
};

// What map() gives for a range and a function.
template <class R, class F>
using mapped = typename stream_types<R, std::decay_t<F>>::value;

template <class R, class F>
stream_of<mapped<R, F>>* start_stream(std::unique_ptr<stream_pool> pool, R&& inputs, F&& f,
                                      stream_options&& options) {
  using body = typename stream_types<R, std::decay_t<F>>::body;
  constexpr bool is_stage = is_results<std::remove_cvref_t<R>> && !std::is_reference_v<R>;
  body* core = nullptr;
  if constexpr (is_stage)
    core = new body(std::move(pool), std::move(inputs), std::forward<F>(f), std::move(options));
  else
    core = new body(std::move(pool), std::views::all(std::forward<R>(inputs)), std::forward<F>(f),
                    std::move(options));
  try {
    core->start();
  } catch (...) {
    if constexpr (is_stage) inputs = core->give_up_source();
    core->abandon();
    throw;
  }
  return core;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
