#include "job/wait_graph.hpp"

#include <mutex>
#include <utility>

#include "job/job_state.hpp"
#include "platform/fork.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

struct wait_graph {
  mutex lock;
  standing* first_elsewhere = nullptr;
  unsigned long long searches = 0;
};
process_wide<wait_graph> graph;

const bool survives_forks = (platform::at_fork([] { graph->lock.lock(); }, [] { graph->lock.unlock(); },
                                               [] { graph->lock.unlock(); }),
                             true);

wait_node& node_of(job_core& j) noexcept { return job_state::of(j).waits; }
std::string quoted(job_core& j) { return "job \"" + job_state::of(j).options.name + "\""; }

job_core* job_of_this_task() noexcept {
  if (this_worker == nullptr || this_worker->where == nullptr) return nullptr;
  return task_of(this_worker->where)->job;
}

}  // namespace

// Needs no memory: the stack of the search is linked through the jobs.
job_core* last_before(job_core& to, job_core& from) noexcept {
  ++graph->searches;
  node_of(from).seen = graph->searches;
  node_of(from).to_look_at = nullptr;
  node_of(from).came_from = nullptr;
  for (job_core* at = &from; at != nullptr;) {
    job_core* next = std::exchange(node_of(*at).to_look_at, nullptr);
    for (const wait_edge* e = node_of(*at).first; e != nullptr; e = e->after_) {
      if (&e->awaited_ == &to) return at;
      wait_node& other = node_of(e->awaited_);
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
  const std::lock_guard hold(graph->lock);
  return last_before(to, from) != nullptr;
}

void stand_elsewhere(standing& s) noexcept {
  const std::lock_guard hold(graph->lock);
  s.next = graph->first_elsewhere;
  graph->first_elsewhere = &s;
}

void go_on_elsewhere(standing& s) noexcept {
  const std::lock_guard hold(graph->lock);
  standing** at = &graph->first_elsewhere;
  while (*at != &s) at = &(*at)->next;
  *at = s.next;
}

wait_edge::wait_edge(job_core& awaited) : own_(job_of_this_task()), awaited_(awaited) {
  if (own_ == nullptr) return;
  const std::lock_guard hold(graph->lock);
  if (job_core* last = last_before(*own_, awaited)) {
    std::string chain;
    for (; last != &awaited; last = node_of(*last).came_from)
      chain = ", which waits for " + quoted(*last) + chain;
    throw would_deadlock("coppice: this wait could never end: a task of " + quoted(*own_) + " waits for " +
                         quoted(awaited) + chain + ", which waits for " + quoted(*own_) +
                         " (let one of them return first, or wait from outside of all of them)");
  }
  wait_node& mine = node_of(*own_);
  after_ = mine.first;
  if (after_ != nullptr) after_->before_ = this;
  mine.first = this;
  for (const standing* s = graph->first_elsewhere; s != nullptr; s = s->next) s->who.park.unpark();
}

wait_edge::~wait_edge() {
  if (own_ == nullptr) return;
  const std::lock_guard hold(graph->lock);
  (before_ != nullptr ? before_->after_ : node_of(*own_).first) = after_;
  if (after_ != nullptr) after_->before_ = before_;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
