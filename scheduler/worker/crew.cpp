#include "worker/crew.hpp"

#include <utility>

#include "platform/membarrier.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

crew::crew(platform::topology where, std::size_t injection_capacity)
    : topology(std::move(where)),
      injection(injection_capacity),
      spin(!topology.oversubscribed()),
      can_expose(platform::has_barrier_on_every_thread()) {}

namespace {

// Ends a sleep on the sleeper's behalf; false if somebody else has.
bool rouse(crew& all, worker_thread& sleeper) noexcept {
  // order(asleep): seq_cst; whoever closes the crew stores that first and reads this then, a sleeper does it
  // the other way round: one of them sees the other. The exchange pairs with the one in
  // worker_thread::sleep().
  if (!sleeper.asleep.load(memory_order_seq_cst)) return false;
  if (!sleeper.asleep.exchange(false, memory_order_seq_cst)) return false;
  all.idle.leave_sleep();
  sleeper.park.unpark();
  return true;
}

}  // namespace

void crew::wake_one(const worker_thread* near) noexcept {
  if (!idle.someone_to_wake()) return;
  if (near != nullptr) {
    for (const victim& v : near->victims)
      if (rouse(*this, *v.who)) return;
  } else {
    for (const auto& w : workers)
      if (rouse(*this, *w)) return;
  }
}

void crew::wake_all() noexcept {
  for (const auto& w : workers) rouse(*this, *w);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
