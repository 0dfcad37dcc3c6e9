#include "job/conservation.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace coppice {
inline namespace v0 {
namespace detail {

void lost_count(const task_counts& n, const char* job) noexcept {
  std::fprintf(stderr,
               "coppice: job \"%s\" has lost count: %" PRIu64 " spawned are not %" PRIu64
               " succeeded + %" PRIu64 " failed + %" PRIu64 " cancelled + %" PRIu64
               " skipped; this is an error of the library (please report it), the program ends\n",
               job, n.spawned, n.succeeded, n.failed, n.cancelled, n.skipped);
  std::abort();
}

void insist_on_conservation(const job_report& r) noexcept {
  task_counts n;
  n.spawned = r.spawned;
  n.succeeded = r.succeeded;
  n.failed = r.failed;
  n.cancelled = r.cancelled;
  n.skipped = r.skipped;
  insist_on_conservation(n, r.name);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
