// A wait in which the thread stands still. A worker of a scheduler lends its core meanwhile, wherever it
// waits: what it waits for may need that core. The worker floor does it, of which what waits here need not
// know.
#pragma once

namespace coppice {
inline namespace v0 {
namespace platform {

// Calls wait(what), with the core lent if the thread is a worker. Set by the worker floor when the program
// starts; null: there are no workers.
using lending = void (*)(void (*wait)(void*), void* what);
inline constinit lending lend_core_during = nullptr;

// Holding no lock.
template <class Wait>
void stand_still(Wait wait) {
  if (lend_core_during == nullptr) return wait();
  lend_core_during([](void* what) { (*static_cast<Wait*>(what))(); }, &wait);
}

}  // namespace platform
}  // namespace v0
}  // namespace coppice
