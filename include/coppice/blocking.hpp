// Standing still without keeping a core from others: I/O, locks, sleeps.
//
// blocking may be called on any thread. Outside of a worker it only calls f.
//
//   // Another task runs on this core meanwhile.
//   std::string page = coppice::blocking([&] { return fetch(url); });
#pragma once

#include <concepts>
#include <coppice/detail/config.hpp>
#include <coppice/detail/worker.hpp>
#include <type_traits>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

// As long as it lives, its worker stands still and its core belongs to others.
class COPPICE_API standing_still {
 public:
  standing_still() noexcept;
  ~standing_still();
  standing_still(const standing_still&) = delete;
  standing_still& operator=(const standing_still&) = delete;

 private:
  worker* const who_;
  struct clocks;  // where the job has statistics
  void* clocks_[6];
};

}  // namespace detail

/// Calls f, which stands still, and returns what it returns. Meanwhile a spare worker may run other tasks on
/// this worker's core. The task stays on its thread.
///
/// Threads: any; what f forks or spawns is stealable, and f may call blocking itself.
/// Blocks: as long as f does. At the bound of scheduler_options::max_spare_workers the core stands still too,
/// and scheduler_stats::kept counts it; so it does where the system has no more threads, which describe()
/// says. Throws: what f throws. Stop: does not look; f may ask this_task::stop_token(). Cost: two locks and
/// no system call while there is nothing else to run; the wake-up of a thread, some 5 us of a core, when
/// there is. Not worth it for less than that.
template <std::invocable F>
auto blocking(F&& f) -> std::invoke_result_t<F> {
  const detail::standing_still here;
  return std::forward<F>(f)();
}

}  // namespace v0
}  // namespace coppice
