// A crew: the workers of one scheduler and what they share.
//
// The worker floor knows frames, not jobs: the injection queue hands it frames through `take_injected`, which the
// job floor sets, and a worker that runs out of tasks calls `drained`.
#pragma once

#include <chrono>
#include <coppice/detail/worker.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "platform/topology.hpp"
#include "stores/injection.hpp"
#include "worker/idle.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

struct crew {
  crew(platform::topology where, std::size_t injection_capacity);

  platform::topology topology;
  injection_queue injection;
  idle_counts idle;
  atomic<bool> closing{false};  // no work will come any more: workers leave when they find none
  bool spin = true;             // false when there are more workers than cores
  bool can_expose = false;
  std::string name;
  std::vector<std::unique_ptr<worker_thread>> workers;  // complete before any of them runs

  // Work has become visible: wakes one sleeper if nobody searches. `near`: wake one close to this worker; null: any.
  void wake_one(const worker_thread* near) noexcept;
  // A sleeper that nobody woke, to be woken by the caller; used at shutdown.
  void wake_all() noexcept;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
