#include "program.hpp"

#include <algorithm>
#include <array>

namespace fuzz {

const char* to_string(kind k) noexcept {
  constexpr std::array<const char*, kinds> names{
      "leaf", "sequence", "join",        "group",   "left_group", "spawn", "spawn_into", "loop",    "reduce",
      "job",  "await",    "cancel_kept", "attempt", "raise",      "fail",  "cancel_own", "standing"};
  return names.at(static_cast<std::size_t>(k));
}

void for_each(const node& n, const std::function<void(const node&)>& f) {
  f(n);
  for (const node& c : n.children) for_each(c, f);
}

void for_each(const program& p, const std::function<void(const node&)>& f) {
  for (const node& n : p.roots) for_each(n, f);
}

std::uint32_t number_of_nodes(const program& p) {
  std::uint32_t n = 0;
  for_each(p, [&](const node&) { ++n; });
  return n;
}

std::uint32_t end_of_ids(const program& p) {
  std::uint32_t n = 0;
  for_each(p, [&](const node& x) { n = std::max(n, x.id + 1); });
  return n;
}

bool has_kind(const program& p, kind k) {
  bool found = false;
  for_each(p, [&](const node& n) { found = found || n.what == k; });
  return found;
}

namespace {

bool is_source_of_errors(const node& n) {
  return n.what == kind::raise || n.what == kind::fail ||
         ((n.what == kind::loop || n.what == kind::reduce) && n.target != nothing) ||
         // A job that fails throws where its value is asked for.
         (n.what == kind::job && n.job.end == ending::get) || (n.what == kind::await && n.amount != 0);
}

// Whether something in this job, inner jobs left out, may throw.
bool may_fail(const node& n) {
  if (is_source_of_errors(n)) return true;
  for (std::size_t i = 0; i < n.children.size(); ++i)
    if ((n.what != kind::job || i != 0) && may_fail(n.children[i])) return true;
  return false;
}

}  // namespace

bool is_exact(const program& p) {
  bool exact =
      std::all_of(p.cancel_after.begin(), p.cancel_after.end(), [](std::uint32_t n) { return n == never; });
  for_each(p, [&](const node& n) {
    switch (n.what) {
      case kind::left_group:
      case kind::cancel_kept:
      case kind::cancel_own:
        exact = false;
        break;
      case kind::job:
        if (n.job.end == ending::drop || n.job.deadline == limit::soon) exact = false;
        if (!n.job.collect_all && may_fail(n.children[0])) exact = false;
        break;
      default:
        break;
    }
  });
  return exact;
}

namespace {

// What is in reach of a node.
struct reach {
  std::vector<std::uint32_t>* awaited;  // kept jobs that somebody waits for
  std::vector<std::uint32_t> kept;
  std::vector<std::uint32_t> groups;
  bool in_detached = false;
  // A worker that waits for the other scheduler's job runs only what descends from it. While each job that
  // crosses is waited for by the task that submits it, somebody can always go on; else two workers may wait
  // for jobs that only the other one of them could run.
  bool may_cross = true;
  bool is_root = false;
};

bool contains(const std::vector<std::uint32_t>& v, std::uint32_t x) {
  return std::find(v.begin(), v.end(), x) != v.end();
}

bool valid_job(const node& n, const reach& r);

bool valid(const node& n, const reach& r) {
  const std::size_t count = n.children.size();
  reach below = r;
  switch (n.what) {
    case kind::leaf:
    case kind::raise:
    case kind::fail:
    case kind::cancel_own:
      if (count != 0) return false;
      break;
    case kind::join:
      if (count != 2 && count != 3) return false;
      break;
    case kind::attempt:
      if (count != 1) return false;
      break;
    case kind::group:
      below.groups.push_back(n.id);
      break;
    case kind::spawn:
      below.groups.clear();
      break;
    case kind::spawn_into:
      if (!contains(r.groups, n.target)) return false;
      // The children may outlive the groups that are inside of theirs.
      below.groups.erase(std::find(below.groups.begin(), below.groups.end(), n.target) + 1,
                         below.groups.end());
      break;
    case kind::await:
      if (count != 0 || !contains(r.kept, n.target) || contains(*r.awaited, n.target)) return false;
      r.awaited->push_back(n.target);
      break;
    case kind::cancel_kept:
      if (count != 0 || !contains(r.kept, n.target)) return false;
      break;
    case kind::job:
      return valid_job(n, r);
    case kind::loop:
    case kind::reduce:
      if (count != 0 && n.target != nothing) return false;
      break;
    case kind::sequence:
    case kind::standing:
    case kind::left_group:
      break;
  }
  return std::all_of(n.children.begin(), n.children.end(), [&](const node& c) { return valid(c, below); });
}

bool valid_job(const node& n, const reach& r) {
  const bool keeps = n.job.end == ending::keep;
  if (n.children.size() != (keeps && !r.is_root ? 2U : 1U)) return false;
  if (r.is_root && n.job.end != ending::get && n.job.end != ending::wait) return false;
  if (keeps && r.in_detached) return false;
  const bool waits = !keeps && n.job.end != ending::detach;
  if (n.job.crosses && (!waits || !r.may_cross)) return false;
  reach body = r;
  body.is_root = false;
  body.groups.clear();
  body.may_cross = r.may_cross && (waits || r.is_root);
  if (n.job.end == ending::detach) body.in_detached = true;
  if (n.job.end == ending::detach || n.job.crosses) body.kept.clear();
  if (!valid(n.children[0], body)) return false;
  if (!keeps) return true;
  reach meanwhile = r;
  meanwhile.kept.push_back(n.id);
  return valid(n.children[1], meanwhile);
}

void note_scheduler(const node& n, bool other, std::vector<bool>& out) {
  const bool below = n.what == kind::job && n.job.crosses ? !other : other;
  out[n.id] = below;
  for (std::size_t i = 0; i < n.children.size(); ++i)
    note_scheduler(n.children[i], n.what == kind::job && i == 0 ? below : other, out);
}

}  // namespace

std::vector<bool> runs_on_other(const program& p) {
  std::vector<bool> out(end_of_ids(p));
  for (const node& n : p.roots) note_scheduler(n, false, out);
  return out;
}

bool is_valid(const program& p) {
  if (p.roots.empty() || p.roots.size() != p.cancel_after.size() || p.workers == 0 || p.other_workers == 0)
    return false;
  std::vector<std::uint32_t> awaited;
  return std::all_of(p.roots.begin(), p.roots.end(), [&](const node& n) {
    return n.what == kind::job && !n.job.crosses && valid(n, reach{&awaited, {}, {}, false, true, true});
  });
}

}  // namespace fuzz
