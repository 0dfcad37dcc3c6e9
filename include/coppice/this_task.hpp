// What a task can ask and say about itself. All may be called on any thread; outside of a task they say
// "nothing".
//
//   for (const auto& line : lines) {
//     coppice::this_task::throw_if_stopped();
//     if (!parse(line)) coppice::this_task::fail(std::make_error_code(std::errc::invalid_argument), line);
//   }
#pragma once

#include <chrono>
#include <coppice/detail/config.hpp>
#include <stop_token>
#include <string>
#include <system_error>

namespace coppice {
inline namespace v0 {
namespace this_task {

/// Whether the job is being stopped. Cost: a few loads. Outside: false.
COPPICE_API bool stop_requested() noexcept;

/// Throws cancelled if the job is being stopped.
COPPICE_API void throw_if_stopped();

/// The job's token. Outside: one that never stops. Cost: a lock, at the first call for a job an allocation.
COPPICE_API std::stop_token stop_token();

/// Cancels the job of this task; in a stream's function that stream. True for the one call that did it.
/// Outside: false.
COPPICE_API bool cancel_job(std::string reason);

/// Records a failure of this task without the cost of a throw; the body goes on. A second call, or a throw
/// after it, makes a secondary error. A join or group that waits for this task throws std::system_error(code,
/// message), or with an empty message std::system_error(code).
///
/// Throws: that error outside of a task, std::bad_alloc in one.
COPPICE_API void fail(std::error_code code, std::string message = {});

/// Time left until the job's deadline, at least zero; nanoseconds::max() without a deadline.
COPPICE_API std::chrono::nanoseconds remaining();

/// The place of the running code in its job's tree: `root/3/1`. Outside: empty. Cost: a walk up the tree.
COPPICE_API std::string path();

/// The worker that runs this; -1 outside. Regular workers are numbered from 0, as in the names of their
/// threads (`coppice-00`); spare workers, which run where others stand still, from 4096 (`coppice-s00`).
COPPICE_API int worker() noexcept;

}  // namespace this_task
}  // namespace v0
}  // namespace coppice
