#include "worker/loans.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include "worker/crew.hpp"
#include "worker/worker_thread.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

loans::loans(crew& all, unsigned most)
    : all_(all),
      most_(most),
      spares_(std::make_unique<atomic<worker_thread*>[]>(most)),
      extras_(std::make_unique<atomic<std::uint64_t>[]>((most + 63) / 64)) {
  counted_.most = most;
}

loans::~loans() {
  for (unsigned i = 0; i < made(); ++i) delete &spare(i);
}

// ---- under the lock ---------------------------------------------------------------------------------

void loans::set_vacant(core& c, bool vacant) noexcept {
  if (std::exchange(c.vacant, vacant) == vacant) return;
  if (vacant) {
    ++vacant_;
    all_.idle.vacate();
  } else {
    --vacant_;
    all_.idle.occupy();
  }
}

// order(present): seq_cst; pairs with the load in present().
void loans::count_in() noexcept { present_.fetch_add(1, memory_order_seq_cst); }
// order(present): seq_cst; as count_in().
void loans::count_out() noexcept { present_.fetch_sub(1, memory_order_seq_cst); }

void loans::hold(worker_thread& w, unsigned number) noexcept {
  core& c = cores_[number];
  set_vacant(c, false);
  w.core.store(number, memory_order_relaxed);
  w.next_holder = c.holders;
  c.holders = &w;
  ++c.held;
  count_in();
  if (c.held > 1)
    for (worker_thread* h = c.holders; h != nullptr; h = h->next_holder) h->is_crowded();
  mark(w, true);
}

void loans::let_go(worker_thread& w) noexcept {
  const unsigned number = w.core.load(memory_order_relaxed);
  core& c = cores_[number];
  worker_thread** at = &c.holders;
  while (*at != &w) at = &(*at)->next_holder;
  *at = w.next_holder;
  --c.held;
  count_out();
  w.crowded_since.store(worker_thread::not_crowded, memory_order_relaxed);
  one_less(number);
}

// The core is not held by one who has held it, or to whom it was promised.
void loans::one_less(unsigned number) noexcept {
  core& c = cores_[number];
  if (c.held == 1 && c.holders != nullptr)
    c.holders->crowded_since.store(worker_thread::not_crowded, memory_order_relaxed);
  if (c.held == 0 && number < wanted_) set_vacant(c, true);
}

void loans::park(worker_thread& w) noexcept {
  w.next_parked = parked_;
  parked_ = &w;
  ++counted_.parked;
}

// What nobody can find frames at is not looked at. Regular workers are among everybody's victims anyway.
void loans::mark(const worker_thread& w, bool has_frames) noexcept {
  if (!w.is_spare()) return;
  const unsigned i = w.spare_number();
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  // order(extras): seq_cst; pairs with the load in any_extra(): set before the worker announces what it
  // shares, read by a sleeper that has announced itself.
  if (has_frames)
    extras_[i / 64].fetch_or(bit, memory_order_seq_cst);
  else
    extras_[i / 64].fetch_and(~bit, memory_order_seq_cst);
}

// Of a core with a sleeper: the sleeper is parked where it sleeps, and the core is vacant. Another one, who
// falls asleep, may have counted the sleepers before and those present afterwards, and so found nobody who
// works: the one who comes back shares at its first fork, as if it had been asked.
bool loans::displace_sleeper(core& c, worker_thread& back) noexcept {
  using rest = worker_thread::rest;
  if (closed_) return false;  // nobody would wake it
  for (worker_thread* h = c.holders; h != nullptr; h = h->next_holder) {
    rest seen = rest::asleep;
    // order(resting): seq_cst; pairs with the exchanges in crew.cpp and end_own_sleep(): one of them ends the
    // sleep.
    if (h->resting.load(memory_order_relaxed) != rest::asleep ||
        !h->resting.compare_exchange_strong(seen, rest::retired, memory_order_seq_cst, memory_order_relaxed))
      continue;
    all_.idle.forget_sleeper();
    let_go(*h);
    mark(*h, false);
    park(*h);
    // order(attention): relaxed; the own word, read after the own pushes.
    back.attention.fetch_or(attention_bit::hungry, memory_order_relaxed);
    return true;
  }
  return false;
}

// Its own core if nobody runs there and it is wanted; else one where nobody runs; else its own.
unsigned loans::core_for(worker_thread& back, bool& displaces) noexcept {
  const unsigned own = back.core.load(memory_order_relaxed);
  if (own < wanted_) {
    if (cores_[own].held == 0) return own;
    displaces = displace_sleeper(cores_[own], back);
    if (displaces) return own;
  }
  if (vacant_ != 0)
    for (unsigned i = 0; i < wanted_; ++i)
      if (cores_[i].vacant) return i;
  if (all_.idle.sleepers() != 0)
    for (unsigned i = 0; i < wanted_; ++i) {
      displaces = displace_sleeper(cores_[i], back);
      if (displaces) return i;
    }
  return own;
}

namespace {

// One that is bound to this core already, if there is one among the first; else the first.
worker_thread* unlink_one(worker_thread*& list, unsigned number) noexcept {
  constexpr unsigned looks = 16;
  worker_thread** chosen = &list;
  unsigned n = 0;
  for (worker_thread** at = &list; *at != nullptr && n < looks; at = &(*at)->next_parked, ++n)
    if ((*at)->core.load(memory_order_relaxed) == number) {
      chosen = at;
      break;
    }
  worker_thread* const w = *chosen;
  if (w != nullptr) *chosen = w->next_parked;
  return w;
}

}  // namespace

worker_thread* loans::take_parked(unsigned number) noexcept {
  worker_thread* const w = unlink_one(parked_, number);
  if (w != nullptr) --counted_.parked;
  return w;
}

worker_thread* loans::take_keeper(unsigned number) noexcept {
  worker_thread* const w = unlink_one(keepers_, number);
  if (w == nullptr) return nullptr;
  w->keeps_core = false;
  --counted_.keepers;
  return w;
}

// ---- regular workers --------------------------------------------------------------------------------

void loans::come(worker_thread& regular) noexcept {
  const std::lock_guard hold_lock(lock_);
  hold(regular, regular.index);
}

void loans::leave(worker_thread& me) noexcept {
  const std::lock_guard hold_lock(lock_);
  let_go(me);
}

void loans::reserve(unsigned cores) {
  const std::lock_guard hold_lock(lock_);
  if (cores_.size() < cores) cores_.resize(cores);
}

void loans::want(unsigned cores) noexcept {
  {
    const std::lock_guard hold_lock(lock_);
    wanted_ = cores;
    for (unsigned i = 0; i < cores_.size(); ++i) set_vacant(cores_[i], cores_[i].held == 0 && i < cores);
  }
  serve();
}

// ---- the worker itself ------------------------------------------------------------------------------

void loans::lend(worker_thread& me) noexcept {
  if (most_ == 0) return me.share_all_and_wake();
  if (me.stands.fetch_add(1, memory_order_relaxed) != 0) return;
  me.share_all_and_wake();
  const bool leaves_frames = me.deque.has_shared();
  {
    const std::lock_guard hold_lock(lock_);
    if (standing_ == most_) {
      me.keeps_core = true;
      me.next_parked = keepers_;
      keepers_ = &me;
      ++counted_.keepers;
      ++counted_.kept;
      return;
    }
    ++standing_;
    ++counted_.loans;
    let_go(me);
    mark(me, leaves_frames);
  }
  // Should it fork, it says so: forks_standing().
  // order(attention): relaxed; the own word, read after the own pushes.
  me.attention.fetch_or(attention_bit::hungry, memory_order_relaxed);
  look_for_work(me, me.core.load(memory_order_relaxed));
}

void loans::take_back(worker_thread& me) noexcept {
  if (most_ == 0 || me.stands.fetch_sub(1, memory_order_relaxed) != 1) return;
  worker_thread* keeper = nullptr;
  bool displaces = false;
  const unsigned before = me.core.load(memory_order_relaxed);
  {
    const std::lock_guard hold_lock(lock_);
    if (me.keeps_core) {
      worker_thread** at = &keepers_;
      while (*at != &me) at = &(*at)->next_parked;
      *at = me.next_parked;
      me.keeps_core = false;
      --counted_.keepers;
      return;
    }
    --standing_;
    keeper = take_keeper(before);
    if (keeper != nullptr) {
      ++standing_;
      ++counted_.loans;
      // Whether it has forked is not known here.
      keeper->has_forked_standing = true;
      count_in();
      let_go(*keeper);
    }
    hold(me, core_for(me, displaces));
    // Counted for its core now, and so not for a moment uncounted.
    if (std::exchange(me.has_forked_standing, false)) count_out();
  }
  if (me.core.load(memory_order_relaxed) != before) me.bind_to_core();
  // What it has kept to itself since its first fork: who fell asleep meanwhile may not have asked for it.
  if (displaces) me.share_all_and_wake();
  // Its own frames, and the keeper's, are stealable already: whoever is parked now may have to come.
  if (keeper != nullptr) look_for_work(me, no_core);
}

bool loans::keeps(const worker_thread& me) const noexcept {
  if (most_ == 0) return true;
  const std::lock_guard hold_lock(lock_);
  return me.stands.load(memory_order_relaxed) != 0 ? me.keeps_core : standing_ == most_;
}

void loans::forks_standing(worker_thread& me) noexcept {
  const std::lock_guard hold_lock(lock_);
  mark(me, true);
  if (!me.keeps_core && !std::exchange(me.has_forked_standing, true)) count_in();
}

bool loans::retire(worker_thread& me) noexcept {
  using rest = worker_thread::rest;
  me.share_all_and_wake();
  {
    const std::lock_guard hold_lock(lock_);
    const unsigned number = me.core.load(memory_order_relaxed);
    if (closed_ || (cores_[number].held < 2 && number < wanted_)) {
      me.crowded_since.store(worker_thread::not_crowded, memory_order_relaxed);
      return false;
    }
    let_go(me);
    mark(me, me.deque.has_shared());
    // order(resting): seq_cst; pairs with the store in serve() and close().
    me.resting.store(rest::retired, memory_order_seq_cst);
    park(me);
  }
  // Whoever made work visible meanwhile has relied on this searcher.
  if (all_.idle.end_search()) all_.wake_one(&me);
  me.sleep_until_awake();
  return true;
}

// ---- others -----------------------------------------------------------------------------------------

// A core was announced: `lent`, or any. Work that is there has woken nobody; private work is asked for, as a
// sleeper does it.
void loans::look_for_work(worker_thread& lender, unsigned lent) noexcept {
  lender.look_around_anew();
  if (lender.deque.has_shared() || lender.anything_visible()) return serve(lent, true);
  if (!all_.idle.someone_to_wake() || all_.idle.sleepers() != 0 || present() == 0) return;
  lender.ask_all_to_share();
  if (lender.expose_someone(true) || lender.anything_visible()) serve();
}

worker_thread* loans::make(unsigned number) noexcept {
  const std::lock_guard one_at_a_time(making_);
  {
    const std::lock_guard hold_lock(lock_);
    if (closed_) return nullptr;  // close() waits for those that are being made, and for no others
  }
  const unsigned i = made_.load(memory_order_relaxed);
  try {
    auto made = std::make_unique<worker_thread>(all_, first_spare + i);
    made->core.store(number, memory_order_relaxed);
    // order(resting): relaxed; its thread does not run yet.
    made->resting.store(worker_thread::rest::retired, memory_order_relaxed);
    if (all_.watched) made->watched = std::make_unique<seat>();
    made->start(all_.stack_bytes);
    worker_thread* const w = made.release();
    spares_[i].store(w, memory_order_relaxed);
    // order(spares): release; pairs with the acquire in made().
    made_.store(i + 1, memory_order_release);
    return w;
  } catch (const std::exception&) {
    return nullptr;  // no thread or no memory: counted by the caller
  }
}

// One core at a time: who is given it looks for work, and wakes the next when it has found some.
void loans::serve() noexcept {
  if (all_.idle.someone_to_wake()) serve(no_core, true);
}

// `lent`: a core that its holder has just left, and gives away though others search: the one who takes it
// there wakes no other CPU. Unless it `may_make` a worker, only somebody who is parked is given a core.
void loans::serve(unsigned lent, bool may_make) noexcept {
  worker_thread* w = nullptr;
  unsigned number = 0;
  {
    const std::lock_guard hold_lock(lock_);
    if (closed_ || vacant_ == 0) return;
    if (lent != no_core) {
      if (!cores_[lent].vacant) return;
      number = lent;
    } else {
      if (!all_.idle.someone_to_wake()) return;
      while (!cores_[number].vacant) ++number;
    }
    w = take_parked(number);
    if (w == nullptr && (!may_make || promised_ == most_)) return;
    // From here on somebody searches.
    all_.idle.begin_search();
    ++counted_.borrowings;
    if (w != nullptr) {
      hold(*w, number);
    } else {
      ++promised_;
      set_vacant(cores_[number], false);
      ++cores_[number].held;
    }
  }
  if (w == nullptr) {
    w = make(number);
    const std::lock_guard hold_lock(lock_);
    --cores_[number].held;
    if (w == nullptr)
      take_back_promise(number);
    else
      hold(*w, number);
  }
  if (w == nullptr) {
    // The sleepers are who is left, and whoever has parked meanwhile and relied on this search.
    if (all_.idle.end_search() && !all_.wake_sleeper(nullptr)) serve(no_core, false);
    return;
  }
  w->bind_to_core();
  // order(resting): seq_cst; pairs with the load in sleep_until_awake(): it is a searcher by then.
  w->resting.store(worker_thread::rest::awake, memory_order_seq_cst);
  w->park.unpark();
}

void loans::take_back_promise(unsigned number) noexcept {
  --promised_;
  --counted_.borrowings;
  ++counted_.refused;
  one_less(number);
}

void loans::close() noexcept {
  worker_thread* leaving = nullptr;
  {
    const std::lock_guard hold_lock(lock_);
    closed_ = true;
    leaving = std::exchange(parked_, nullptr);
    counted_.parked = 0;
  }
  const std::lock_guard none_is_being_made(making_);
  while (leaving != nullptr) {
    worker_thread* const w = leaving;
    leaving = w->next_parked;
    all_.idle.begin_search();
    // order(resting): seq_cst; pairs with the load in sleep_until_awake(), after which closing is seen.
    w->resting.store(worker_thread::rest::awake, memory_order_seq_cst);
    w->park.unpark();
  }
}

lent_core::lent_core(worker* who) noexcept : who_(static_cast<worker_thread*>(who)) {
  if (who_ != nullptr) who_->all.cores.lend(*who_);
}
lent_core::~lent_core() {
  if (who_ != nullptr) who_->all.cores.take_back(*who_);
}

loans::counts loans::now() const {
  const std::lock_guard hold_lock(lock_);
  counts c = counted_;
  c.standing = standing_ + counted_.keepers;
  c.vacant = vacant_;
  return c;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
