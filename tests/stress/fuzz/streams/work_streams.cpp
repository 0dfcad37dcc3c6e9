// Acts that are streams themselves.
#include <algorithm>
#include <memory>
#include <ranges>
#include <vector>

#include "observation.hpp"
#include "streams/options.hpp"
#include "streams/work.hpp"

namespace fuzz::streams {

namespace this_task = coppice::this_task;

namespace {

std::uint32_t same_or_error(std::uint32_t i) {
  if (child_throws(i)) throw node_error(i);
  return i;
}

// Whether a result is what same_or_error makes of its input.
bool is_right(const coppice::result<std::uint32_t>& r) {
  if (r.ok()) return r.value() == r.index && !child_throws(r.value());
  return fate_of(r.error().exception) == fate{fate::node_error, r.index};
}

// Some results are read while the pool lives, the others when it has gone: what it had taken is there, and
// then the end.
template <class Pool>
void outlive(std::unique_ptr<Pool> pool, const action& a, coppice::stop_mode how, troubles& wrong) {
  const std::uint32_t inputs = 4 * a.amount;
  auto inner = pool->map(std::views::iota(0U, inputs), same_or_error,
                         {.capacity = 1 + a.amount % 5, .ordered = a.every % 2 == 0, .name = "inner"});
  std::vector<unsigned> met(inputs);
  std::uint64_t count = 0;
  const auto read = [&] {
    const auto r = inner.next();
    if (!r) return false;
    ++count;
    wrong.expect(r->index < inputs && ++met[r->index] == 1, "a stream gave input ", r->index, " twice");
    const bool not_run = !r->ok() && fate_of(r->error().exception).what == fate::not_run;
    wrong.expect(not_run || is_right(*r), "a stream's result ", r->index, " is another's");
    return true;
  };
  while (count < a.amount && read()) {
  }
  pool->stop(how);
  pool.reset();
  while (read()) {
  }
  const coppice::job_report& r = inner.report();
  wrong.expect(r.spawned == count && count == r.succeeded + r.failed + r.cancelled + r.skipped,
               "a stream whose pool has gone: ", count, " results read\n", r);
  if (!r.cancel) wrong.expect(count == inputs, "a stream ended early, and nobody did it: ", count);
}

}  // namespace

void work::stream(const action& a) {
  const std::uint32_t inputs = 2 * a.amount, until = a.amount % 2 == 1 ? a.amount : inputs + 1;
  auto inner = on_.map(a.where, std::views::iota(0U, inputs), same_or_error,
                       {.capacity = 1 + a.amount % 5, .ordered = a.every % 2 == 0, .name = "inner"});
  std::uint64_t count = 0, sum = 0;
  while (count < until) {
    const auto r = inner.next();
    if (!r) break;
    ++count;
    sum += r->index;
    if (!is_right(*r)) {
      this_task::throw_if_stopped();
      wrong_.tell("an inner stream's result ", r->index, " is another's");
    }
  }
  this_task::throw_if_stopped();  // it has lost its end then
  const std::uint64_t n = std::min(until, inputs);
  wrong_.expect(count == n, "an inner stream gave ", count, " of ", n, " results");
  if (until > inputs) wrong_.expect(n == 0 || sum == n * (n - 1) / 2, "an inner stream gave others' indices");
}

void work::own_pool(const action& a) {
  const auto how = a.amount % 2 == 0 ? coppice::stop_mode::drain : coppice::stop_mode::cancel;
  const unsigned workers = 1 + a.amount % 2;
  if (a.phase % 2 == 0)
    outlive(
        std::make_unique<coppice::scheduler>(coppice::scheduler_options{.workers = workers, .name = "own"}),
        a, how, wrong_);
  else
    outlive(std::make_unique<coppice::fifo_pool>(
                coppice::fifo_options{.workers = workers, .queue_capacity = 1, .name = "own"}),
            a, how, wrong_);
}

}  // namespace fuzz::streams
