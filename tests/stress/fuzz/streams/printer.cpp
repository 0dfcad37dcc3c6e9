// A plan for people: one line for each stream, stage and act.
#include <sstream>

#include "streams/plan.hpp"

namespace fuzz::streams {

namespace {

constexpr const char* places[] = {"outside", "home", "other", "fifo", "narrow"};
constexpr const char* policies[] = {"collect_all", "fail_fast", "after", "fraction", "when", "serial_first"};
constexpr const char* act_names[] = {"raise", "fail", "cancelled", "join",     "caught_join", "groups",
                                     "job",   "task", "stream",    "own_pool", "blocking",    "cancel_own"};
constexpr const char* sources[] = {"vector", "numbers", "generated", "filtered"};
constexpr const char* readings[] = {"loop", "next", "both", "by_two"};
constexpr const char* stops[] = {"none", "leave", "cancel", "cancel_job"};
constexpr const char* limits[] = {"none", "passed", "soon", "far"};

template <class Enum, std::size_t N>
const char* name(const char* const (&names)[N], Enum e) {
  return names[static_cast<std::size_t>(e)];
}

void print(std::ostream& out, const error_rule& rule, limit deadline) {
  if (rule.what != policy::collect_all) out << ", " << name(policies, rule.what) << '(' << rule.amount << ')';
  if (deadline != limit::none) out << ", deadline " << name(limits, deadline);
}

void print(std::ostream& out, const action& a) {
  out << "    " << name(act_names, a.what) << ' ' << a.amount << " for inputs " << a.phase << " mod "
      << a.every;
  if (a.what == act::job || a.what == act::task || a.what == act::stream)
    out << ", on " << name(places, a.where);
  print(out, a.errors, a.deadline);
  out << '\n';
}

void print(std::ostream& out, const stage& g) {
  out << "  stage on " << name(places, g.where) << ", capacity " << g.capacity;
  if (g.ordered) out << ", ordered";
  if (g.concurrency != 0) out << ", concurrency " << g.concurrency;
  if (g.keep_errors != 64) out << ", keeps " << g.keep_errors << " errors";
  if (g.shield) out << ", shield";
  if (g.recovers) out << ", recovers";
  print(out, g.errors, g.deadline);
  out << '\n';
  for (const action& a : g.acts) print(out, a);
}

void print(std::ostream& out, const stream& s) {
  out << "stream of " << s.inputs << " inputs, " << name(sources, s.from);
  if (s.throws_at != nothing) out << " that throws at " << s.throws_at;
  if (s.source_works && s.from == source::generated) out << " and forks";
  out << "; read " << name(places, s.reader) << (s.made_outside ? ", made outside" : "") << ", by "
      << name(readings, s.how);
  if (s.end != stop::none) out << ", " << name(stops, s.end) << " after " << s.stop_at;
  if (s.cancelled_after != nothing) out << ", cancelled by a bystander after " << s.cancelled_after;
  out << '\n';
  for (const stage& g : s.stages) print(out, g);
}

}  // namespace

std::string to_text(const plan& p) {
  std::ostringstream out;
  out << "plan of seed " << p.seed << ": " << p.workers << '+' << p.other_workers << " workers, " << p.spares
      << " spares, queues of " << p.queue << '\n';
  for (const stream& s : p.streams) print(out, s);
  for (const resizing& r : p.resizes)
    out << "after " << r.after << ' ' << name(places, r.where) << " has " << r.workers << " workers\n";
  return out.str();
}

}  // namespace fuzz::streams
