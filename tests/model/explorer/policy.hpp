// What stands behind detail/atomic.hpp in a model build: the same names, explored.
//
// Included in place of the standard library's types when COPPICE_POLICY names this file.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <source_location>
#include <type_traits>

#include "explorer/execution.hpp"

namespace model {

template <class T>
std::uint64_t to_bits(const T& value) noexcept {
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) noexcept {
  T value;
  __builtin_memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return value;
}

// Has the size of T: the explorer keeps the history, by address.
template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

 public:
  atomic() noexcept : atomic(T{}) {}
  atomic(T value) noexcept : newest_(value) {  // NOLINT(google-explicit-constructor): as std::atomic
    if (execution* const e = execution::current()) e->begin_life(this, sizeof(T), to_bits(value));
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;
  ~atomic() {
    if (execution* const e = execution::current()) e->end_life(this);
  }

  T load(std::memory_order order, where at = where::current()) const noexcept {
    execution* const e = execution::current();
    return e != nullptr ? from_bits<T>(e->load(this, sizeof(T), order, at)) : newest_;
  }
  void store(T value, std::memory_order order, where at = where::current()) noexcept {
    if (execution* const e = execution::current())
      e->store(this, sizeof(T), to_bits(value), order, at);
    else
      newest_ = value;
  }
  T exchange(T value, std::memory_order order, where at = where::current()) noexcept {
    return modify([](std::uint64_t, std::uint64_t v) { return v; }, to_bits(value), order, at);
  }
  T fetch_add(T value, std::memory_order order, where at = where::current()) noexcept {
    return modify([](std::uint64_t old, std::uint64_t v) { return old + v; }, to_bits(value), order, at);
  }
  T fetch_sub(T value, std::memory_order order, where at = where::current()) noexcept {
    return modify([](std::uint64_t old, std::uint64_t v) { return old - v; }, to_bits(value), order, at);
  }
  T fetch_or(T value, std::memory_order order, where at = where::current()) noexcept {
    return modify([](std::uint64_t old, std::uint64_t v) { return old | v; }, to_bits(value), order, at);
  }
  T fetch_and(T value, std::memory_order order, where at = where::current()) noexcept {
    return modify([](std::uint64_t old, std::uint64_t v) { return old & v; }, to_bits(value), order, at);
  }
  T fetch_xor(T value, std::memory_order order, where at = where::current()) noexcept {
    return modify([](std::uint64_t old, std::uint64_t v) { return old ^ v; }, to_bits(value), order, at);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success, std::memory_order failure,
                               where at = where::current()) noexcept {
    return compare_exchange(expected, desired, false, success, failure, at);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure,
                             where at = where::current()) noexcept {
    return compare_exchange(expected, desired, true, success, failure, at);
  }

 private:
  T modify(execution::change f, std::uint64_t operand, std::memory_order order, const where& at) noexcept {
    if (execution* const e = execution::current())
      return from_bits<T>(e->modify(this, sizeof(T), f, operand, order, at));
    const T old = newest_;
    newest_ = from_bits<T>(f(to_bits(old), operand));
    return old;
  }
  bool compare_exchange(T& expected, T desired, bool weak, std::memory_order success,
                        std::memory_order failure, const where& at) noexcept {
    std::uint64_t bits = to_bits(expected);
    if (execution* const e = execution::current()) {
      if (e->compare_exchange(this, sizeof(T), bits, to_bits(desired), weak, success, failure, at))
        return true;
      expected = from_bits<T>(bits);
      return false;
    }
    if (to_bits(newest_) == bits) {
      newest_ = desired;
      return true;
    }
    expected = newest_;
    return false;
  }

  alignas(sizeof(T)) T newest_;
};

// To load it before anybody has stored it is a failure.
template <class T>
class late_atomic : atomic<T> {
 public:
  late_atomic() noexcept : atomic<T>(from_bits<T>(nobodys)) {}
  using atomic<T>::store;
  T load(std::memory_order order, where at = where::current()) const noexcept {
    const T value = atomic<T>::load(order, at);
    execution* const e = execution::current();
    if (e != nullptr && to_bits(value) == nobodys) e->fail("a load of a word that nobody has stored", at);
    return value;
  }

 private:
  static constexpr std::uint64_t nobodys = 0xa5a5a5a5a5a5a5a5;
};

class mutex {
 public:
  mutex() = default;
  void lock(where at = where::current()) noexcept {
    if (execution* const e = execution::current()) e->lock(&word_, at);
  }
  bool try_lock(where at = where::current()) noexcept {
    execution* const e = execution::current();
    return e == nullptr || e->try_lock(&word_, at);
  }
  void unlock(where at = where::current()) noexcept {
    if (execution* const e = execution::current()) e->unlock(&word_, at);
  }

 private:
  atomic<std::uint32_t> word_{0};
};

class condition_variable {
 public:
  void notify_one(where at = where::current()) noexcept { execution::current()->wake_one(this, at); }
  void notify_all(where at = where::current()) noexcept { execution::current()->wake_all(this, at); }
  void wait(std::unique_lock<mutex>& hold, where at = where::current()) { wait_once(hold, false, at); }
  template <class Predicate>
  void wait(std::unique_lock<mutex>& hold, Predicate met, where at = where::current()) {
    while (!met()) wait_once(hold, false, at);
  }
  template <class Predicate>
  bool wait_until(std::unique_lock<mutex>& hold, std::chrono::steady_clock::time_point, Predicate met,
                  where at = where::current()) {
    while (!met())
      if (!wait_once(hold, true, at)) return met();
    return true;
  }
  void wait_until(std::unique_lock<mutex>& hold, std::chrono::steady_clock::time_point,
                  where at = where::current()) {
    wait_once(hold, true, at);
  }

 private:
  bool wait_once(std::unique_lock<mutex>& hold, bool has_deadline, const where& at) {
    execution& e = *execution::current();
    hold.mutex()->unlock(at);
    const bool woken = e.spuriously() || e.wait(this, has_deadline, "a notification", at);
    hold.mutex()->lock(at);
    return woken;
  }
};

// Made anew in each run: one that failed has left its own as it was.
template <class T>
class process_wide {
 public:
  T* operator->() noexcept {
    if (execution::is_first_look(made_in_)) value_ = ::new (static_cast<void*>(room_)) T{};
    return value_;
  }

 private:
  alignas(T) unsigned char room_[sizeof(T)];
  T* value_ = nullptr;
  std::uint64_t made_in_ = 0;  // the explorer's own
};

struct clock {
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;
  static time_point now() noexcept {
    execution* const e = execution::current();
    if (e == nullptr) return {};
    return time_point(std::chrono::nanoseconds(e->tick()));
  }
};

}  // namespace model

namespace coppice {
inline namespace v0 {
namespace detail {

template <class T>
using atomic = model::atomic<T>;
template <class T>
using late_atomic = model::late_atomic<T>;
using mutex = model::mutex;
using unique_lock = std::unique_lock<model::mutex>;
template <class T>
using process_wide = model::process_wide<T>;
using condition_variable = model::condition_variable;
using clock = model::clock;

inline void compiler_barrier() noexcept {
  if (model::execution* const e = model::execution::current()) e->light_fence();
}
inline void relax() noexcept {
  if (model::execution* const e = model::execution::current()) e->yield(model::where::current());
}
inline void yield() noexcept { relax(); }

}  // namespace detail
}  // namespace v0
}  // namespace coppice
