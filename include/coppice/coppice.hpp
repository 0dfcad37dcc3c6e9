// All of coppice: a recursive work-stealing task scheduler.
//
// Submit a task. It may split itself into subtasks, and they into theirs. When the tree is done you get its
// value, or every error that happened in it, each with its place in the tree.
//
//   #include <coppice/coppice.hpp>
//
//   long fib(int n) {
//     if (n < 2) return n;
//     auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
//     return a + b;
//   }
//   int main() {
//     coppice::scheduler scheduler;
//     return scheduler.run([] { return fib(30); }) == 832040 ? 0 : 1;
//   }
#pragma once

#include <coppice/algorithm.hpp>
#include <coppice/blocking.hpp>
#include <coppice/error.hpp>
#include <coppice/error_policy.hpp>
#include <coppice/fifo_pool.hpp>
#include <coppice/fifo_task.hpp>
#include <coppice/job.hpp>
#include <coppice/job_stats.hpp>
#include <coppice/join.hpp>
#include <coppice/options.hpp>
#include <coppice/result.hpp>
#include <coppice/results.hpp>
#include <coppice/scheduler.hpp>
#include <coppice/stats.hpp>
#include <coppice/stop.hpp>
#include <coppice/stream_options.hpp>
#include <coppice/task_group.hpp>
#include <coppice/this_task.hpp>
