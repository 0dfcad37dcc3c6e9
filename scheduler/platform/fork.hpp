// The one door to fork(). A child has a copy of everything and one thread: who joins the others, waits for
// them or asks for a lock that one of them held waits for ever. So what lives with threads remembers how many
// forks there were when it was made.
//
// Threads: any. A fork that passes the C library by (a bare clone) is not seen.
#pragma once

#include <pthread.h>

namespace coppice {
inline namespace v0 {
namespace platform {

// Calls the three around each fork from now on: in the parent before and after, in the child after. Null:
// nothing. To be called when the program, or the library that holds this copy of coppice, starts. Without
// memory for that, forks are not seen. Compiled into its caller: the C library forgets the three when that is
// unloaded, and a function with a name may be another copy's.
[[gnu::always_inline]] inline void at_fork(void (*before)(), void (*in_parent)(),
                                           void (*in_child)()) noexcept {
  pthread_atfork(before, in_parent, in_child);
}

// How many forks lie on the way to this process, from its start. It differs between a process and its
// children, and costs a load.
unsigned forks() noexcept;

}  // namespace platform
}  // namespace v0
}  // namespace coppice
