#include "crawl/gate.hpp"

#include <algorithm>
#include <utility>

#include "crawl/graph.hpp"

namespace crawl {

// Known to the gate means listed: as ready, or as paused. A host that can do nothing is in neither list, and
// is looked at again by what changes that: add, finished, opened.
void gate::list(host& h) {
  if (h.listed || h.waiting.empty() || !has_place(h)) return;
  h.listed = true;
  if (h.not_before == time_point{})
    ready_.push_back(&h);
  else
    paused_.emplace(h.not_before, &h);  // sorted out by the next start()
}

void gate::add(page& p) {
  p.at->waiting.push_back(&p);
  ++waiting_;
  list(*p.at);
}

void gate::add_again(page& p, time_point not_before) {
  again_.emplace(not_before, &p);
  ++waiting_;
}

void gate::pause(host& h, time_point until) {
  // A host that is listed as ready is sent to the paused ones by start().
  h.not_before = std::max(h.not_before, until);
}

void gate::opened(host& h) { list(h); }

void gate::finished(host& h) {
  --h.active;
  --active_;
  list(h);
}

void gate::refund() {
  ++pages_left_;
  for (host* const h : std::exchange(starved_, {})) list(*h);
}

bool gate::may_start(const page& p) const { return pages_left_ > 0 || p.counted; }

void gate::release_due(time_point now) {
  while (!again_.empty() && again_.begin()->first <= now) {
    page& p = *again_.begin()->second;
    again_.erase(again_.begin());
    p.at->waiting.push_front(&p);
    list(*p.at);
  }
  while (!paused_.empty() && paused_.begin()->first <= now) {
    ready_.push_back(paused_.begin()->second);
    paused_.erase(paused_.begin());
  }
}

std::vector<page*> gate::start(time_point now) {
  release_due(now);
  std::vector<page*> started;
  while (active_ < limits_.total && !ready_.empty()) {
    host& h = *ready_.front();
    ready_.pop_front();
    h.listed = false;
    if (h.waiting.empty() || !has_place(h)) continue;
    if (h.not_before > now) {
      h.listed = true;
      paused_.emplace(h.not_before, &h);
      continue;
    }
    page& p = *h.waiting.front();
    if (!may_start(p)) {
      starved_.push_back(&h);
      continue;
    }
    h.waiting.pop_front();
    --waiting_;
    if (!std::exchange(p.counted, true)) --pages_left_;
    ++h.active;
    ++active_;
    auto interval = limits_.interval;
    if (h.rules) interval = std::max<std::chrono::nanoseconds>(interval, h.rules->delay());
    h.not_before = interval.count() == 0 ? time_point{} : now + interval;
    started.push_back(&p);
    list(h);
  }
  return started;
}

std::optional<gate::time_point> gate::next() const {
  if (active_ >= limits_.total) return std::nullopt;  // whoever finishes looks again
  std::optional<time_point> first;
  if (!paused_.empty()) first = paused_.begin()->first;
  if (!again_.empty() && (!first || again_.begin()->first < *first)) first = again_.begin()->first;
  return first;
}

}  // namespace crawl
