#include "job/conservation.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace coppice {
inline namespace v0 {
namespace detail {

void insist_on_conservation(const job_report& r) noexcept {
  if (r.spawned == r.succeeded + r.failed + r.cancelled + r.skipped) return;
  std::fprintf(stderr,
               "coppice: job \"%s\" has lost count: %" PRIu64 " spawned are not %" PRIu64
               " succeeded + %" PRIu64 " failed + %" PRIu64 " cancelled + %" PRIu64
               " skipped; this is an error of the library (please report it), the program ends\n",
               r.name.c_str(), r.spawned, r.succeeded, r.failed, r.cancelled, r.skipped);
  std::abort();
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
