#include "platform/fork.hpp"

#include <pthread.h>

#include <atomic>

namespace coppice {
inline namespace v0 {
namespace platform {

namespace {

// Written in a child, which has one thread then.
constinit std::atomic<unsigned> times_forked{0};

// When the program starts: a local static could be in the making during a fork, and in the child for ever.
const bool watching =
    (at_fork(nullptr, nullptr, [] { times_forked.fetch_add(1, std::memory_order_relaxed); }), true);

}  // namespace

void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) noexcept {
  pthread_atfork(before, in_parent, in_child);
}

unsigned forks() noexcept {
  static_cast<void>(watching);
  return times_forked.load(std::memory_order_relaxed);
}

}  // namespace platform
}  // namespace v0
}  // namespace coppice
