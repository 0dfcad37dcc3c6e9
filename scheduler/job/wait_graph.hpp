// Which job waits for which: finds the wait that would close a cycle, before it begins.
//
// A job cannot end before its tasks, so a task that waits for another job is an edge from its own job to that
// one. The graph is one for all schedulers, as a cycle may lead through several. Waits that give up at some
// time are not in it, nor are waits of threads that are no workers: nobody waits for those. Jobs that wait
// for tasks of FIFO pools, or are awaited by those, are parties of platform/waits.hpp, of which this is a
// part; this one needs no memory.
//
// Who writes what. Everything under the lock of all waits. No user code runs under it.
#pragma once

#include <coppice/detail/job_core.hpp>
#include <string>

#include "platform/waits.hpp"
#include "worker/crew.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// Under the lock: the job on the way from `from` whose wait leads to `to`, or null.
job_core* last_before(job_core& to, job_core& from) noexcept;

struct wait_node;

// One wait, on the stack of who waits.
class wait_edge {
 public:
  // `own` is to wait for `awaited`; null: nothing is. Throws would_deadlock, with the chain.
  wait_edge(job_core* own, job_core& awaited);
  ~wait_edge();
  wait_edge(const wait_edge&) = delete;
  wait_edge& operator=(const wait_edge&) = delete;

 private:
  friend job_core* last_before(job_core& to, job_core& from) noexcept;
  friend struct wait_node;
  void leave() noexcept;

  job_core* const own_;
  job_core& awaited_;
  unsigned long long number_ = 0;
  wait_edge* before_ = nullptr;
  wait_edge* after_ = nullptr;
};

// Whether `from` waits for `to`, be it through others.
bool waits_for(job_core& from, job_core& to) noexcept;

// A worker that waits for another scheduler's job is woken by each new wait of anybody: it may have become
// the one who can run what that waits for.
void stand_elsewhere(standing& s) noexcept;
void go_on_elsewhere(standing& s) noexcept;

// A job's part of the graph.
struct wait_node final : platform::party {
  explicit wait_node(job_core& j) noexcept : job(j) {}
  // It cannot end before its tasks, whatever else goes on.
  platform::outlook look() const override;
  std::string text() const override;

  job_core& job;
  wait_edge* first = nullptr;
  // Of the search that was here last.
  unsigned long long seen = 0;
  job_core* to_look_at = nullptr;
  job_core* came_from = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
