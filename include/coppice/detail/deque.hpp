// The split deque: the frames of one worker, a private part on top and a shared part below.
//
//   index   0        tail            split              head
//           | taken  | shared: thieves | private: owner | free
//
// Who writes what. `head_` and `slots_` (non-null): the owner. `word_` (tail, split, strand): thieves move
// tail, the owner moves split and strand, an exposing thief moves split; all by compare-exchange. `limit_`:
// whoever holds `lock_`. `slots_[i] = null`: the thief that took i, its last access to the slot.
//
// A strand is what the owner runs between finding its deque empty and finding it empty again: one stolen or
// injected frame and what came of it. Its number is part of the word, so a steal can be made to fail unless
// the owner is still at what the thief thinks it is at (leapfrogging, idle.md).
//
// Invariant
//   I1  tail <= split <= head + 1; outside a pop split <= head. head_, limit_, bound_ and read_ never wrap;
//       the word holds the low 24 bits of tail and split; they are never further apart than Capacity.
//   I2  split <= limit while the lock is held, split == limit while it is free. The owner takes an index
//       without the lock only at or above limit.
//   I3  slot i is written again only when i < read_, and read_ passes i only after the thief of i has left
//       null in the slot: a thief reads its slot after the exchange and still finds its frame.
//   I5  bound_ <= read_ + Capacity - Reserve, and an ordinary push stores below bound_; head <= read_ +
//       Capacity: the last slots are filled by push_into_reserve() alone.
//   I4  steals take the oldest: when index i was taken by a thief, everything below i is taken.
//
// Orders
//   push        head_ release, of every store: since C++20 a plain store of the same thread no longer carries
//               on what an earlier release has published. Pairs with head_ acquire in expose(): frames and
//               slots below head are visible.
//   pop         head_ store, compiler barrier, limit_ load (relaxed). Pairs with limit_ store, barrier on
//               every thread, head_ load in expose(): of the two loads at least one sees the other side's
//               store.
//   share       word_ seq_cst, which includes the release that pairs with word_ acquire in steal_seen(), on
//               success: the frame's contents are visible.
//   steal-slot  slot null and find_room(), relaxed: one location.
//   take-back   word_ relaxed: the frames are the owner's own.
//   strand      word_ release in begin_strand(), acquire in look().
//   look-again  word_ seq_cst in has_shared(): the sleeper's half of announce and look (idle.md).
//
// deque.md beside the worker's sources holds the argument. Sources: van Dijk and van de Pol, Lace:
// Non-blocking Split Deque for Work-Stealing (2014), changed: a ring of pointers, no all-stolen state,
// exposure by a thief; Frigo, Leiserson and Randall, The implementation of Cilk-5 (1998), section 5, the THE
// protocol; Dice, Huang and Yang, Asymmetric Dekker synchronization (2001).
#pragma once

#include <algorithm>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <coppice/detail/frame.hpp>
#include <coppice/detail/mutex.hpp>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

// It grows by the steals: 64 bits never wrap.
using deque_index = std::uint64_t;

struct nothing_beside {};

// Beside: what the owner keeps on the line that it writes at every push and pop.
template <std::uint32_t Capacity, std::uint32_t Reserve = 0, class Beside = nothing_beside>
class basic_split_deque {
  static_assert((Capacity & (Capacity - 1)) == 0, "a power of two");
  static_assert(Reserve < Capacity);
  static_assert(Capacity <= 1u << 22, "tail and split have 24 bits");

 public:
  static constexpr std::uint32_t capacity = Capacity;

  // Indices count from `first`, at least 1: a pop of nothing looks one below. Tests begin just below a wrap.
  explicit basic_split_deque(deque_index first = 1) noexcept
      : head_{first},
        limit_{first},
        bound_{first + Capacity - Reserve},
        read_{first},
        word_{both(first & low24)} {}

  // ---- owner -----------------------------------------------------------------------------------

  // Whether a push would succeed now.
  bool has_room() noexcept {
    if (head_.load(memory_order_relaxed) < bound_) [[likely]]
      return true;
    return find_room();
  }
  // How many pushes would.
  std::uint32_t room() noexcept {
    if (!find_room()) return 0;
    return static_cast<std::uint32_t>(bound_ - head_.load(memory_order_relaxed));
  }
  // As push_below_bound(), up to the last slot: for what must not run inline. False: not even that is free.
  COPPICE_COLD bool push_into_reserve(frame& f) noexcept {
    find_room();
    const deque_index h = head_.load(memory_order_relaxed);
    if (h - read_ == Capacity) return false;
    put(h, f);
    return true;
  }

  // No more of them than have been popped since the last push: there is room, in the reserve too.
  void put_back(frame& f) noexcept { put(head_.load(memory_order_relaxed), f); }

  // False: the deque is full, unless has_room() says otherwise. Else *index is the frame's, for
  // pop_if_private().
  bool push_below_bound(frame& f, deque_index* index) noexcept {
    const deque_index h = head_.load(memory_order_relaxed);
    if (h >= bound_) [[unlikely]]
      return false;
    put(h, f);
    *index = h;
    return true;
  }

  // Takes the frame with this index if it is on top and private. The un-stolen join. The index comes from the
  // caller, not from head_: so a chain of forks and joins does not wait for each store to be read back.
  bool pop_if_private(deque_index h) noexcept {
    if (!is_one_less(h, head_)) [[unlikely]]
      return false;
    // order(push): release, or what the pushes below have published would end here; pairs with the acquire in
    // expose().
    head_.store(h, memory_order_release);
    compiler_barrier();
    // order(pop): relaxed; pairs with the barrier on every thread in expose().
    if (!is_below(h, limit_)) [[likely]]
      return true;
    undo_pop(h);
    return false;
  }

  // Takes the newest frame; null when the deque is empty.
  frame* pop() noexcept {
    const deque_index h = head_.load(memory_order_relaxed) - 1;
    // order(push): release; as in pop_if_private().
    head_.store(h, memory_order_release);
    compiler_barrier();
    // order(pop): relaxed; pairs with the barrier on every thread in expose().
    if (!is_below(h, limit_)) [[likely]]
      return slots_[h & mask].load(memory_order_relaxed);
    return pop_shared(h);
  }

  // Gives thieves the older half of the private part, at least one frame. Returns how many it gave.
  std::uint32_t share() noexcept { return share_part(2); }
  // Gives thieves all of it: the owner is going to stand still.
  std::uint32_t share_all() noexcept { return share_part(1); }

  // The owner starts something unrelated to what it did before.
  void begin_strand() noexcept {
    std::uint64_t w = word_.load(memory_order_relaxed);
    // order(strand): release; pairs with the acquire of look(): what the owner published of the new strand
    // is seen.
    while (!word_.compare_exchange_weak(w, w + one_strand, memory_order_release, memory_order_relaxed)) {
    }
  }

 private:
  // On top, where the slot is free.
  void put(deque_index h, frame& f) noexcept {
    slots_[h & mask].store(&f, memory_order_relaxed);
    // order(push): release; pairs with the acquire of head_ in expose().
    head_.store(h + 1, memory_order_release);
    // Before the attention word is read: pairs with the barrier in worker_thread::ask_all_to_share().
    compiler_barrier();
  }

  std::uint32_t share_part(std::uint32_t divisor) noexcept {
    const std::lock_guard hold(lock_);
    const deque_index h = head_.load(memory_order_relaxed);
    const deque_index s = near(split_of(word_.load(memory_order_relaxed)), h);
    const auto mine = static_cast<std::uint32_t>(h - s);
    if (mine == 0) return 0;
    const std::uint32_t given = (mine + divisor - 1) / divisor;
    limit_.store(s + given, memory_order_relaxed);
    move_split(s + given);
    return given;
  }

 public:
  deque_index top() const noexcept { return head_.load(memory_order_relaxed); }
  // The owner's own view: nothing left to pop. Exact: only thieves can empty it further.
  bool empty_for_owner() const noexcept {
    return tail_of(word_.load(memory_order_relaxed)) == (head_.load(memory_order_relaxed) & low24);
  }

  // ---- thieves ---------------------------------------------------------------------------------

  // Takes the oldest shared frame; null when there is none or another thief was faster.
  frame* steal() noexcept { return steal_seen(word_.load(memory_order_relaxed)); }

  // The same in two steps: look, decide, then steal only if nothing has changed, the owner's strand included.
  // order(strand): acquire; pairs with the release of begin_strand().
  std::uint64_t look() const noexcept { return word_.load(memory_order_acquire); }
  frame* steal_seen(std::uint64_t w) noexcept {
    const std::uint32_t t = tail_of(w);
    if (t == split_of(w)) return nullptr;
    const std::uint64_t taken = (w & ~low24_64) | ((t + 1) & low24);
    // order(share): acquire; pairs with the exchange of move_split(): the frame's contents are visible.
    if (!word_.compare_exchange_strong(w, taken, memory_order_acquire, memory_order_relaxed)) return nullptr;
    late_atomic<frame*>& slot = slots_[t & mask];
    frame* const f = slot.load(memory_order_relaxed);
    // order(steal-slot): relaxed; the load above and this store are of one location, so whoever reads the
    // null writes after the load. The last access to the slot.
    slot.store(nullptr, memory_order_relaxed);
    return f;
  }

  // order(look-again): seq_cst; pairs with the seq_cst exchange of move_split(): the sleeper's half of
  // announce and look.
  bool has_shared() const noexcept {
    const std::uint64_t w = word_.load(memory_order_seq_cst);
    return tail_of(w) != split_of(w);
  }
  bool has_private() const noexcept {
    const deque_index h = head_.load(memory_order_relaxed);
    return h > near(split_of(word_.load(memory_order_relaxed)), h);
  }
  // For people: may be out of date.
  std::uint32_t size() const noexcept {
    const deque_index h = head_.load(memory_order_relaxed);
    const deque_index n = h - near(tail_of(word_.load(memory_order_relaxed)), h);
    return n <= Capacity ? static_cast<std::uint32_t>(n) : 0;
  }

  // Shares half of the private part on the owner's behalf while the owner is busy in a leaf. `barrier` must
  // act as a full fence on every running thread of the process, or return false: then nothing is exposed.
  // Returns how many frames became visible to thieves. Gives up when the lock is taken, unless `wait`:
  // whoever sleeps next relies on this look, and the lock's holder may expose nothing.
  template <class Barrier>
  std::uint32_t expose(Barrier&& barrier, bool wait = false) noexcept {
    unique_lock hold(lock_, std::defer_lock);
    if (wait)
      hold.lock();
    else if (!hold.try_lock())
      return 0;
    const deque_index s = limit_.load(memory_order_relaxed);  // I2
    const deque_index seen = head_.load(memory_order_relaxed);
    if (seen <= s) return 0;
    const deque_index wanted = s + (seen - s + 1) / 2;
    limit_.store(wanted, memory_order_relaxed);
    if (!barrier()) {
      limit_.store(s, memory_order_relaxed);
      return 0;
    }
    // From here on the owner takes nothing below `wanted` without the lock.
    // order(push): acquire; pairs with the release of push_below_bound().
    const deque_index h = head_.load(memory_order_acquire);
    const deque_index reached = std::clamp(h, s, wanted);
    limit_.store(reached, memory_order_relaxed);
    if (reached == s) return 0;
    move_split(reached);
    return static_cast<std::uint32_t>(reached - s);
  }

 private:
  static constexpr deque_index mask = Capacity - 1;
  static constexpr std::uint32_t low24 = 0xffffff;
  static constexpr std::uint64_t low24_64 = low24;
  static constexpr std::uint64_t one_strand = std::uint64_t{1} << 48;

  static std::uint32_t tail_of(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w & low24_64); }
  static std::uint32_t split_of(std::uint64_t w) noexcept {
    return static_cast<std::uint32_t>(w >> 24 & low24_64);
  }
  static constexpr std::uint64_t both(std::uint64_t low) noexcept { return low << 24 | low; }
  static std::uint64_t with_split(std::uint64_t w, deque_index split) noexcept {
    return (w & ~(low24_64 << 24)) | ((split & low24) << 24);
  }
  // The index nearest to `there` with these low bits.
  static deque_index near(std::uint32_t low, deque_index there) noexcept {
    return there + static_cast<deque_index>(static_cast<std::int64_t>((low - there) << 40) >> 40);
  }

  // Out of line, or h + 1 would occupy a register across every join.
  // order(push): release; as in pop_if_private().
  COPPICE_COLD void undo_pop(deque_index h) noexcept { head_.store(h + 1, memory_order_release); }

  // Holds the lock: only tail can move meanwhile.
  void move_split(deque_index split) noexcept {
    std::uint64_t w = word_.load(memory_order_relaxed);
    // order(share): seq_cst, which includes the release that steal() acquires; the total order is the
    // sharer's half of the announce-and-look pair of the idle protocol (idle.md).
    while (
        !word_.compare_exchange_weak(w, with_split(w, split), memory_order_seq_cst, memory_order_relaxed)) {
    }
  }

  // The owner wants index h and has stored head = h, but h lies below the limit.
  COPPICE_COLD frame* pop_shared(deque_index h) noexcept {
    const std::lock_guard hold(lock_);
    std::uint64_t w = word_.load(memory_order_relaxed);
    if (h >= limit_.load(memory_order_relaxed))  // an exposure was under way
      return slots_[h & mask].load(memory_order_relaxed);
    for (;;) {
      const deque_index t = near(tail_of(w), h);
      if (t == h + 1) {  // I4: all taken
        // order(push): release; as in pop_if_private().
        head_.store(h + 1, memory_order_release);
        return nullptr;
      }
      // Back comes the newer half, at least h itself.
      const deque_index split = t + (h + 1 - t) / 2;
      // order(take-back): relaxed; the frames are the owner's own, tail decides against a thief's exchange.
      if (word_.compare_exchange_weak(w, with_split(w, split), memory_order_relaxed, memory_order_relaxed)) {
        limit_.store(split, memory_order_relaxed);
        return slots_[h & mask].load(memory_order_relaxed);
      }
    }
  }

  // Moves the bound over the slots whose thieves are done with them.
  COPPICE_COLD bool find_room() noexcept {
    const deque_index h = head_.load(memory_order_relaxed);
    const deque_index tail = near(tail_of(word_.load(memory_order_relaxed)), h);
    // order(steal-slot): relaxed; pairs with the null in steal_seen().
    while (read_ != tail && slots_[read_ & mask].load(memory_order_relaxed) == nullptr) ++read_;
    bound_ = read_ + (Capacity - Reserve);
    return h < bound_;
  }

  // The owner's line. Thieves touch it only to expose.
  alignas(cache_line) atomic<deque_index> head_;
  atomic<deque_index> limit_;
  deque_index bound_;
  deque_index read_;  // the oldest slot in which no null has been seen

 public:
  // The owner's, of no meaning here.
  [[no_unique_address]] Beside beside{};

 private:
  // The thieves' line.
  alignas(cache_line) atomic<std::uint64_t> word_;
  mutex lock_;
  // A slot is read by a thief that took its index, or up to tail in find_room(): it was pushed before.
  alignas(cache_line) late_atomic<frame*> slots_[Capacity];
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
