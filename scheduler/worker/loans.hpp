// Who holds which core. A worker that stands still lends its core; when there is work, a worker without a
// core is given it. loans.md holds the argument.
//
// Cores are numbered as the workers that the topology has planned; what is not bound has a core all the same.
// Regular workers begin on the core of their own number. Spare workers are made when a core is to be given
// and nobody waits for one. From then on all are alike.
//
// Who writes what. Everything under `lock_`, but `made_` and `spares_` (under `making_`). `present_`,
// `extras_` and a worker's `crowded_since` are read without it.
//
// Invariant
//   L1  A worker that searches, sleeps or runs a task holds exactly one core. One that stands still (lent) or
//       is parked holds none.
//   L2  A core is vacant when nobody holds it and it is wanted; idle_counts counts the vacant ones.
//   L3  standing <= most, so at least as many workers as there are cores do not stand still, or can be made.
//   L4  crowded_since is set on each holder of a core that has several.
//
// Orders
//   idle_counts::word_  seq_cst: a core is announced as vacant, then its lender looks for work; whoever makes
//                       work visible does that, then reads the word.
//   resting             seq_cst: `retired` is stored before closing is looked at, as a sleep is announced.
//   made_               release when the thread of the newest spare runs; pairs with the acquire in made().
//   extras_             seq_cst: a bit is set before its worker announces what it shares, and read after a
//                       sleep was announced.
//   present_            seq_cst: a worker is counted before it forks.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/mutex.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace coppice {
inline namespace v0 {
namespace detail {

struct crew;
struct worker;
class worker_thread;

class loans {
 public:
  // At most `most` workers stand still at a time; 0: nobody lends anything.
  loans(crew& all, unsigned most);
  ~loans();
  loans(const loans&) = delete;
  loans& operator=(const loans&) = delete;

  // ---- regular workers: they come and go with resize -----------------------------------------------
  void come(worker_thread& regular) noexcept;
  void leave(worker_thread& me) noexcept;
  // Another number of cores, for which there is room. Room is never given back.
  void reserve(unsigned cores);
  void want(unsigned cores) noexcept;

  // ---- the worker itself ---------------------------------------------------------------------------
  // Stands still from now on; everything in its deque becomes stealable. Calls nest.
  void lend(worker_thread& me) noexcept;
  // Goes on. At once, if need be as one too many on its core.
  void take_back(worker_thread& me) noexcept;
  // Whether it keeps its core while it stands still, or would if it did now.
  bool keeps(const worker_thread& me) const noexcept;
  // A searcher gives up its core, if that has another holder or is not wanted any more, and returns as a
  // searcher when it has been given one, or when the crew closes. False: it keeps it.
  bool retire(worker_thread& me) noexcept;
  // One that stands still has forked.
  void forks_standing(worker_thread& me) noexcept;

  // ---- others --------------------------------------------------------------------------------------
  // Work has become visible and nobody searches: gives vacant cores to parked or new workers.
  void serve() noexcept;
  // Everybody who is parked leaves; nobody is given anything any more.
  void close() noexcept;

  // Workers that may fork: those that hold a core, and those that have forked while they stand still.
  // order(present): seq_cst; pairs with count_in() and count_out(): who forks has been counted before.
  unsigned present() const noexcept { return present_.load(memory_order_seq_cst); }

  // Spare workers that may have frames.
  template <class F>
  bool any_extra(unsigned start, F&& f) const noexcept {
    const unsigned words = (most_ + 63) / 64;
    for (unsigned i = 0; i < words; ++i) {
      const unsigned at = (start + i) % words;
      // order(extras): seq_cst; pairs with the read-modify-write in mark().
      std::uint64_t bits = extras_[at].load(memory_order_seq_cst);
      while (bits != 0) {
        const auto bit = static_cast<unsigned>(__builtin_ctzll(bits));
        bits &= bits - 1;
        if (f(*spares_[at * 64 + bit].load(memory_order_relaxed))) return true;
      }
    }
    return false;
  }
  // order(spares): acquire; pairs with the release in make().
  unsigned made() const noexcept { return made_.load(memory_order_acquire); }
  worker_thread& spare(unsigned i) const noexcept { return *spares_[i].load(memory_order_relaxed); }

  struct counts {
    std::uint64_t loans = 0, borrowings = 0, kept = 0, refused = 0;
    unsigned standing = 0, keepers = 0, parked = 0, vacant = 0, most = 0;
  };
  counts now() const;

 private:
  struct core {
    worker_thread* holders = nullptr;  // linked by next_holder
    unsigned held = 0;
    bool vacant = false;
  };

  static constexpr unsigned no_core = ~0U;

  void serve(unsigned lent, bool may_make) noexcept;
  void hold(worker_thread& w, unsigned core) noexcept;
  void let_go(worker_thread& w) noexcept;
  void one_less(unsigned core) noexcept;
  void park(worker_thread& w) noexcept;
  void mark(const worker_thread& w, bool has_frames) noexcept;
  void set_vacant(core& c, bool vacant) noexcept;
  void count_in() noexcept;
  void count_out() noexcept;
  bool displace_sleeper(core& c, worker_thread& back) noexcept;
  unsigned core_for(worker_thread& back, bool& displaces) noexcept;
  worker_thread* take_parked(unsigned core) noexcept;
  worker_thread* take_keeper(unsigned core) noexcept;
  worker_thread* make(unsigned core) noexcept;
  void take_back_promise(unsigned core) noexcept;
  void look_for_work(worker_thread& lender, unsigned lent) noexcept;

  crew& all_;
  const unsigned most_;
  mutable mutex lock_;
  std::vector<core> cores_;
  unsigned wanted_ = 0;
  unsigned standing_ = 0;
  unsigned vacant_ = 0;
  unsigned promised_ = 0;  // spares that were made or are being made
  bool closed_ = false;
  worker_thread* parked_ = nullptr;   // newest first, linked by next_parked
  worker_thread* keepers_ = nullptr;  // stand still on their cores; linked by next_parked
  counts counted_;
  atomic<std::uint32_t> present_{0};

  mutex making_;  // before lock_
  const std::unique_ptr<atomic<worker_thread*>[]> spares_;
  atomic<unsigned> made_{0};
  const std::unique_ptr<atomic<std::uint64_t>[]> extras_;
};

// Between construction and destruction the worker stands still. Null: nothing happens.
class lent_core {
 public:
  explicit lent_core(worker* who) noexcept;
  ~lent_core();
  lent_core(const lent_core&) = delete;
  lent_core& operator=(const lent_core&) = delete;

 private:
  worker_thread* const who_;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
