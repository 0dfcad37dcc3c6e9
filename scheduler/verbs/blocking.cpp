#include <coppice/blocking.hpp>
#include <coppice/detail/job_core.hpp>
#include <new>

#include "job/measure.hpp"
#include "worker/crew.hpp"
#include "worker/piece.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// The job's clock of work stands still, another one runs.
struct standing_still::clocks {
  explicit clocks(worker_thread& me) noexcept
      : not_work(me.running),
        of(me.task != nullptr && me.stands.load(memory_order_relaxed) == 0 ? me.task->job->measured()
                                                                           : nullptr),
        since(of != nullptr ? piece::now() : 0) {}
  ~clocks() {
    if (of != nullptr) of->stood_still(piece::now() - since);
  }
  clocks(const clocks&) = delete;
  clocks& operator=(const clocks&) = delete;

  const measured_wait not_work;
  measure* const of;
  const piece::ticks since;
};

standing_still::standing_still() noexcept : who_(this_worker) {
  static_assert(sizeof(clocks) <= sizeof(clocks_) && alignof(clocks) <= alignof(void*));
  if (who_ == nullptr) return;
  worker_thread& me = worker_thread::of(*who_);
  ::new (static_cast<void*>(clocks_)) clocks(me);
  // The end of a job whose last task this worker has run.
  flush_counts(me);
  me.all.cores.lend(me);
}

standing_still::~standing_still() {
  if (who_ == nullptr) return;
  worker_thread& me = worker_thread::of(*who_);
  me.all.cores.take_back(me);
  std::launder(reinterpret_cast<clocks*>(clocks_))->~clocks();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
