#include "job/wait_graph.hpp"

#include <mutex>
#include <new>
#include <utility>

#include "job/job_state.hpp"
#include "platform/fork.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

struct wait_graph {
  standing* first_elsewhere = nullptr;
  unsigned long long searches = 0;
  unsigned long long edges = 0;
};
process_wide<wait_graph> graph;

wait_node& waits_of(job_core& j) noexcept { return job_state::of(j).waits; }
std::string quoted(job_core& j) { return "job \"" + job_state::of(j).options.name + "\""; }

// Those who stood were other threads, which the child has not, and it gives their stacks to its own ones.
const bool nobody_stands_in_children =
    (platform::at_fork(nullptr, nullptr, [] { graph->first_elsewhere = nullptr; }), true);

}  // namespace

platform::outlook wait_node::look() const {
  if (job.done()) return {};
  platform::outlook o{platform::outlook::needs::all, {}};
  for (const wait_edge* e = first; e != nullptr; e = e->after_) o.add(waits_of(e->awaited_), e->number_);
  add_waits_elsewhere(o);
  return o;
}

std::string wait_node::text() const { return quoted(job); }

// Needs no memory: the stack of the search is linked through the jobs.
job_core* last_before(job_core& to, job_core& from) noexcept {
  ++graph->searches;
  waits_of(from).seen = graph->searches;
  waits_of(from).to_look_at = nullptr;
  waits_of(from).came_from = nullptr;
  for (job_core* at = &from; at != nullptr;) {
    job_core* next = std::exchange(waits_of(*at).to_look_at, nullptr);
    for (const wait_edge* e = waits_of(*at).first; e != nullptr; e = e->after_) {
      if (&e->awaited_ == &to) return at;
      wait_node& other = waits_of(e->awaited_);
      if (other.seen == graph->searches) continue;
      other.seen = graph->searches;
      other.came_from = at;
      other.to_look_at = std::exchange(next, &e->awaited_);
    }
    at = next;
  }
  return nullptr;
}

bool waits_for(job_core& from, job_core& to) noexcept {
  const std::lock_guard hold(platform::waits_lock());
  return last_before(to, from) != nullptr;
}

void stand_elsewhere(standing& s) noexcept {
  const std::lock_guard hold(platform::waits_lock());
  s.next = graph->first_elsewhere;
  graph->first_elsewhere = &s;
}

void go_on_elsewhere(standing& s) noexcept {
  const std::lock_guard hold(platform::waits_lock());
  standing** at = &graph->first_elsewhere;
  while (*at != &s) at = &(*at)->next;
  *at = s.next;
}

wait_edge::wait_edge(job_core* own, job_core& awaited) : own_(own), awaited_(awaited) {
  if (own_ == nullptr) return;
  const std::lock_guard hold(platform::waits_lock());
  if (job_core* last = last_before(*own_, awaited)) {
    std::string chain;
    for (; last != &awaited; last = waits_of(*last).came_from)
      chain = ", which waits for " + quoted(*last) + chain;
    throw would_deadlock("coppice: this wait could never end: a task of " + quoted(*own_) + " waits for " +
                         quoted(awaited) + chain + ", which waits for " + quoted(*own_) +
                         " (let one of them return first, or wait from outside of all of them)");
  }
  wait_node& mine = waits_of(*own_);
  after_ = mine.first;
  if (after_ != nullptr) after_->before_ = this;
  mine.first = this;
  number_ = 2 * ++graph->edges + 1;
  if (platform::anybody_waits_elsewhere()) {
    std::string why;
    try {
      why = platform::why_endless(mine, waits_of(awaited));
    } catch (const std::bad_alloc&) {
      // The wait goes on.
    }
    if (!why.empty()) {
      leave();
      throw would_deadlock(why);
    }
  }
  for (const standing* s = graph->first_elsewhere; s != nullptr; s = s->next) s->who.park.unpark();
}

wait_edge::~wait_edge() {
  if (own_ == nullptr) return;
  const std::lock_guard hold(platform::waits_lock());
  leave();
}

void wait_edge::leave() noexcept {
  (before_ != nullptr ? before_->after_ : waits_of(*own_).first) = after_;
  if (after_ != nullptr) after_->before_ = before_;
}

}  // namespace detail

platform::party* platform::running_job() noexcept {
  detail::job_core* const ending = detail::ending_job();
  detail::job_core* const job = ending != nullptr ? ending : detail::current_job();
  return job != nullptr ? &detail::waits_of(*job) : nullptr;
}

}  // namespace v0
}  // namespace coppice
