#include <coppice/scheduler.hpp>
#include <utility>

#include "lifecycle/scheduler_core.hpp"

namespace coppice {
inline namespace v0 {

scheduler::scheduler(scheduler_options options)
    : core_(std::make_unique<detail::scheduler_core>(std::move(options))) {}
scheduler::~scheduler() {
  // In a forked child there is nobody to join, and whoever waited in the parent seems to wait here for ever:
  // this copy is left as it is.
  if (core_->inherited_over_fork()) static_cast<void>(core_.release());
}

stop_report scheduler::stop(stop_mode mode) { return core_->stop(mode, nullptr); }
stop_report scheduler::stop_until(std::chrono::steady_clock::time_point when) {
  return core_->stop(stop_mode::drain, &when);
}
unsigned scheduler::workers() const noexcept { return core_->team.number_wanted(); }
void scheduler::resize(unsigned workers) { core_->resize(workers); }
scheduler_stats scheduler::stats() const { return core_->stats(); }
std::string scheduler::describe() const { return core_->describe(); }

}  // namespace v0
}  // namespace coppice
