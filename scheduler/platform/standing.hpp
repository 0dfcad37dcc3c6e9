// A wait in which the thread stands still. A worker of a scheduler lends its core meanwhile, wherever it
// waits: what it waits for may need that core. The worker floor does it, of which what waits here need not
// know.
#pragma once

namespace coppice {
inline namespace v0 {
namespace platform {

// Calls wait(what), with the core lent if the thread is a worker. The worker floor provides it, so it is
// there from the program's first instruction, for a scheduler at namespace scope too. Holding no lock.
void lend_core_during(void (*wait)(void*), void* what);

template <class Wait>
void stand_still(Wait wait) {
  lend_core_during([](void* what) { (*static_cast<Wait*>(what))(); }, &wait);
}

}  // namespace platform
}  // namespace v0
}  // namespace coppice
