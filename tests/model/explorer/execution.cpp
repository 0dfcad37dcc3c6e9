#include "explorer/execution.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include "explorer/inside.hpp"
#include "explorer/source_text.hpp"

namespace model {

bool watching = false;
thread_local_words thread_locals{};

namespace {

void clear_thread_locals() noexcept {
  for (void** const word : thread_locals)
    if (word != nullptr) *word = nullptr;
}

execution* running = nullptr;
std::uint64_t runs_begun = 1;  // the time before the first counts as one

// Rounds of polling threads that all look again and find nothing.
constexpr unsigned idle_rounds = 40;

}  // namespace

execution* execution::current() noexcept { return running; }

bool execution::is_first_look(std::uint64_t& seen_in) noexcept {
  return std::exchange(seen_in, runs_begun) != runs_begun;
}

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
    if (const void* const code = maker_of_a_leak())
      e.fail("memory is never freed, which was made in " + code_line(code), where::current());
    clear_thread_locals();
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
  t.locals = {};
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
  for (std::size_t i = 0; i < thread_locals.size(); ++i) {
    if (thread_locals[i] == nullptr) continue;
    from.locals[i] = *thread_locals[i];
    *thread_locals[i] = threads_[t]->locals[i];
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
  const inside_explorer guard;
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
  clear_thread_locals();
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

std::uint64_t execution::tick() noexcept {
  constexpr std::uint64_t tick_ns = 100'000;
  return time_ += tick_ns;
}

}  // namespace model
