#include "platform/fork.hpp"

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

unsigned forks() noexcept {
  static_cast<void>(watching);
  return times_forked.load(std::memory_order_relaxed);
}

}  // namespace platform
}  // namespace v0
}  // namespace coppice
