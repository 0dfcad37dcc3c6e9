#include <coppice/scheduler.hpp>
#include <utility>

#include "lifecycle/scheduler_core.hpp"

namespace coppice {
inline namespace v0 {

scheduler::scheduler(scheduler_options options)
    : core_(std::make_unique<detail::scheduler_core>(std::move(options))) {}
scheduler::~scheduler() = default;

stop_report scheduler::stop(stop_mode mode) { return core_->stop(mode, nullptr); }
stop_report scheduler::stop_until(std::chrono::steady_clock::time_point when) {
  return core_->stop(stop_mode::drain, &when);
}
unsigned scheduler::workers() const noexcept { return static_cast<unsigned>(core_->team.workers.size()); }
scheduler_stats scheduler::stats() const { return core_->stats(); }
std::string scheduler::describe() const { return core_->describe(); }

}  // namespace v0
}  // namespace coppice
