#include "worker/bundle.hpp"

#include <coppice/detail/slab.hpp>
#include <new>

#include "worker/frame_links.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

struct bundle : frame {
  frame* first;  // the newest, linked to the older ones
  std::uint32_t size;
};
static_assert(sizeof(bundle) <= slab::smallest_node && bundle_size > 1);
constexpr std::uint32_t list_of_bundles = slab::list_of(sizeof(bundle));

frame& take_newest(bundle& b) noexcept {
  frame& member = *b.first;
  b.first = unlink(member);
  --b.size;
  return member;
}

void push(worker& w, frame& f) noexcept {
  deque_index index = 0;
  w.deque.push_below_bound(f, &index);
}

void answer(worker& w) noexcept {
  if (w.attention.load(memory_order_relaxed) != 0) answer_quietly(w);
}

// Puts the newest `n` members into the deque, the rest below them.
void unpack(worker& w, bundle& b, std::uint32_t n) noexcept {
  frame* members[bundle_size];
  for (std::uint32_t i = 0; i < n; ++i) members[i] = &take_newest(b);
  if (b.size == 0)
    slab::give(w.nodes, &b, list_of_bundles);
  else
    push(w, b);
  while (n != 0) push(w, *members[--n]);
  answer(w);
}

void run_bundle(frame* f, worker& w) noexcept {
  auto& b = *static_cast<bundle*>(f);
  for (;;) {
    const std::uint32_t room = w.deque.room();
    if (room >= b.size) return unpack(w, b, b.size);
    if (room > 1) return unpack(w, b, room - 1);
    // The deque is as full as it was: one at a time, which nests nothing.
    frame& member = take_newest(b);
    const bool rest_is_pushed = w.deque.push_into_reserve(b);
    if (rest_is_pushed) answer(w);
    member.run(&member, w);
    if (rest_is_pushed) return;
  }
}

// No exception: a task can run inline instead.
void* take_node(slab& nodes) noexcept {
  if (void* const room = nodes.take(list_of_bundles)) return room;
  try {
    return nodes.take_more(list_of_bundles);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace

bool is_bundle(const frame& f) noexcept { return f.run == &run_bundle; }

bool bundle_newest(worker_thread& me, frame& newest, deque_index floor) noexcept {
  bundle* b = nullptr;
  frame* oldest = &newest;
  std::uint32_t size = 1;
  while (size != bundle_size && me.deque.top() > floor) {
    frame* const f = me.deque.pop();
    if (f == nullptr) break;  // thieves have taken the rest
    if (b == nullptr && f->state.load(memory_order_relaxed) == frame::loose) {
      void* const room = take_node(*me.nodes);
      if (room != nullptr) b = ::new (room) bundle{{&run_bundle, frame::loose}, &newest, 0};
    }
    if (b == nullptr || f->state.load(memory_order_relaxed) != frame::loose) {
      me.deque.put_back(*f);
      break;
    }
    link(*oldest, f);
    oldest = f;
    ++size;
  }
  if (b == nullptr) return me.deque.push_into_reserve(newest);
  link(*oldest, nullptr);
  b->size = size;
  me.deque.put_back(*b);
  add_as_only_writer(me.stats.bundled, std::uint64_t{1}, memory_order_relaxed);
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
