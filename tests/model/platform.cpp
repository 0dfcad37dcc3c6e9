// The platform floor of a model build: threads are fibers, a futex and a barrier on every thread are the
// explorer's, the machine has as many cores as workers are asked for.
#include <coppice/detail/worker.hpp>

#include "explorer/execution.hpp"
#include "platform/deadline_clock.hpp"
#include "platform/environment.hpp"
#include "platform/fork.hpp"
#include "platform/futex.hpp"
#include "platform/membarrier.hpp"
#include "platform/thread.hpp"
#include "platform/topology.hpp"

namespace coppice {
inline namespace v0 {
namespace platform {

namespace {

model::execution& explorer() noexcept { return *model::execution::current(); }

}  // namespace

bool futex_wait(const futex_word& word, std::uint32_t expected,
                const std::chrono::steady_clock::time_point* deadline) noexcept {
  return explorer().futex_wait(&word, expected, deadline != nullptr, model::where::current());
}
void futex_wake_one(const futex_word& word) noexcept { explorer().wake_one(&word, model::where::current()); }
void futex_wake_all(const futex_word& word) noexcept { explorer().wake_all(&word, model::where::current()); }

bool has_barrier_on_every_thread() noexcept { return true; }
bool barrier_on_every_thread() noexcept {
  explorer().heavy_fence(model::where::current());
  return true;
}

thread::thread(const std::string&, std::size_t, body run, void* argument)
    : handle_(explorer().start(run, argument, model::where::current())), joinable_(true) {}
void thread::join() noexcept {
  if (joinable_) explorer().join(static_cast<unsigned>(handle_), model::where::current());
  joinable_ = false;
}
std::chrono::nanoseconds thread::processor_time() const noexcept { return {}; }
std::uintptr_t lowest_stack_address() noexcept { return explorer().lowest_stack_address(); }
int current_cpu() noexcept { return 0; }

deadline_time deadline_now() noexcept { return detail::clock::now(); }
bool deadline_clock_is_held() noexcept { return false; }
deadline_waiter::deadline_waiter(void (*told)(void*), void* who) noexcept : told_(told), who_(who) {}
deadline_waiter::~deadline_waiter() = default;

unsigned forks() noexcept { return 0; }

std::chrono::milliseconds stall_from_environment(std::chrono::milliseconds asked) { return asked; }
overridden override_from_environment(unsigned workers, pinning pin) { return {workers, pin, {}}; }

struct topology::state {
  unsigned workers;
  place somewhere;
};
topology::topology(const topology_request& request)
    : state_(std::make_unique<state>(state{request.workers, {}})) {}
topology::topology(topology&&) noexcept = default;
topology& topology::operator=(topology&&) noexcept = default;
topology::~topology() = default;
topology topology::with_workers(unsigned workers) const {
  return topology({.workers = workers, .pin = {}, .synthetic = {}, .mask = {}, .quota = {}});
}
unsigned topology::workers() const noexcept { return state_->workers; }
bool topology::oversubscribed() const noexcept { return false; }
bool topology::pinned() const { return true; }
std::string topology::why_not_pinned() const { return {}; }
bool topology::has_places() const noexcept { return true; }
void topology::unbind_thread(thread::native) const noexcept {}
bool topology::bind_this_thread(unsigned, std::string*) noexcept { return true; }
bool topology::bind_thread(unsigned, thread::native, std::string*) noexcept { return true; }
std::vector<victim_group> topology::victims(unsigned worker) const {
  victim_group others{distance::cache, {}};
  for (unsigned i = 0; i < state_->workers; ++i)
    if (i != worker) others.workers.push_back(i);
  if (others.workers.empty()) return {};
  return {others};
}
std::string topology::describe() const { return "a modelled machine"; }

}  // namespace platform

namespace detail {
namespace {

// Each fiber has its own.
const bool registered = [] {
  model::thread_locals = {reinterpret_cast<void**>(&this_worker), reinterpret_cast<void**>(&forking_worker)};
  return true;
}();

}  // namespace
}  // namespace detail
}  // namespace v0
}  // namespace coppice
