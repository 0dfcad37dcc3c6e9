// A tree in which tasks fail in all the ways there are, run twice: once to the end, once until the first
// failure. Shows which errors become errors of the job, with which path, and which do not.
//
//   $ many_errors --policy collect_all
//   job "collect_all" failed after 1.4 ms
//     tasks: 19 spawned, 7 succeeded, 12 failed, 0 cancelled, 0 skipped
//     errors: 11
//       root/0 (throws): no such colour: mauve [std::invalid_argument]
//       root/1 (throws a number): int
//       root/2 (fails): /etc/motd: Permission denied [std::system_error]
//       root/2 (fails): /etc/issue: No such file or directory [std::system_error], secondary
//       root/3/0 (join): left branch [std::runtime_error]
//       ...
//   as one exception: job "collect_all" failed: 11 errors, the first at root/0 (throws): no such colour:
//   mauve ...
#include <fmt/format.h>
#include <fmt/ostream.h>

#include <coppice/coppice.hpp>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/command_line.hpp"
#include "support/program.hpp"

template <>
struct fmt::formatter<coppice::job_report> : fmt::ostream_formatter {};

namespace {

// Need not be a std::exception to be reported.
struct out_of_paint {};

void fail_without_throwing() {
  // The body goes on after the first one; the second one belongs to the same task and is secondary.
  coppice::this_task::fail(std::make_error_code(std::errc::permission_denied), "/etc/motd");
  coppice::this_task::fail(std::make_error_code(std::errc::no_such_file_or_directory), "/etc/issue");
}

// As in serial code, the left branch's exception comes out. The right one's is not lost.
void fail_in_both_branches() {
  coppice::join([] { throw std::runtime_error("left branch"); },
                [] { throw std::logic_error("right branch"); });
}

void fail_deep_down(int levels) {
  if (levels == 0) throw out_of_paint();
  coppice::join([] {}, [=] { fail_deep_down(levels - 1); });
}

// Children of a group are tasks with names and paths of their own. wait() rethrows the first one's exception.
void fail_in_a_group() {
  coppice::task_group group;
  for (int i = 0; i < 4; ++i)
    group.spawn([i] {
      if (i % 2 == 1) throw std::out_of_range("child " + std::to_string(i));
    });
  group.wait();
}

// What is caught inside the tree is no error of the job.
void fail_and_recover() {
  try {
    fail_in_a_group();
  } catch (const std::out_of_range&) {
  }
}

void fail_after_spawning() {
  coppice::spawn([] { throw std::runtime_error("a grandchild of the root"); }, "grandchild");
  throw std::runtime_error("its parent");
}

void workshop() {
  coppice::spawn([] { throw std::invalid_argument("no such colour: mauve"); }, "throws");
  coppice::spawn([] { throw 42; }, "throws a number");
  coppice::spawn(fail_without_throwing, "fails");
  coppice::spawn(fail_in_both_branches, "join");
  coppice::spawn([] { fail_deep_down(3); }, "deep");
  coppice::spawn(fail_in_a_group, "group");
  coppice::spawn(fail_and_recover, "recovers");
  coppice::spawn(fail_after_spawning, "parent");
  coppice::spawn([] {}, "works");
}

void run(coppice::scheduler& scheduler, const std::string& name, coppice::error_policy policy) {
  auto job = scheduler.submit(workshop, {.name = name, .errors = policy});
  fmt::print("{}", job.wait());
  try {
    job.get();
  } catch (const coppice::job_error& e) {
    fmt::print("as one exception: {}\n", e.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Runs a tree of tasks that fail, and prints the report.", "many_errors");
  unsigned workers = 0;
  std::string policy = "both";
  support::add_workers_option(line, workers);
  line.add_option("--policy", policy, "What a failure does to the rest of the job")
      .one_of({"collect_all", "fail_fast", "both"})
      .shows_default();
  return support::run_program(line, argc, argv, [&] {
    coppice::scheduler scheduler({.workers = workers});
    // All errors, the same ones every time, whoever ran what.
    if (policy != "fail_fast") run(scheduler, "collect_all", coppice::error_policy::collect_all());
    // At least one; what had not started by then is skipped.
    if (policy != "collect_all") run(scheduler, "fail_fast", coppice::error_policy::fail_fast());
    return 0;
  });
}
