#include <coppice/blocking.hpp>
#include <new>

#include "worker/crew.hpp"
#include "worker/piece.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// The job's clock of work stands still meanwhile.
standing_still::standing_still() noexcept : who_(this_worker) {
  static_assert(sizeof(measured_wait) <= sizeof(waits_) && alignof(measured_wait) <= alignof(void*));
  if (who_ == nullptr) return;
  worker_thread& me = worker_thread::of(*who_);
  ::new (static_cast<void*>(waits_)) measured_wait(me.running);
  // The end of a job whose last task this worker has run.
  flush_counts(me);
  me.all.cores.lend(me);
}

standing_still::~standing_still() {
  if (who_ == nullptr) return;
  worker_thread& me = worker_thread::of(*who_);
  me.all.cores.take_back(me);
  std::launder(reinterpret_cast<measured_wait*>(waits_))->~measured_wait();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
