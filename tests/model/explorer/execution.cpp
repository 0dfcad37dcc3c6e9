#include "explorer/execution.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <sstream>
#include <utility>

#include "explorer/source_text.hpp"

namespace model {

bool watching = false;
void** thread_local_word = nullptr;

namespace {

execution* running = nullptr;
std::uint64_t runs_begun = 1;  // the time before the first counts as one

// Rounds of polling threads that all look again and find nothing.
constexpr unsigned idle_rounds = 40;

class inside_explorer {
 public:
  inside_explorer() noexcept : was_(watching) { watching = false; }
  ~inside_explorer() { watching = was_; }
  inside_explorer(const inside_explorer&) = delete;
  inside_explorer& operator=(const inside_explorer&) = delete;

 private:
  const bool was_;
};

std::uint64_t raw(const void* object, unsigned bytes) noexcept {
  std::uint64_t v = 0;
  std::memcpy(&v, object, bytes);
  return v;
}

}  // namespace

bool sharing::matters(std::uint64_t key, unsigned thread, bool writes) noexcept {
  if (all_) return true;
  users& u = users_[key];
  const auto bit = static_cast<std::uint8_t>(1U << thread);
  const users before = u;
  u.readers |= bit;
  if (writes) u.writers |= bit;
  const auto in_conflict = [](const users& w) {
    return w.writers != 0 && (std::has_single_bit(w.writers) ? (w.readers & ~w.writers) != 0 : true);
  };
  // A reader or a writer more changes which accesses of the others matter, once somebody writes.
  if (in_conflict(u) && (u.readers != before.readers || u.writers != before.writers)) news_ = true;
  return writes ? (u.readers & ~bit) != 0 : (u.writers & ~bit) != 0;
}

bool sharing::take_news() noexcept { return std::exchange(news_, false); }

void sharing::clear() noexcept {
  users_.clear();
  news_ = false;
}

execution* execution::current() noexcept { return running; }

bool execution::is_first_look(std::uint64_t& seen_in) noexcept {
  return std::exchange(seen_in, runs_begun) != runs_begun;
}

// ---- threads and turns --------------------------------------------------------------------------

void execution::begin(void* self) noexcept {
  execution& e = *running;
  auto& t = *static_cast<thread*>(self);
  watching = true;
  try {
    if (t.body != nullptr)
      t.body(t.argument);
    else
      e.program_();
  } catch (...) {
    watching = false;
    e.fail("an exception left a thread", where::current());
  }
  watching = false;
  t.is = state::over;
  e.memory_.light_fence(t.knows);
  e.progress();
  for (unsigned i = 0; i < e.count_; ++i) {
    thread& other = *e.threads_[i];
    if (other.is == state::joining && other.joins == e.self_) other.is = state::ready;
  }
  const bool all_over = std::all_of(e.threads_.begin(), e.threads_.begin() + e.count_,
                                    [](const auto& x) { return x->is == state::over; });
  if (all_over) {
    if (thread_local_word != nullptr) *thread_local_word = nullptr;
    e.outside_.enter(t.on);
  }
  e.let_another_run(where::current());
  __builtin_unreachable();
}

bool execution::run(void (*program)()) {
  ++runs_begun;
  program_ = program;
  release_freed_blocks();
  choices_.restart();
  record_.clear();
  memory_.clear();
  shadow_.clear();
  count_ = self_ = preemptions_ = spurious_ = timeouts_ = stale_ = detours_ = rounds_ = 0;
  steps_ = time_ = 0;
  failed_ = false;
  failure_.clear();
  trace_.clear();
  running = this;
  start(nullptr, nullptr, where::current());
  self_ = 0;
  threads_[0]->on.enter(outside_);
  running = nullptr;
  if (!failed_ && choices_.confused()) {
    failed_ = true;
    failure_ =
        "the same choices led elsewhere: the program depends on something that the explorer does not control";
  }
  return !failed_;
}

unsigned execution::start(void (*body)(void*), void* argument, const where& at) {
  const inside_explorer guard;
  if (count_ == max_threads) fail("more threads than max_threads in clocks.hpp", at);
  if (threads_.size() == count_) threads_.push_back(std::make_unique<thread>());
  const unsigned id = count_++;
  thread& t = *threads_[id];
  t.knows.seen.clear();
  t.knows.at_light_fence.clear();
  t.knows.clock = {};
  if (id != 0) {
    memory_.light_fence(me().knows);
    t.knows.seen = me().knows.seen;
    t.knows.at_light_fence = me().knows.seen;
    t.knows.clock = me().knows.clock;
    ++me().knows.clock.at[self_];
    note("starts a thread", at);
  }
  t.knows.clock.at[id] = 1;
  t.is = state::ready;
  t.yielded = t.has_deadline = t.timed_out = false;
  t.body = body;
  t.argument = argument;
  t.locals = nullptr;
  t.made = 0;
  t.stale.clear();
  t.on.begin(&execution::begin, &t);
  return id;
}

void execution::join(unsigned other, const where& at) {
  const inside_explorer guard;
  step(at);
  if (threads_[other]->is != state::over) {
    me().is = state::joining;
    me().joins = other;
    me().what = "the end of a thread";
    let_another_run(at);
  }
  me().knows.seen.join(threads_[other]->knows.seen);
  me().knows.clock.join(threads_[other]->knows.clock);
  memory_.light_fence(me().knows);
}

bool execution::can_run(unsigned t) const noexcept {
  return threads_[t]->is == state::ready && !threads_[t]->yielded;
}

void execution::switch_to(unsigned t) noexcept {
  thread& from = me();
  if (thread_local_word != nullptr) {
    from.locals = *thread_local_word;
    *thread_local_word = threads_[t]->locals;
  }
  self_ = t;
  threads_[t]->on.enter(from.on);
}

unsigned execution::others_now(unsigned (&others)[max_threads]) const noexcept {
  if (preemptions_ == limits_.preemptions) return 0;
  unsigned n = 0;
  for (unsigned i = 1; i < count_; ++i) {
    const unsigned t = (self_ + i) % count_;
    if (can_run(t)) others[n++] = t;
  }
  // A wait that could end early is something that another thread could do now.
  if (timeouts_ < limits_.timeouts)
    for (unsigned i = 1; i < count_; ++i) {
      const unsigned t = (self_ + i) % count_;
      if (threads_[t]->is == state::waiting && threads_[t]->has_deadline) others[n++] = t;
    }
  return n;
}

unsigned execution::choose(unsigned n) {
  if (n < 2) return 0;
  const unsigned c = choices_.next(n);
  record_.append(c);
  return c;
}

void execution::switch_point() {
  unsigned others[max_threads];
  const unsigned n = others_now(others);
  if (n == 0) return;
  const unsigned c = choose(n + 1);
  if (c == 0) return;
  ++preemptions_;
  const unsigned t = others[c - 1];
  if (threads_[t]->is == state::waiting) {
    ++timeouts_;
    threads_[t]->timed_out = true;
    wake(*threads_[t]);
  }
  switch_to(t);
}

void execution::point(const location& l, bool writes) {
  if (sharing_.matters(l.key, self_, writes)) {
    switch_point();
  } else {
    unsigned others[max_threads];
    if (others_now(others) != 0) record_.append(0);
  }
}

void execution::let_another_run(const where& at) {
  me().at = at;
  for (;;) {
    unsigned others[max_threads];
    unsigned n = 0;
    for (unsigned i = 1; i <= count_; ++i) {
      const unsigned t = (self_ + i) % count_;
      if (can_run(t)) others[n++] = t;
    }
    const unsigned ready = n;
    if (n == 0 || timeouts_ < limits_.timeouts)
      for (unsigned i = 1; i <= count_; ++i) {
        const unsigned t = (self_ + i) % count_;
        if (threads_[t]->is == state::waiting && threads_[t]->has_deadline) others[n++] = t;
      }
    if (n != 0) {
      const unsigned c = detours_ == limits_.detours ? 0 : choose(n);
      const unsigned t = others[c];
      if (c != 0) ++detours_;
      if (c >= ready) {
        if (ready != 0) ++timeouts_;
        threads_[t]->timed_out = true;
        wake(*threads_[t]);
      }
      if (t != self_) switch_to(t);
      return;
    }
    bool polls = false;
    for (unsigned i = 0; i < count_; ++i) {
      thread& t = *threads_[i];
      if (t.is != state::ready || !t.yielded) continue;
      polls = true;
      t.yielded = false;
      memory_.catch_up(t.knows);
    }
    if (!polls) fail("deadlock: " + stuck(), at);
    if (++rounds_ > idle_rounds) fail("livelock: " + stuck(), at);
  }
}

void execution::yield(const where& at) {
  const inside_explorer guard;
  step(at);
  memory_.catch_up(me().knows);
  me().yielded = true;
  me().what = "something to change (polls)";
  let_another_run(at);
}

// Something was written: whoever polls may find it.
void execution::progress() noexcept {
  rounds_ = 0;
  for (unsigned i = 0; i < count_; ++i) threads_[i]->yielded = false;
}

void execution::step(const where& at) {
  me().at = at;
  if (++steps_ > limits_.steps) fail("livelock: " + stuck(), at);
}

std::string execution::stuck() const {
  std::ostringstream text;
  for (unsigned i = 0; i < count_; ++i) {
    const thread& t = *threads_[i];
    if (t.is == state::over) continue;
    text << "\n  thread " << i << ' ' << (t.is == state::ready ? "runs" : "waits for ")
         << (t.is == state::ready ? "" : t.what) << " at " << source_line(t.at);
  }
  return text.str();
}

void execution::fail(const std::string& what, const where& at) {
  watching = false;
  failed_ = true;
  failure_ = what + "\n  in thread " + std::to_string(self_) + " at " + source_line(at);
  note("FAILS", at);
  if (thread_local_word != nullptr) *thread_local_word = nullptr;
  outside_.enter(me().on);
  __builtin_unreachable();
}

void execution::aborted() { fail("the program calls std::abort, after its last step", me().at); }

void execution::note(const char* operation, const where& at) {
  if (!tracing_) return;
  trace_ += "  thread " + std::to_string(self_) + "  " + source_line(at) + "  [" + operation + "]\n";
}

void execution::note(const char* operation, const where& at, std::uint64_t before, std::uint64_t after) {
  if (!tracing_) return;
  std::ostringstream text;
  text << "  thread " << self_ << "  " << source_line(at) << "  [" << operation << " 0x" << std::hex
       << before;
  if (after != before) text << " -> 0x" << after;
  text << "]\n";
  trace_ += text.str();
}

// ---- waiting ------------------------------------------------------------------------------------

bool execution::spuriously() {
  if (spurious_ == limits_.spurious) return false;
  if (choose(2) == 0) return false;
  ++spurious_;
  return true;
}

bool execution::wait(const void* queue, bool has_deadline, const char* what, const where& at) {
  const inside_explorer guard;
  thread& t = me();
  t.is = state::waiting;
  t.waits_on = queue;
  t.has_deadline = has_deadline;
  t.timed_out = false;
  t.what = what;
  let_another_run(at);
  memory_.light_fence(t.knows);
  return !t.timed_out;
}

void execution::wake(thread& t) noexcept {
  t.is = state::ready;
  t.waits_on = nullptr;
  progress();
}

void execution::wake_one(const void* queue, const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  memory_.light_fence(me().knows);
  unsigned waiting[max_threads];
  unsigned n = 0;
  for (unsigned i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_on == queue) waiting[n++] = i;
  note(n != 0 ? "wakes one" : "wakes nobody", at);
  if (n != 0) wake(*threads_[waiting[choose(n)]]);
}

void execution::wake_all(const void* queue, const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  memory_.light_fence(me().knows);
  note("wakes all", at);
  for (unsigned i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_on == queue) wake(*threads_[i]);
}

bool execution::futex_wait(const void* word, std::uint32_t expected, bool has_deadline, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(word, sizeof(std::uint32_t));
  static_cast<void>(sharing_.matters(l.key, self_, false));
  switch_point();
  memory_.light_fence(me().knows);
  // The system compares under a lock of its own: with the newest value.
  if (l.stores.back().value != expected) {
    note("does not wait", at);
    return true;
  }
  if (spuriously()) {
    note("returns from the wait without a reason", at);
    return true;
  }
  note("waits", at);
  const bool woken = wait(word, has_deadline, "a wake", at);
  note(woken ? "is woken" : "has waited long enough", at);
  return woken;
}

// ---- locks --------------------------------------------------------------------------------------

void execution::lock(void* object, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, sizeof(std::uint32_t));
  point(l, true);
  while (l.stores.back().value != 0) {
    thread& t = me();
    t.is = state::waiting;
    t.waits_on = object;
    t.has_deadline = t.timed_out = false;
    t.what = "a lock";
    let_another_run(at);
  }
  memory_.exchange(l, 1, me().knows, std::memory_order_acquire);
  memory_.light_fence(me().knows);
  touch_atomic(l, true, at);
  note("locks", at);
}

bool execution::try_lock(void* object, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, sizeof(std::uint32_t));
  point(l, true);
  touch_atomic(l, true, at);
  if (l.stores.back().value != 0) {
    note("finds the lock taken", at);
    return false;
  }
  memory_.exchange(l, 1, me().knows, std::memory_order_acquire);
  memory_.light_fence(me().knows);
  note("locks", at);
  return true;
}

void execution::unlock(void* object, const where& at) {
  const inside_explorer guard;
  location& l = location_of(object, sizeof(std::uint32_t));
  if (l.stores.back().value != 1) fail("unlocks what is not locked", at);
  touch_atomic(l, true, at);
  memory_.light_fence(me().knows);
  memory_.write(l, 0, me().knows, std::memory_order_release);
  ++me().knows.clock.at[self_];
  note("unlocks", at);
  for (unsigned i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_on == object) wake(*threads_[i]);
}

// ---- memory -------------------------------------------------------------------------------------

location& execution::location_of(const void* object, unsigned bytes) {
  if (location* const l = memory_.find(object)) return *l;
  // Made before the execution began: as if by the first thread.
  return memory_.make(object, bytes, raw(object, bytes), 0x100000000U | memory_.locations(),
                      threads_[0]->knows);
}

void execution::begin_life(const void* object, unsigned bytes, std::uint64_t value) {
  const inside_explorer guard;
  if (location* const old = memory_.find(object)) memory_.forget(*old);
  thread& t = me();
  const std::uint64_t key = (std::uint64_t{self_} << 40) | t.made++;
  memory_.make(object, bytes, value, key, t.knows);
}

void execution::end_life(const void* object) {
  const inside_explorer guard;
  if (location* const l = memory_.find(object)) {
    if (!failed_) touch(object, l->bytes, access::write, nullptr);
    memory_.forget(*l);
  }
}

void execution::touch(const void* address, std::size_t bytes, access kind, const void* code) {
  const inside_explorer guard;
  if (address == thread_local_word) return;  // each fiber has its own
  thread& t = me();
  const conflict* const c = shadow_.touch(address, bytes, kind, self_, t.knows.clock, code);
  if (c == nullptr) return;
  fail("data race: a " + std::string(to_text(kind)) + " of thread " + std::to_string(self_) +
           (code != nullptr ? " in " + code_line(code) : "") + "\n  is not ordered with the " +
           to_text(c->kind) + " of thread " + std::to_string(c->thread) +
           (c->code != nullptr ? " in " + code_line(c->code) : ""),
       t.at);
}

void execution::touch_atomic(const location& l, bool writes, const where&) {
  touch(l.address, l.bytes, writes ? access::atomic_write : access::atomic_read, nullptr);
}

std::uint16_t execution::oldest_readable(const location& l, bool seq_cst) {
  const std::uint16_t oldest = memory_.oldest_readable(l, me().knows, seq_cst);
  std::vector<thread::stale_read>& stale = me().stale;
  if (stale.size() <= l.id) stale.resize(l.id + 1);
  // A store reaches everybody in the end.
  const bool had_enough = stale[l.id].store == oldest && stale[l.id].times == limits_.stale_reads;
  return had_enough && oldest != l.newest() ? static_cast<std::uint16_t>(oldest + 1) : oldest;
}

std::uint16_t execution::choose_store(const location& l, std::memory_order order,
                                      const std::uint64_t* except) {
  const std::uint16_t newest = l.newest();
  const std::uint16_t oldest = oldest_readable(l, order == std::memory_order_seq_cst);
  const bool relaxed = !acquires(order);
  std::uint16_t candidates[64];
  unsigned n = 0;
  for (std::uint16_t i = newest + 1U; i > oldest && n < 64; --i) {
    const auto which = static_cast<std::uint16_t>(i - 1);
    const std::uint64_t value = l.stores[which].value;
    if (except != nullptr && value == *except) continue;
    // Of several stores of one value a relaxed load learns least from the oldest: whatever can happen after
    // reading a newer one can happen after reading that.
    if (relaxed && which > oldest && l.stores[which - 1U].value == value) continue;
    if (stale_ == limits_.stale_total && n != 0) break;
    candidates[n++] = which;
  }
  const std::uint16_t chosen = candidates[choose(n)];
  if (l.stores[chosen].value != l.stores[newest].value) ++stale_;
  return chosen;
}

void execution::read(location& l, std::uint16_t which, std::memory_order order) {
  thread::stale_read& stale = me().stale[l.id];
  if (which != l.newest()) stale = {which, stale.store == which ? stale.times + 1 : 1};
  memory_.read(l, which, me().knows, order);
}

std::uint64_t execution::load(const void* object, unsigned bytes, std::memory_order order, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, false);
  touch_atomic(l, false, at);
  const std::uint16_t which = choose_store(l, order, nullptr);
  read(l, which, order);
  const std::uint64_t value = l.stores[which].value;
  note(which == l.newest() ? "reads" : "reads old", at, value, value);
  return value;
}

void execution::store(void* object, unsigned bytes, std::uint64_t value, std::memory_order order,
                      const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, true);
  touch_atomic(l, true, at);
  note("writes", at, l.stores.back().value, value);
  memory_.write(l, value, me().knows, order);
  ++me().knows.clock.at[self_];
  std::memcpy(object, &value, bytes);
  progress();
}

std::uint64_t execution::modify(void* object, unsigned bytes, change f, std::uint64_t operand,
                                std::memory_order order, const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, true);
  touch_atomic(l, true, at);
  const std::uint64_t old = l.stores.back().value;
  std::uint64_t value = f(old, operand);
  if (bytes < sizeof value) value &= (std::uint64_t{1} << (8 * bytes)) - 1;
  note("changes", at, old, value);
  memory_.exchange(l, value, me().knows, order);
  ++me().knows.clock.at[self_];
  std::memcpy(object, &value, bytes);
  progress();
  return old;
}

bool execution::compare_exchange(void* object, unsigned bytes, std::uint64_t& expected, std::uint64_t desired,
                                 bool weak, std::memory_order success, std::memory_order failure,
                                 const where& at) {
  const inside_explorer guard;
  step(at);
  location& l = location_of(object, bytes);
  point(l, true);
  touch_atomic(l, true, at);
  const std::uint16_t newest = l.newest();
  const bool fits = l.stores[newest].value == expected;
  if (fits && !(weak && spuriously())) {
    // It may still fail, by reading an older store that does not fit.
    const std::uint16_t oldest = oldest_readable(l, failure == std::memory_order_seq_cst);
    bool unfit = false;
    for (std::uint16_t i = newest; i > oldest; --i) unfit = unfit || l.stores[i - 1U].value != expected;
    if (!unfit || stale_ == limits_.stale_total || choose(2) == 0) {
      note("exchanges", at, expected, desired);
      memory_.exchange(l, desired, me().knows, success);
      ++me().knows.clock.at[self_];
      std::memcpy(object, &desired, bytes);
      progress();
      return true;
    }
    const std::uint16_t which = choose_store(l, failure, &expected);
    read(l, which, failure);
    expected = l.stores[which].value;
    note("fails to exchange, reads old", at, expected, expected);
    return false;
  }
  if (fits) {
    memory_.read(l, newest, me().knows, failure);
    note("fails to exchange without a reason", at, expected, expected);
    return false;
  }
  const std::uint16_t which = choose_store(l, failure, &expected);
  read(l, which, failure);
  expected = l.stores[which].value;
  note("fails to exchange, reads", at, expected, expected);
  return false;
}

void execution::fence(std::memory_order order, const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  note("fence", at);
  memory_.fence(me().knows, order);
}

std::uint64_t execution::tick() noexcept {
  constexpr std::uint64_t tick_ns = 100'000;
  return time_ += tick_ns;
}

void execution::light_fence() {
  const inside_explorer guard;
  memory_.light_fence(me().knows);
}

void execution::heavy_fence(const where& at) {
  const inside_explorer guard;
  step(at);
  switch_point();
  note("barrier on every thread", at);
  std::vector<knowledge*> all;
  for (unsigned i = 0; i < count_; ++i) all.push_back(&threads_[i]->knows);
  memory_.heavy_fence(me().knows, all);
}

}  // namespace model
