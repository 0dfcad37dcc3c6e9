#include "worker_floor.hpp"

#include "platform/topology.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

frame* root_frame(injected& job) noexcept { return &static_cast<floor_model::work&>(job).f; }
void fetch_soon(const injected*) noexcept {}
void flush_counts(worker&) noexcept {}
injection_queue::end end_counted_job(worker&) noexcept { return {}; }
void job_has_left(const injection_queue::end&) noexcept {}
void let_go_of_counts(worker&) noexcept {}
bool current_job_is_stopping(const worker&) noexcept { return false; }

}  // namespace detail
}  // namespace v0
}  // namespace coppice

namespace floor_model {

void work::run_body(frame* raw, worker& w) noexcept {
  work& self = *static_cast<its_frame*>(raw)->whole;
  self.call(self.closure, w);
  if (!self.is_submitted) return;
  coppice::detail::injection_queue::end over{&self, 1, 0};
  worker_thread::of(w).all.injection.ended(over);
}

void gate::open() {
  open_.store(1, std::memory_order_release);
  coppice::platform::futex_wake_all(open_);
}
void gate::wait() {
  while (open_.load(std::memory_order_acquire) == 0) coppice::platform::futex_wait(open_, 0);
}

running_crew::running_crew(unsigned workers, unsigned idle_owners, unsigned spares)
    : all(coppice::platform::topology(
              {.workers = workers, .pin = {}, .synthetic = {}, .mask = {}, .quota = {}}),
          4, spares) {
  all.cores.reserve(workers);
  for (unsigned i = 0; i < workers; ++i) {
    all.workers.push_back(std::make_unique<worker_thread>(all, i));
    all.cores.come(*all.workers[i]);
  }
  all.cores.want(workers);
  for (unsigned i = 0; i < workers; ++i)
    for (const coppice::platform::victim_group& g : all.topology.victims(i))
      for (const unsigned v : g.workers) all.workers[i]->victims.push_back({all.workers[v].get(), g.how_far});
  for (unsigned i = idle_owners; i < workers; ++i) all.workers[i]->start(0);
}

running_crew::~running_crew() {
  all.closing.store(true, std::memory_order_seq_cst);
  all.wake_all();
  all.cores.close();
  all.each_worker([](worker_thread& w) { w.join(); });
}

void running_crew::submit(work& w) {
  w.is_submitted = true;
  all.injection.commit(w);
  all.wake_one(nullptr);
}

void push(worker& w, work& child) {
  coppice::detail::deque_index index = 0;
  model::check(w.deque.push_below_bound(child.f, &index), "there is room");
  if (w.attention.load(std::memory_order_relaxed) != 0) coppice::detail::answer_quietly(w);
}

}  // namespace floor_model
