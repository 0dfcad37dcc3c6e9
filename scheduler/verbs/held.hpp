// Held children: under serial_first a child that is spawned without a group starts only where it is certain
// that the serial run would have spawned it.
//
// A stolen branch runs before it is known whether a branch to its left fails; a group's child before it is
// known whether an earlier one does. The serial run would then not have come to it, and if the failure is
// caught in the tree nothing of it counts. Its own errors are secondary ones, but a child that nobody waits
// for is a task of the job. So that child waits, in a list of the innermost stolen branch or of the group,
// until the join or the group is over: then it is let go, which may mean to wait further out, or dropped,
// which counts it as skipped. What runs without a doubt, and on one worker everything but a group's children,
// is never held.
//
// Who writes what. The list of a stolen branch: its thief, until it ends the frame, in whose `run` it leaves
// the list; then the joiner. The list of a group: under its lock. A held child's `state` is the next one's
// address.
#pragma once

#include <coppice/detail/frame.hpp>
#include <coppice/detail/task_frame.hpp>
#include <coppice/detail/worker.hpp>

namespace coppice {
inline namespace v0 {
namespace detail {

// A child of the running code, counted already. False: it may start.
bool hold(worker& w, task_frame& child) noexcept;

// What is held is certain as far as `here`.
void let_go(worker& w, spot here, task_frame* held) noexcept;

// Adds to a list, and takes the first one off.
void add_held(task_frame*& list, task_frame& child) noexcept;
task_frame* take_held(task_frame*& list) noexcept;

// Between the thief of a branch of a serial_first job and its joiner. Gives the end word to end it with.
std::uintptr_t leave_held(frame& f, task_frame* held, std::uintptr_t end_word) noexcept;
task_frame* held_by(const frame& f, const job_core& job) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
