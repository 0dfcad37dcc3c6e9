// Bundles: what becomes of spawned children when the deque is full and running them at once would go too
// deep.
//
// The newest frames of the deque are chained behind one frame that takes their place. Whoever takes that
// frame, owner or thief, puts them back into its own deque, in their old order. So a deque holds any number
// of children, all of them can be stolen, and no stack grows: a search of a graph that spawns a task for each
// node has as many unstarted ones as the graph is wide.
//
// Who writes what. `first`, `size` and the members' state words: whoever holds the bundle, before its push
// and after its pop or steal; the deque orders them.
//
// Only loose frames are bundled: a join takes its frame back by its index. And nothing below the floor: a
// wait runs what lies above its floor, all of it and nothing else.
#pragma once

#include <coppice/detail/frame.hpp>
#include <cstdint>

#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// Owner. Bundles `newest`, which is not in the deque, with the frames on top of it and above `floor`, or puts
// it into the deque's reserve if there are none. False: nothing was done; no memory, or no slot.
COPPICE_COLD bool bundle_newest(worker_thread& me, frame& newest, deque_index floor) noexcept;

// Owner, of a frame that it has popped.
COPPICE_COLD bool is_bundle(const frame& f) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace coppice
