#include "platform/waits.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "platform/fork.hpp"

namespace coppice {
inline namespace v0 {
namespace platform {

namespace {

struct waits {
  detail::mutex lock;
  std::uint64_t last_number = 0;
  detail::atomic<unsigned> elsewhere{0};  // written under the lock
};
detail::process_wide<waits> all;

// Those who waited elsewhere were other threads, which the child has not.
void forget_who_waited() {
  all->elsewhere.store(0, detail::memory_order_relaxed);
  all->lock.unlock();
}
const bool survives_forks =
    (at_fork([] { all->lock.lock(); }, [] { all->lock.unlock(); }, &forget_who_waited), true);

struct found {
  outlook needs;
  bool stuck = true;
};
using picture = std::map<const party*, found>;

bool may_go_on(const outlook& o, const picture& all_parties) {
  const auto stuck = [&](const outlook::link& l) { return all_parties.at(l.who).stuck; };
  switch (o.what) {
    case outlook::needs::all:
      return std::none_of(o.of.begin(), o.of.end(), stuck);
    case outlook::needs::one:
      return !std::all_of(o.of.begin(), o.of.end(), stuck);
    case outlook::needs::nothing:
      break;
  }
  return true;
}

// Whatever can be reached from there, and what of it is stuck.
picture look_around(const party& from) {
  picture seen;
  std::vector<const party*> to_ask{&from};
  while (!to_ask.empty()) {
    const party* const p = to_ask.back();
    to_ask.pop_back();
    const auto [at, is_new] = seen.try_emplace(p);
    if (!is_new) continue;
    at->second.needs = p->look();
    for (const outlook::link& l : at->second.needs.of) to_ask.push_back(l.who);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (auto& [p, f] : seen) {
      if (!f.stuck || !may_go_on(f.needs, seen)) continue;
      f.stuck = false;
      changed = true;
    }
  }
  return seen;
}

// The stuck parties that a stuck one needs, in both pictures the same.
bool stuck_in_both(const party& from, const picture& a, const picture& b) {
  std::vector<const party*> to_ask{&from};
  std::map<const party*, bool> asked;
  while (!to_ask.empty()) {
    const party* const p = to_ask.back();
    to_ask.pop_back();
    if (!asked.try_emplace(p).second) continue;
    const auto before = a.find(p);
    const auto after = b.find(p);
    if (before == a.end() || after == b.end() || !before->second.stuck || !after->second.stuck) return false;
    if (before->second.needs != after->second.needs) return false;
    for (const outlook::link& l : before->second.needs.of)
      if (a.at(l.who).stuck) to_ask.push_back(l.who);
  }
  return true;
}

// From the awaited party, one stuck one after the other, until one comes again.
std::string chain_from(const party& awaited, const picture& all_parties) {
  std::string text = awaited.text();
  std::vector<const party*> passed{&awaited};
  for (const party* at = &awaited;;) {
    const outlook& o = all_parties.at(at).needs;
    const auto next = std::find_if(o.of.begin(), o.of.end(),
                                   [&](const outlook::link& l) { return all_parties.at(l.who).stuck; });
    at = next->who;
    text += (next->wait != 0 ? ", which waits for " : ", which needs ") + at->text();
    if (o.what == outlook::needs::one && o.of.size() > 1)
      text += " or one of " + std::to_string(o.of.size() - 1) + " others, who wait too";
    if (std::find(passed.begin(), passed.end(), at) != passed.end()) return text;
    passed.push_back(at);
  }
}

}  // namespace

constinit thread_local party* thread_party = nullptr;

detail::mutex& waits_lock() noexcept { return all->lock; }

bool anybody_waits_elsewhere() noexcept {
  return all->elsewhere.load(detail::memory_order_relaxed) != 0;  // the party's own lock orders it
}

std::string why_endless(const party& waiting, const party& awaited) {
  const picture first = look_around(awaited);
  if (!first.at(&awaited).stuck || !stuck_in_both(awaited, first, look_around(awaited))) return {};
  return "coppice: this wait could never end: " +
         (&waiting == &awaited ? std::string() : waiting.text() + " waits for ") +
         chain_from(awaited, first) +
         " (let one of them return first, give a pool more workers, or wait from outside of all of "
         "them)";
}

void party::add_waits_elsewhere(outlook& o) const {
  for (const wait_elsewhere* w = first_; w != nullptr; w = w->next_) o.add(w->awaited_, w->number_);
}

wait_elsewhere::wait_elsewhere(party* waiting, const party& awaited) : waiting_(waiting), awaited_(awaited) {
  if (waiting_ == nullptr) return;
  const std::lock_guard hold(all->lock);
  enter();
  try {
    why_ = platform::why_endless(*waiting_, awaited_);
  } catch (const std::bad_alloc&) {
    // Not known to be endless.
  }
  if (why_.empty()) return;
  leave();
  waiting_ = nullptr;
}

wait_elsewhere::~wait_elsewhere() {
  if (waiting_ == nullptr) return;
  const std::lock_guard hold(all->lock);
  leave();
}

void wait_elsewhere::enter() noexcept {
  all->elsewhere.fetch_add(1, detail::memory_order_relaxed);
  number_ = all->last_number += 2;
  next_ = waiting_->first_;
  waiting_->first_ = this;
}

// A job has as many waits as tasks that wait.
void wait_elsewhere::leave() noexcept {
  all->elsewhere.fetch_sub(1, detail::memory_order_relaxed);
  wait_elsewhere** at = &waiting_->first_;
  while (*at != this) at = &(*at)->next_;
  *at = next_;
}

}  // namespace platform
}  // namespace v0
}  // namespace coppice
