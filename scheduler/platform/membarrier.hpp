// The one door to the system's membarrier: a full fence on every running thread of this process, paid by the
// caller.
//
// It lets the owner of a deque go without a fence: the thief that wants to expose the owner's private part
// pays for both. Cost: 10 to 20 us on a 2-core virtual machine (2026-11).
#pragma once

namespace coppice {
inline namespace v0 {
namespace platform {

// Whether barrier_on_every_thread() works here. Registers the process on the first call; thread-safe.
bool has_barrier_on_every_thread() noexcept;

// Requires has_barrier_on_every_thread(). False: the system refuses after all (a seccomp filter came later).
bool barrier_on_every_thread() noexcept;

}  // namespace platform
}  // namespace v0
}  // namespace coppice
