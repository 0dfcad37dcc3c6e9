// What a test asks the system about its own process: threads, memory, a child to break things in.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace support {

/// Threads of this process, ended ones that the system has not taken away yet included.
std::size_t threads_now();

/// The number of threads that remains once ended ones have been taken away: waits for it to fall to `wanted`,
/// but not for ever.
std::size_t threads_settled(std::size_t wanted);

/// Number of threads when no test runs.
std::size_t threads_at_rest();

/// Returns when the thread stands still, in a lock or a wait, or when `over` says that it does not matter any
/// more.
void wait_until_asleep(pid_t thread, const std::function<bool()>& over);

/// This thread's number for wait_until_asleep.
pid_t this_thread_number();

/// The number of this process's thread that has this name (of which the system keeps 15 characters): waits
/// until there is one.
pid_t thread_named(const std::string& name);

/// How often the thread has gone to sleep so far.
std::uint64_t sleeps_of(pid_t thread);

/// Resident memory in bytes.
std::size_t resident_bytes();
/// Address space in bytes.
std::size_t address_bytes();

/// While it lives, threads that ask for no size get stacks of this many bytes.
class small_stacks {
 public:
  explicit small_stacks(std::size_t bytes);
  ~small_stacks();
  small_stacks(const small_stacks&) = delete;
  small_stacks& operator=(const small_stacks&) = delete;

 private:
  pthread_attr_t before_;
};

/// Runs f in a forked child. True if it returned true; what it prints on stderr is shown.
bool in_child_process(const std::function<bool()>& f);

}  // namespace support
