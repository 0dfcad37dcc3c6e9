// A job is over with its last task, whatever the worker that ran it does next.
#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <coppice/detail/worker.hpp>
#include <latch>
#include <thread>

#include "support/check.hpp"

namespace {

// Who has run the last task takes a branch of another job from the worker that it had that task from.
TEST(job_end, IsToldBeforeABranchOfAnotherJobIsRun) {
  coppice::scheduler s({.workers = 2});
  std::latch child_runs(1), root_ends(1), forked(1), branch_runs(1), told(1);
  auto first = s.submit([&] {
    coppice::spawn([&] {
      child_runs.count_down();
      forked.wait();
    });
    child_runs.wait();
    root_ends.count_down();
  });
  root_ends.wait();
  auto second = s.submit([&] {
    using namespace coppice::detail;
    // As if the other worker had asked: the branch is shared at once.
    this_worker->attention.fetch_or(attention_bit::hungry, memory_order_seq_cst);
    coppice::join(
        [&] {
          forked.count_down();
          branch_runs.wait();
        },
        [&] {
          branch_runs.count_down();
          told.wait();
        });
  });
  support::check(first.wait());
  told.count_down();
  support::check(second.wait());
}

}  // namespace
