// Walks a directory tree, one task for each directory, following no link; the totals are those of find. Shows
// recursion by coppice::spawn, where nobody waits for a child but the job, and a report that has every error
// of the tree. The same walk on a FIFO pool and as a plain loop, for comparison.
//
//   $ tree_walk /usr --top 2
//   136466 files, 15010 directories, 12061 symlinks, 0 other, 5162316110 bytes (0.231 s, 2 workers)
//   largest directories:
//       5162316110  /usr
//       4022110473  /usr/lib
//
// What cannot be read is an error, and stops nothing else; it is shown with its place in the tree of tasks:
//
//   1 error:
//     /usr/lib/private: Permission denied (root/2/31)
//
// The exit status is 1 if there were errors, 2 for a wrong command line.
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <coppice/blocking.hpp>
#include <coppice/coppice.hpp>
#include <deque>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "support/command_line.hpp"
#include "support/program.hpp"
#include "support/progress.hpp"
#include "support/text.hpp"
#include "support/tree.hpp"

namespace {

using support::directory;
using support::progress;

struct walk_error {
  std::string disk_path;
  std::string tree_path;  // empty where there is no tree of tasks
  std::string message;
};

struct walk_result {
  double seconds;
  unsigned workers;
  std::vector<walk_error> errors;
};

// ---- coppice
// -------------------------------------------------------------------------------------------------------

void walk_task(support::tree& tree, directory& here, bool blocking) {
  tree.visit(
      here,
      [&tree, blocking](directory& found) {
        // Refused only if the job is cancelled, which nobody does.
        if (!coppice::spawn([&tree, &found, blocking] { walk_task(tree, found, blocking); }))
          throw coppice::cancelled{};
      },
      // Not thrown: a directory with one bad entry still has its other entries.
      [](std::error_code code, std::string path) { coppice::this_task::fail(code, std::move(path)); },
      // From memory a directory is read faster than a core is lent.
      [blocking](auto read) { return blocking ? coppice::blocking(read) : read(); });
}

walk_error to_walk_error(const coppice::task_error& e) {
  try {
    std::rethrow_exception(e.exception);
  } catch (const std::system_error& failed) {
    // what() is what was given to fail(), a colon, and the code in words.
    const std::string reason = failed.code().message(), text = failed.what();
    if (text.ends_with(": " + reason))
      return {text.substr(0, text.size() - reason.size() - 2), e.path, reason};
  } catch (...) {
    // Of no directory: out of memory, a stack that is full.
  }
  return {"", e.path, e.message};
}

walk_result walk_with_coppice(support::tree& tree, unsigned workers, unsigned standing) {
  coppice::scheduler scheduler({.workers = workers, .max_spare_workers = standing});
  progress line;
  const support::stopwatch watch;
  auto job = scheduler.submit([&] { walk_task(tree, tree.root(), standing != 0); },
                              {.name = "walk",
                               .errors = coppice::error_policy::collect_all(),
                               .keep_errors = std::numeric_limits<std::size_t>::max()});
  while (!job.wait_until(line.next())) line.show(tree.so_far());
  const coppice::job_report& report = job.wait();
  walk_result result{watch.seconds(), scheduler.workers(), {}};
  std::ranges::transform(report.errors, std::back_inserter(result.errors), to_walk_error);
  return result;
}

// ---- the FIFO pool
// -------------------------------------------------------------------------------------------------

// A pool with a bounded queue and tasks that make tasks: a worker that waited for room would wait for workers
// that wait for room. So a worker never waits. What does not fit goes to a list without a bound, and the main
// thread, which is no worker and may wait, submits it when there is room. Nor does a task wait for its
// children: the tree knows when it is complete.
class fifo_walk {
 public:
  fifo_walk(support::tree& tree, unsigned workers)
      : tree_(tree), pool_({.workers = workers, .name = "walk"}) {}

  walk_result run() {
    progress line;
    const support::stopwatch watch;
    pass_on(tree_.root());
    while (directory* const waiting = next_overflow(line))
      pool_.submit([this, waiting] { visit(*waiting); });  // blocks while full
    walk_result result{watch.seconds(), pool_.stats().workers, {}};
    pool_.stop();  // the last task still holds the lock, or is about to
    result.errors = std::move(errors_);
    return result;
  }

 private:
  void pass_on(directory& found) {
    const auto submission = pool_.try_submit([this, &found] { visit(found); });
    if (submission.status == coppice::admission::accepted) return;
    const std::lock_guard hold(mutex_);
    overflow_.push_back(&found);
    changed_.notify_one();
  }

  void visit(directory& here) {
    try {
      tree_.visit(
          here, [this](directory& found) { pass_on(found); },
          [this](std::error_code code, std::string path) {
            add_error({std::move(path), "", code.message()});
          });
    } catch (const std::exception& e) {
      add_error({"", "", e.what()});
    }
    if (!tree_.complete()) return;
    const std::lock_guard hold(mutex_);
    changed_.notify_one();
  }

  void add_error(walk_error e) {
    const std::lock_guard hold(mutex_);
    errors_.push_back(std::move(e));
  }

  // Null: the walk is over.
  directory* next_overflow(progress& line) {
    std::unique_lock hold(mutex_);
    while (
        !changed_.wait_until(hold, line.next(), [this] { return !overflow_.empty() || tree_.complete(); })) {
      hold.unlock();
      line.show(tree_.so_far());
      hold.lock();
    }
    if (overflow_.empty()) return nullptr;
    directory* const first = overflow_.front();
    overflow_.pop_front();
    return first;
  }

  support::tree& tree_;
  std::mutex mutex_;  // guards the next three
  std::condition_variable changed_;
  std::deque<directory*> overflow_;
  std::vector<walk_error> errors_;
  coppice::fifo_pool pool_;  // last: its tasks use the others
};

// ---- serial
// --------------------------------------------------------------------------------------------------------

walk_result walk_serially(support::tree& tree) {
  progress line;
  const support::stopwatch watch;
  std::vector<walk_error> errors;
  std::vector<directory*> open = {&tree.root()};
  while (!open.empty()) {
    directory& here = *open.back();
    open.pop_back();
    tree.visit(
        here, [&](directory& found) { open.push_back(&found); },
        [&](std::error_code code, std::string path) {
          errors.push_back({std::move(path), "", code.message()});
        });
    if (progress::clock::now() >= line.next()) line.show(tree.so_far());
  }
  return {watch.seconds(), 1, std::move(errors)};
}

// ---- what it prints
// ------------------------------------------------------------------------------------------------

void print_json(const support::tree& tree, const walk_result& result, const std::string& mode) {
  const support::totals t = tree.so_far();
  nlohmann::ordered_json json = {{"files", t.files},
                                 {"directories", t.directories},
                                 {"symlinks", t.symlinks},
                                 {"other", t.other},
                                 {"bytes", t.bytes},
                                 {"errors", result.errors.size()},
                                 {"seconds", result.seconds},
                                 {"workers", result.workers},
                                 {"mode", mode}};
  json["top"] = nlohmann::ordered_json::array();
  for (const support::sized_directory& d : tree.largest())
    json["top"].push_back({{"bytes", d.bytes}, {"path", support::valid_utf8(d.path)}});
  json["error_list"] = nlohmann::ordered_json::array();
  for (const walk_error& e : result.errors)
    json["error_list"].push_back({{"disk_path", support::valid_utf8(e.disk_path)},
                                  {"tree_path", e.tree_path},
                                  {"message", support::valid_utf8(e.message)}});
  fmt::print("{}\n", json.dump(2));
}

void print_text(const support::tree& tree, const walk_result& result, const std::string& time) {
  const support::totals t = tree.so_far();
  fmt::print("{} files, {} directories, {} symlinks, {} other, {} bytes ({})\n", t.files, t.directories,
             t.symlinks, t.other, t.bytes, time);
  const auto largest = tree.largest();
  if (!largest.empty()) fmt::print("largest directories:\n");
  for (const support::sized_directory& d : largest)
    fmt::print("{:>14}  {}\n", d.bytes, support::one_line(d.path));
  if (result.errors.empty()) return;
  fmt::print("{} error{}:\n", result.errors.size(), result.errors.size() == 1 ? "" : "s");
  for (const walk_error& e : result.errors)
    fmt::print("  {}: {}{}\n", support::one_line(e.disk_path), support::one_line(e.message),
               e.tree_path.empty() ? "" : " (" + e.tree_path + ")");
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Walks a directory tree and counts what is in it, following no link.",
                             "tree_walk");
  support::run_options options;
  std::string top;
  bool fifo = false;
  unsigned standing = 0;
  std::size_t keep = 10;
  line.add_option("DIR", top, "Where to start; may itself be a link to a directory")
      .required()
      .existing_directory();
  support::add_run_options(line, options);
  line.add_flag("--fifo", fifo, "Walk with a FIFO pool").excludes("--serial");
  line.add_option(
          "--blocking", standing,
          "Lend the cores of up to so many reads of directories that wait; pays where the tree is not "
          "in memory")
      .within(0U, 4096U)
      .excludes("--serial")
      .excludes("--fifo")
      .shows_default();
  line.add_option("--top", keep, "How many of the largest directories to show")
      .within(std::size_t{0}, std::size_t{1} << 20)
      .shows_default();
  return support::run_program(line, argc, argv, [&] {
    support::tree tree(top, keep);
    walk_result result = options.serial ? walk_serially(tree)
                         : fifo         ? fifo_walk(tree, options.workers).run()
                                        : walk_with_coppice(tree, options.workers, standing);
    std::ranges::sort(result.errors, {}, &walk_error::disk_path);  // the same in each mode
    const std::string mode = options.serial ? "serial" : fifo ? "fifo" : "coppice";
    if (options.json)
      print_json(tree, result, mode);
    else
      print_text(tree, result,
                 support::time_text(options, result.seconds, result.workers) + (fifo ? ", FIFO" : ""));
    return result.errors.empty() ? 0 : 1;
  });
}
