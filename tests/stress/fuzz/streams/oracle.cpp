#include "streams/oracle.hpp"

#include <algorithm>

#include "streams/stage_values.hpp"

namespace fuzz::streams {

namespace {

bool has_source_error(const stream& s) {
  return s.throws_at < s.inputs || (s.throws_at == s.inputs && s.from == source::generated);
}

fate first(const stream& s, std::uint32_t number, std::uint32_t input) {
  if (input == s.throws_at) return {fate::node_error, source_error(input), "source of " + name_of(number, 0)};
  return {fate::value, first_value(input)};
}

bool is_error(const fate& f) { return f.what != fate::value; }

// What stage k makes of an input.
fate pass(const stream& s, std::uint32_t number, std::uint32_t k, std::uint32_t input, const fate& in) {
  const stage& g = s.stages[k];
  fate out = in;
  if (is_error(in)) {
    if (!g.recovers) return in;
    out = {fate::value, recovered(in)};
  }
  std::optional<fate> recorded;
  for (std::uint32_t a = 0; a < g.acts.size(); ++a) {
    if (!g.acts[a].concerns(input)) continue;
    switch (g.acts[a].what) {
      case act::raise:
        return recorded.value_or(fate{fate::node_error, error_of(k, a, input), name_of(number, k)});
      case act::cancelled:
        return recorded.value_or(fate{fate::cancelled, 0, name_of(number, k)});
      case act::fail: {
        const fate failed{fate::system_error, error_of(k, a, input), name_of(number, k)};
        if (!is_scheduler(g.where)) return failed;  // it throws there
        if (!recorded) recorded = failed;
        break;
      }
      default:
        break;
    }
    out.number = worked(out.number, a);
  }
  return recorded.value_or(out);
}

bool stops_itself(const stream& s) {
  for (const stage& g : s.stages) {
    if (g.deadline == limit::passed) return true;
    for (const action& a : g.acts)
      if (a.what == act::cancel_own && is_scheduler(g.where)) return true;
  }
  if (s.end == stop::leave || s.end == stop::cancel || s.cancelled_after != nothing) return true;
  return s.end == stop::cancel_job && is_scheduler(s.reader) && !s.made_outside &&
         std::any_of(s.stages.begin(), s.stages.end(), [](const stage& g) { return !g.shield; });
}

bool says_stop(const error_rule& rule, std::uint64_t errors, std::uint64_t ended, const fate& error) {
  switch (rule.what) {
    case policy::collect_all:
      return false;
    case policy::fail_fast:
    case policy::serial_first:
      return true;
    case policy::after:
      return errors >= rule.amount;
    case policy::fraction:
      return ended >= rule.amount && 2 * errors > ended;
    case policy::when:
      return error.what != fate::cancelled && stops_when(error.number);
  }
  return false;
}

// Whether it may, in some order.
bool may_say_stop(const error_rule& rule, std::uint64_t errors, std::uint64_t inputs) {
  if (errors == 0) return false;
  if (rule.what == policy::after) return errors >= rule.amount;
  if (rule.what == policy::fraction) return inputs >= rule.amount;
  return rule.what != policy::collect_all;
}

// One input at a time: the policy looks at them in their order.
void stop_in_order(const error_rule& rule, foreseen& f) {
  std::uint64_t errors = 0;
  for (std::uint32_t i = 0; i < f.total; ++i) {
    if (!is_error(f.ends[i]) || f.ends[i].number == source_error(i)) continue;
    if (!says_stop(rule, ++errors, i + 1, f.ends[i])) continue;
    f.stopped = i + 1 < f.total;
    f.total = i + 1;
    return;
  }
}

}  // namespace

std::string name_of(std::uint32_t stream, std::uint32_t stage) {
  return "stream " + std::to_string(stream) + " stage " + std::to_string(stage);
}

foreseen foresee(const stream& s, std::uint32_t number) {
  foreseen f;
  f.total = has_source_error(s) ? s.throws_at + 1 : s.inputs;
  f.errors.resize(s.stages.size());
  f.entered.assign(s.stages.size(), std::vector<unsigned>(s.inputs + 1));
  for (std::uint32_t i = 0; i < f.total; ++i) {
    fate now = first(s, number, i);
    for (std::uint32_t k = 0; k < s.stages.size(); ++k) {
      f.entered[k][i] = !is_error(now) || s.stages[k].recovers ? 1 : 0;
      now = pass(s, number, k, i, now);
      if (is_error(now)) ++f.errors[k];
    }
    f.ends.push_back(now);
  }
  f.exact = !stops_itself(s);
  const stage& only = s.stages[0];
  if (f.exact && s.stages.size() == 1 && only.concurrency == 1) {
    stop_in_order(only.errors, f);
    for (std::uint32_t i = f.total; i <= s.inputs; ++i) f.entered[0][i] = 0;
    return f;
  }
  for (std::uint32_t k = 0; k < s.stages.size(); ++k)
    if (may_say_stop(s.stages[k].errors, f.errors[k], f.total)) f.exact = false;
  return f;
}

std::vector<fate> possible(const stream& s, std::uint32_t number, std::uint32_t input) {
  std::vector<fate> now{first(s, number, input)};
  for (std::uint32_t k = 0; k < s.stages.size(); ++k) {
    std::vector<fate> next{{fate::not_run, 0, name_of(number, k)}};
    for (const fate& f : now) next.push_back(pass(s, number, k, input, f));
    now = std::move(next);
  }
  return now;
}

}  // namespace fuzz::streams
