#include "streams/checker.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "streams/oracle.hpp"
#include "streams/troubles.hpp"

namespace fuzz::streams {

namespace {

std::string text_of(const fate& f) {
  constexpr const char* kinds[] = {"value", "node_error", "system_error", "cancelled", "not run", "unknown"};
  return std::string(kinds[f.what]) + ' ' + std::to_string(f.number) +
         (f.name.empty() ? "" : " of " + f.name);
}

bool is_failure(const fate& f) { return f.what != fate::value && f.what != fate::not_run; }

class judge {
 public:
  judge(const stream& s, std::uint32_t number, const seen_stream& seen, troubles& wrong)
      : plan_(s), number_(number), seen_(seen), wanted_(foresee(s, number)), wrong_(wrong) {
    results();
    entries();
    if (seen.report) report(*seen.report);
    if (wanted_.exact)
      exactly();
    else
      within_bounds();
    unobserved();
  }

 private:
  template <class... Parts>
  void expect(bool holds, const Parts&... parts) {
    if (!holds) wrong_.tell("stream ", number_, wanted_.exact ? " (exact): " : ": ", parts...);
  }

  // Each input is there at most once, as what it may become.
  void results() {
    std::set<std::size_t> met;
    for (const seen_result& r : seen_.results) {
      expect(met.insert(r.index).second, "input ", r.index, " is there twice (C-33)");
      expect(r.index < wanted_.total, "there is no input ", r.index);
      if (r.index >= wanted_.total) continue;
      const auto input = static_cast<std::uint32_t>(r.index);
      const std::vector<fate> all = possible(plan_, number_, input);
      expect(std::find(all.begin(), all.end(), r.end) != all.end(), "input ", input, " became ",
             text_of(r.end), ", and ought to ", text_of(wanted_.ends[input]));
    }
    if (std::all_of(plan_.stages.begin(), plan_.stages.end(), [](const stage& g) { return g.ordered; }))
      expect(std::is_sorted(seen_.results.begin(), seen_.results.end(),
                            [](const seen_result& a, const seen_result& b) { return a.index < b.index; }),
             "ordered results are not in order");
  }

  // Which functions were called.
  void entries() {
    for (std::uint32_t k = 0; k < seen_.entered.size(); ++k)
      for (std::uint32_t i = 0; i < seen_.entered[k].size(); ++i) {
        const unsigned times = seen_.entered[k][i];
        expect(times <= 1, "stage ", k, " had input ", i, ' ', times, " times");
        expect(times == 0 || i < wanted_.total, "stage ", k, " had an input ", i, " that there is not");
        expect(times == 0 || plan_.stages[k].deadline != limit::passed, "stage ", k, " had input ", i,
               " behind its deadline (C-21)");
        if (k != 0 && !plan_.stages[k].recovers)
          expect(times <= seen_.entered[k - 1][i], "stage ", k, " had input ", i,
                 ", the one before it did not");
      }
    if (seen_.entered.size() != plan_.stages.size()) return;
    for (const seen_result& r : seen_.results) {
      if (r.end.what != fate::value || r.index >= wanted_.total) continue;
      for (std::uint32_t k = static_cast<std::uint32_t>(plan_.stages.size()); k-- != 0;) {
        expect(seen_.entered[k][r.index] == 1, "input ", r.index, " is a value without stage ", k);
        if (plan_.stages[k].recovers) break;  // before that it may have been anything
      }
    }
  }

  std::uint64_t count(bool (*is)(const fate&)) const {
    return static_cast<std::uint64_t>(std::count_if(seen_.results.begin(), seen_.results.end(),
                                                    [&](const seen_result& r) { return is(r.end); }));
  }

  void report(const coppice::job_report& r) {
    const std::uint64_t failed = count(is_failure);
    expect(r.name == name_of(number_, static_cast<std::uint32_t>(plan_.stages.size()) - 1),
           "the report's name");
    expect(r.spawned == seen_.results.size(), "the report has ", r.spawned, " inputs, read were ",
           seen_.results.size());
    expect(r.succeeded == count([](const fate& f) { return f.what == fate::value; }), "the report has ",
           r.succeeded, " values");
    expect(r.failed == failed && r.errors_total == failed, "the report has ", r.errors_total,
           " errors, read were ", failed);
    expect(r.spawned == r.succeeded + r.failed + r.cancelled + r.skipped, "the sum of the ends (C-26)");
    errors(r);
    cancels(r);
    using coppice::outcome;
    if (failed != 0)
      expect(r.result == outcome::failed, "the outcome with errors is ", r.result);
    else if (r.cancelled + r.skipped != 0)
      expect(r.result == outcome::cancelled || r.result == outcome::deadline_exceeded,
             "the outcome of a stopped stream is ", r.result);
    else
      expect(r.result != outcome::failed, "the outcome without an error is ", r.result);
    if (r.result == outcome::cancelled || r.result == outcome::deadline_exceeded)
      expect(r.cancel.has_value(), "stopped, and nobody did it (C-17)");
  }

  void errors(const coppice::job_report& r) {
    std::uint64_t of_kinds = 0;
    for (const coppice::error_kind& k : r.kinds) of_kinds += k.count;
    expect(of_kinds == r.errors_total, "the report's kinds sum up to ", of_kinds);
    const stage& last = plan_.stages.back();
    expect(r.errors.size() == std::min<std::uint64_t>(last.keep_errors, r.errors_total), "the report keeps ",
           r.errors.size(), " errors");
    std::multiset<fate> read;
    for (const seen_result& s : seen_.results)
      if (is_failure(s.end)) read.insert(s.end);
    for (const fate& f : seen_.kept) {
      const auto at = read.find(f);
      expect(at != read.end(), "the report has an error that nobody read: ", text_of(f));
      if (at != read.end()) read.erase(at);
    }
    for (const coppice::task_error& e : r.errors)
      expect(e.path.starts_with("root/"), "the place of an error is ", e.path);
    if (plan_.stages.size() != 1) return;
    // The earliest are kept, and their places are those of their inputs.
    std::map<std::size_t, fate> by_place;
    for (const seen_result& s : seen_.results)
      if (is_failure(s.end)) by_place.emplace(s.index, s.end);
    auto wanted = by_place.begin();
    for (const coppice::task_error& e : r.errors) {
      if (wanted == by_place.end()) break;
      expect(e.path == "root/" + std::to_string(wanted->first), "the place of an error is ", e.path,
             " and ought to be that of input ", wanted->first);
      ++wanted;
    }
  }

  // Whose cancel said true did it, and nobody else.
  void cancels(const coppice::job_report& r) {
    expect(!seen_.cancelled_here || !seen_.cancelled_outside, "two have cancelled it (C-17)");
    if (!seen_.cancelled_here && !seen_.cancelled_outside) return;
    const char* const wanted = seen_.cancelled_here ? readers_reason : bystanders_reason;
    expect(r.cancel && r.cancel->reason == wanted && r.cancel->by == "outside", "it was cancelled because ",
           wanted, ", and its report says ", r.cancel ? r.cancel->by + ", " + r.cancel->reason : "nothing",
           " (C-17)");
  }

  void exactly() {
    expect(seen_.report.has_value(), "it was not read to its end");
    expect(seen_.results.size() == wanted_.total, "it had ", seen_.results.size(), " results of ",
           wanted_.total);
    for (const seen_result& r : seen_.results)
      if (r.index < wanted_.total)
        expect(r.end == wanted_.ends[r.index], "input ", r.index, " became ", text_of(r.end),
               ", and ought to ", text_of(wanted_.ends[r.index]));
    expect(seen_.entered == wanted_.entered, "its functions had other inputs than foreseen");
    if (!seen_.report) return;
    const coppice::job_report& r = *seen_.report;
    expect(r.cancelled + r.skipped == 0, "something was not run");
    if (wanted_.stopped)
      expect(r.cancel && r.cancel->by == "root/" + std::to_string(wanted_.total - 1),
             "not stopped by the error that its policy says");
    else if (plan_.stages.size() != 1 || plan_.stages[0].errors.what == policy::collect_all)
      expect(!r.cancel.has_value(), "it was stopped");
  }

  void within_bounds() {
    if (plan_.end == stop::leave)
      expect(seen_.results.size() <= plan_.stop_at, "more results than the reader wanted");
    else
      expect(seen_.report.has_value(), "it was not read to its end");
    if (plan_.end == stop::none && plan_.cancelled_after == nothing && plan_.stages.size() == 1 &&
        seen_.report)
      policy_of_one(*seen_.report);
    // Inputs are taken in their order, and what is taken can be read.
    if (plan_.stages.size() == 1 && seen_.report)
      for (const seen_result& r : seen_.results)
        expect(r.index < seen_.results.size(), "input ", r.index,
               " was taken before an earlier one, or that is lost");
  }

  // A single stage that only its policy can have stopped, or its own functions.
  void policy_of_one(const coppice::job_report& r) {
    const stage& g = plan_.stages[0];
    const bool by_policy = r.cancel && r.cancel->reason.find("policy") != std::string::npos;
    if (g.errors.what == policy::after) {
      if (by_policy)
        expect(r.failed >= g.errors.amount, "its policy has stopped it at ", r.failed, " errors");
      if (g.concurrency != 0)
        expect(r.failed < g.errors.amount + g.concurrency, "its policy let ", r.failed, " errors happen");
    }
    if (g.errors.what == policy::fraction && by_policy)
      expect(r.succeeded + r.failed + r.cancelled >= g.errors.amount, "its policy has stopped it too early");
    if (by_policy) expect(r.failed != 0, "its policy has stopped it without an error");
    if (!r.cancel)
      expect(seen_.results.size() == wanted_.total, "nobody stopped it, and it had ", seen_.results.size(),
             " results of ", wanted_.total);
  }

  // Errors that were read are nobody else's.
  void unobserved() {
    for (const coppice::job_report& r : seen_.told) {
      expect(!wanted_.exact, "the handler was told of ", r.name, ", which was read to its end (C-27)");
      expect(r.errors_total != 0, "the handler was told of no error");
      expect(r.spawned == r.succeeded + r.failed + r.cancelled + r.skipped, "the sum of the ends (C-26) of ",
             r.name);
    }
    std::set<std::string> names;
    for (const coppice::job_report& r : seen_.told)
      expect(names.insert(r.name).second, "the handler was told twice of ", r.name);
  }

  const stream& plan_;
  const std::uint32_t number_;
  const seen_stream& seen_;
  const foreseen wanted_;
  troubles& wrong_;
};

}  // namespace

std::vector<std::string> complaints(const plan& p, const observation& seen) {
  troubles wrong;
  for (const std::string& line : seen.trouble) wrong.tell(line);
  wrong.expect(seen.values_left == 0, seen.values_left, " values and functions live after the end (C-07)");
  for (std::uint32_t i = 0; i < p.streams.size() && i < seen.streams.size(); ++i)
    judge(p.streams[i], i, seen.streams[i], wrong);
  return wrong.take();
}

}  // namespace fuzz::streams
