// A thread that is no worker, in a wait for a job: what it does before it sleeps.
//
// Alone, it may poll for what it costs to be woken. Where several wait for jobs, they or those who submit may
// be waiting for the core of one that polls: then it gives its core away, once. That spares both sides a
// sleep and its wake, some microseconds, where jobs are short. But it may cost a time slice, where a worker
// or another program is busy. So after one that was long many waits sleep at once, and four times as many
// when the next one is long again (bench/notes/2026-11-29-a-caller-among-several-gives-way.md).
//
// The scheduler may be gone when the job is over: what is to be known of it was asked when the job was
// submitted.
#pragma once

#include <chrono>

namespace coppice {
inline namespace v0 {
namespace detail {

class job_core;
struct job_state;

class waiting_caller {
 public:
  waiting_caller() noexcept;
  ~waiting_caller();
  waiting_caller(const waiting_caller&) = delete;
  waiting_caller& operator=(const waiting_caller&) = delete;

  // True: the job is over.
  bool polls(const job_core& job, const job_state& s,
             std::chrono::steady_clock::time_point latest =
                 std::chrono::steady_clock::time_point::max()) const noexcept;
  // The same, for a wait that may take as long as it likes.
  bool gives_way(const job_core& job) const noexcept;

 private:
  const bool alone_;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
