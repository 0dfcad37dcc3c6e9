// A frame: a task in memory, as the deque and the workers see it.
//
// It carries its own run function, made on a higher floor, so that the worker knows neither jobs nor
// closures. `state` is written by the worker that forks the frame (fresh), then only by the worker that runs
// it (running, then an end), and by the one waiter (waited).
//
// Orders
//   run -> end      exchange(acq_rel) by the runner; pairs with ended() of the waiter (acquire).
//   waiter          compare_exchange(acq_rel); the runner's exchange sees the waiter's word and wakes it.
// The exchange to an end is the runner's last access: after it the frame may be gone.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

struct worker;
struct frame;

using run_function = void (*)(frame*, worker&) noexcept;

struct failure;

// How a frame's state word is read: fresh (loose: and nobody asks for it by name), a worker's address with a
// tag, or an end: a value, the address of a failure with a tag, or nothing because it was skipped. A child
// that is held (verbs/held.hpp) or bundled (worker/bundle.hpp) is in nobody else's hands, and keeps the
// address of the next one there.
enum class frame_tag : std::uintptr_t { running = 1, waited = 2, failed = 3 };

struct frame {
  run_function run;
  atomic<std::uintptr_t> state;

  static constexpr std::uintptr_t fresh = 0;
  static constexpr std::uintptr_t with_value = 4;
  static constexpr std::uintptr_t skipped = 8;
  static constexpr std::uintptr_t with_value_and_children = 12;  // held ones: verbs/held.hpp
  static constexpr std::uintptr_t loose = 16;  // a fresh frame that nobody takes back: it may be bundled
  static constexpr std::uintptr_t tags = 3;

  static std::uintptr_t tagged(const worker* who, frame_tag tag) noexcept {
    return reinterpret_cast<std::uintptr_t>(who) | static_cast<std::uintptr_t>(tag);
  }
  static std::uintptr_t failed(const failure* why) noexcept {
    return reinterpret_cast<std::uintptr_t>(why) | static_cast<std::uintptr_t>(frame_tag::failed);
  }
  static bool is_end(std::uintptr_t word) noexcept {
    return has_value(word) || word == skipped || failure_of(word) != nullptr;
  }
  static bool has_value(std::uintptr_t word) noexcept {
    return word == with_value || word == with_value_and_children;
  }

  // The worker that runs this frame now, or null.
  static worker* runner_of(std::uintptr_t word) noexcept {
    const bool runs = (word & tags) == static_cast<std::uintptr_t>(frame_tag::running);
    return runs ? reinterpret_cast<worker*>(word & ~tags) : nullptr;  // NOLINT(performance-no-int-to-ptr)
  }
  static worker* waiter_of(std::uintptr_t word) noexcept {
    const bool waits = (word & tags) == static_cast<std::uintptr_t>(frame_tag::waited);
    return waits ? reinterpret_cast<worker*>(word & ~tags) : nullptr;  // NOLINT(performance-no-int-to-ptr)
  }

  static failure* failure_of(std::uintptr_t word) noexcept {
    const bool failed = (word & tags) == static_cast<std::uintptr_t>(frame_tag::failed);
    return failed ? reinterpret_cast<failure*>(word & ~tags) : nullptr;  // NOLINT(performance-no-int-to-ptr)
  }

  // order(run): release; pairs with the acquire loads of who asks for the runner: that may be a spare worker,
  // which was made after the frame.
  void begin(const worker& who) noexcept {
    state.store(tagged(&who, frame_tag::running), memory_order_release);
  }
  // order(end): acquire; pairs with the exchange in end_frame(): what the runner did is seen.
  bool ended() const noexcept { return is_end(state.load(memory_order_acquire)); }
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
