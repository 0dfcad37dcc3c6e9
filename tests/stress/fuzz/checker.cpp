#include "checker.hpp"

#include <gtest/gtest-spi.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include "oracle.hpp"
#include "support/check.hpp"

namespace fuzz {

namespace {

bool is_of(const foreseen_error& e, const std::string& type) {
  switch (e.type) {
    case error_type::node_error:
      return type == "fuzz::node_error";
    case error_type::system_error:
      return type == "std::system_error";
    case error_type::job_failed:
      return type.ends_with("::job_error");
    case error_type::job_past_deadline:
      return type.ends_with("::job_deadline_exceeded");
  }
  return false;
}

bool is_from_get(const std::string& type) {
  return type.ends_with("::job_error") || type.ends_with("::job_cancelled") ||
         type.ends_with("::job_deadline_exceeded");
}

std::string text_of(const foreseen_error& e) {
  constexpr const char* types[] = {"node_error", "system_error", "job_error", "job_deadline_exceeded"};
  return to_text(e.where) + " node " + std::to_string(e.id) + ' ' + types[static_cast<int>(e.type)] +
         (e.name.empty() ? "" : " (" + e.name + ")") + (e.secondary ? " secondary" : "");
}
std::string text_of(const coppice::task_error& e) {
  return e.path + ' ' + e.message + " [" + e.type + ']' + (e.name.empty() ? "" : " (" + e.name + ")") +
         (e.secondary ? " secondary" : "");
}

bool agree(const foreseen_error& wanted, const coppice::task_error& got) {
  return to_text(wanted.where) == got.path && wanted.name == got.name && wanted.secondary == got.secondary &&
         is_of(wanted, got.type) && labelled(got.message) == wanted.id;
}

class judge {
 public:
  judge(const program& p, const observation& seen) : program_(p), seen_(seen), all_(seen.trouble) {
    common();
    if (is_exact(p)) {
      const future wanted = foresee(p);
      if (wanted.certain) {
        exactly(wanted);
        return;
      }
    }
    within_bounds();
  }
  std::vector<std::string> verdict() { return std::move(all_); }

 private:
  template <class... Parts>
  void complain(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    all_.push_back(text.str());
  }
  template <class A, class B>
  void equal(const A& wanted, const B& got, const std::string& of, const char* what) {
    if (!(wanted == got)) complain(of, ": ", what, " ought to be ", wanted, " and is ", got);
  }

  // True of every program.
  void common() {
    if (seen_.closures_left != 0) complain(seen_.closures_left, " closures live after the end (C-07)");
    for (std::size_t id = 0; id < seen_.entered.size(); ++id)
      if (seen_.entered[id] > 1) complain("node ", id, " ran ", seen_.entered[id], " times");
    for_each(program_, [&](const node& n) {
      for (const node& c : n.children)
        if (seen_.entered[c.id] != 0 && seen_.entered[n.id] == 0 && n.what != kind::job)
          complain("node ", c.id, " ran, and node ", n.id, " around it did not");
      if (n.what == kind::job) handle(n);
    });
  }

  void handle(const node& n) {
    const seen_job& job = seen_.jobs[n.id];
    if (job.told.size() > 1) complain(label(n.id), ": the handler was told ", job.told.size(), " times");
    const bool nobody_looks = n.job.end == ending::detach || n.job.end == ending::drop;
    if (!nobody_looks && !job.told.empty())
      complain(label(n.id), ": the handler was told although somebody looked (C-27)");
    for (const coppice::job_report& r : job.told) report_is_sound(n, r);
    if (job.report) report_is_sound(n, *job.report);
  }

  void report_is_sound(const node& n, const coppice::job_report& r) {
    testing::TestPartResultArray found;
    if (n.job.keep_errors != 0) {
      testing::ScopedFakeTestPartResultReporter listen(
          testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &found);
      support::check(r);
    }
    for (int i = 0; i < found.size(); ++i)
      if (found.GetTestPartResult(i).failed())
        complain(label(n.id), ": ", found.GetTestPartResult(i).message());
    equal(r.spawned, r.succeeded + r.failed + r.cancelled + r.skipped, label(n.id),
          "the sum of the ends (C-26)");
    equal(std::min<std::uint64_t>(r.errors_total, n.job.keep_errors), r.errors.size(), label(n.id),
          "the number of errors kept (C-24)");
    for (const coppice::task_error& e : r.errors)
      if (e.after_cancel && !r.cancel) complain(label(n.id), ": an error after a cancel that never was");
  }

  const coppice::job_report* report_of(const node& n) const {
    const seen_job& job = seen_.jobs[n.id];
    if (job.report) return &*job.report;
    return job.told.empty() ? nullptr : &job.told.front();
  }

  void exactly(const future& wanted) {
    for_each(program_, [&](const node& n) {
      equal(wanted.executed[n.id] ? 1U : 0U, seen_.entered[n.id], label(n.id), "the number of runs");
      if (program_.look_at_paths)
        equal(wanted.path[n.id], seen_.path[n.id], label(n.id), "this_task::path()");
      if (n.what == kind::job && wanted.jobs[n.id]) exact_job(n, *wanted.jobs[n.id]);
    });
  }

  void exact_job(const node& n, const foreseen_job& wanted) {
    const coppice::job_report* const r = report_of(n);
    if (r == nullptr) {
      if (n.job.end != ending::detach)
        complain(label(n.id), ": nobody saw its report");
      else if (!wanted.errors.empty())
        complain(label(n.id), ": the handler was not told of its errors (C-27)");
      return;
    }
    const std::string name = label(n.id);
    equal(static_cast<int>(wanted.result), static_cast<int>(r->result), name, "the outcome");
    equal(wanted.spawned, r->spawned, name, "spawned");
    equal(wanted.succeeded, r->succeeded, name, "succeeded");
    equal(wanted.failed, r->failed, name, "failed");
    equal(0U, r->cancelled, name, "cancelled");
    equal(wanted.skipped, r->skipped, name, "skipped");
    equal(wanted.errors.size(), r->errors_total, name, "errors_total");
    equal(wanted.result == how::deadline_exceeded, r->cancel.has_value(), name, "whether it was cancelled");
    if (seen_.jobs[n.id].value) equal(wanted.value, *seen_.jobs[n.id].value, name, "the value");
    exact_errors(n, wanted, *r);
  }

  void exact_errors(const node& n, const foreseen_job& wanted, const coppice::job_report& r) {
    const bool ordered = std::all_of(wanted.errors.begin(), wanted.errors.end(),
                                     [](const foreseen_error& e) { return is_shown_whole(e.where); });
    std::vector<bool> used(wanted.errors.size());
    for (std::size_t i = 0; i < r.errors.size(); ++i) {
      const coppice::task_error& got = r.errors[i];
      if (got.after_cancel)
        complain(label(n.id), ": an error says that it came after a cancel: ", text_of(got));
      if (ordered) {
        if (i >= wanted.errors.size() || !agree(wanted.errors[i], got))
          complain(label(n.id), ": error ", i, " ought to be \"",
                   i < wanted.errors.size() ? text_of(wanted.errors[i]) : "nothing", "\" and is \"",
                   text_of(got), '"');
        continue;
      }
      const auto k = std::find_if(wanted.errors.begin(), wanted.errors.end(), [&](const foreseen_error& w) {
        return !used[static_cast<std::size_t>(&w - wanted.errors.data())] && agree(w, got);
      });
      if (k == wanted.errors.end())
        complain(label(n.id), ": this error is not foreseen: \"", text_of(got), '"');
      else
        used[static_cast<std::size_t>(k - wanted.errors.begin())] = true;
    }
  }

  void within_bounds() {
    const bounds limits = bound(program_, seen_.entered);
    for_each(program_, [&](const node& n) {
      if (n.what != kind::job || !limits.jobs[n.id]) return;
      const counted_job& counted = *limits.jobs[n.id];
      if (const coppice::job_report* const r = report_of(n))
        bounded_job(n, counted, *r);
      else if (n.job.end != ending::detach && n.job.end != ending::drop && seen_.entered[n.id] != 0)
        complain(label(n.id), ": nobody saw its report");
    });
    // The root's own node is not run, its body is.
    for (const node& root : program_.roots) paths(root.children[0], *limits.jobs[root.id], limits);
  }

  void paths(const node& n, const counted_job& job, const bounds& limits) {
    if (seen_.entered[n.id] == 0) return;
    if (program_.look_at_paths && job.paths_are_certain)
      equal(limits.path[n.id], seen_.path[n.id], label(n.id), "this_task::path()");
    for (std::size_t i = 0; i < n.children.size(); ++i)
      paths(n.children[i], n.what == kind::job && i == 0 ? *limits.jobs[n.id] : job, limits);
  }

  // Whether asking for the value of this job has thrown.
  bool get_threw(std::uint32_t id) const {
    const auto& report = seen_.jobs[id].report;
    return report && report->result != coppice::outcome::completed;
  }

  void bounded_job(const node& n, const counted_job& counted, const coppice::job_report& r) {
    const std::string name = label(n.id);
    equal(counted.spawned, r.spawned, name, "spawned");
    equal(counted.spawned - counted.started, r.skipped, name, "skipped");
    if (n.job.deadline == limit::passed)
      equal(0U, counted.started, name, "the number of tasks that ran (C-21)");
    const auto returned =
        static_cast<std::uint64_t>(std::count_if(counted.bodies.begin(), counted.bodies.end(),
                                                 [&](std::uint32_t id) { return seen_.returned[id] != 0; }));
    if (r.succeeded > returned) complain(name, ": more tasks succeeded than returned");
    if (r.cancelled > counted.started - returned)
      complain(name, ": more tasks were left by a cancel than threw");
    if (r.result == coppice::outcome::completed && r.cancelled != 0)
      complain(name, ": completed, although a task was left by a cancel (C-22)");
    bounded_errors(n, counted, r);
  }

  void bounded_errors(const node& n, const counted_job& counted, const coppice::job_report& r) {
    const std::string name = label(n.id);
    using key = std::tuple<std::uint32_t, bool>;  // the node, and whether its value was asked for
    std::multimap<key, const foreseen_error*> possible;
    std::set<key> due;
    for (const possible_error& e : counted.errors) {
      const bool from_get = e.error.type == error_type::job_failed;
      if (from_get && !get_threw(e.error.id)) continue;
      const key k{e.error.id, from_get};
      possible.emplace(k, &e.error);
      if (!e.may_be_handled) due.insert(k);
    }
    if (r.errors_total > possible.size())
      complain(name, ": ", r.errors_total, " errors, and only ", possible.size(), " were possible");
    if (r.errors_total < due.size())
      complain(name, ": ", r.errors_total, " errors, and ", due.size(), " must not be lost");
    for (const coppice::task_error& got : r.errors) {
      const key k{labelled(got.message).value_or(nothing), is_from_get(got.type)};
      const auto wanted = possible.find(k);
      if (wanted == possible.end()) {
        complain(name, ": this error was not possible, or is there twice: \"", text_of(got), '"');
        continue;
      }
      const foreseen_error& e = *wanted->second;
      if (counted.paths_are_certain && to_text(e.where) != got.path)
        complain(name, ": the place of \"", text_of(got), "\" ought to be ", to_text(e.where));
      equal(e.name, got.name, name, "the name of an error's task");
      if (e.type != error_type::job_failed && !is_of(e, got.type))
        complain(name, ": the type of \"", text_of(got), "\" ought to be another");
      possible.erase(wanted);
      due.erase(k);
    }
    if (r.errors.size() == r.errors_total && !due.empty())
      complain(name, ": the error of node ", std::get<0>(*due.begin()), " is lost");
  }

  const program& program_;
  const observation& seen_;
  std::vector<std::string> all_;
};

}  // namespace

std::vector<std::string> complaints(const program& p, const observation& seen) {
  return judge(p, seen).verdict();
}

}  // namespace fuzz
