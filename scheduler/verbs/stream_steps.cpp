// How a stream's inputs are taken: its steps. An input goes through the gate and the outbox and touches no
// lock; a step takes the mutex when it begins, ends, or has something to tell. Why nothing is lost between
// the two: streams.md.
#include <algorithm>
#include <coppice/detail/stream_core.hpp>
#include <new>
#include <string>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// A look at the clock costs 17 ns (2 cores, 2026). So inputs that took less than this are looked at eight at
// a time; of inputs that suddenly take long a step takes seven more at most.
constexpr std::chrono::microseconds eight_short_inputs{20};

// The innermost one on this thread.
thread_local const item_scope* user_code = nullptr;

}  // namespace

item_scope::item_scope(const stream_core& c) noexcept : core(&c), outer(std::exchange(user_code, this)) {}
item_scope::~item_scope() { user_code = outer; }

// Whether an input of this stream runs on this thread.
bool stream_core::runs_here() const noexcept {
  for (const item_scope* s = user_code; s != nullptr; s = s->outer)
    if (s->core == this && s->runs_input) return true;
  return false;
}

// Whether this thread is inside, in code of the user.
bool stream_core::uses_here() const noexcept {
  for (const item_scope* s = user_code; s != nullptr; s = s->outer)
    if (s->core == this) return true;
  return false;
}

// ---- posting -----------------------------------------------------------------------------------

// With the mutex held. Whoever is inside the gate, or looks at it, goes on by himself.
bool stream_core::wants_step() const noexcept {
  // order(asking): relaxed; pairs with claim(). Who has asked since comes by here when his step ends.
  return !gate_.closed() && asking_.load(memory_order_relaxed) != asking::starved && may_work_more() &&
         gate_.nobody_comes() && !gate_.busy() && window_.has_room(options_.capacity);
}

// With the mutex held, which it releases: tells whom the change may concern, and posts a step.
void stream_core::after_change(unique_lock& lock, bool post) noexcept {
  if (post) gate_.come();
  const bool over = no_more();
  if (over && quiet_ == clock::time_point{}) quiet_ = clock::now();
  stream_core* const downstream = first_ != nullptr || over ? std::exchange(downstream_, nullptr) : nullptr;
  const bool enough = first_ != nullptr || over || stop_ != stream_stop::none;
  const bool wake = waiting_ != 0 || (napping_ && enough);
  if (enough) napping_ = false;
  if (!wake && !post && downstream == nullptr) {
    lock.unlock();
    return;
  }
  ++inside_;
  stream_pool* const stands_in = stands_in_;
  lock.unlock();
  if (wake) {
    moved_.notify_all();
    if (stands_in != nullptr) stands_in->something_moved();
  }
  if (downstream != nullptr) {
    downstream->source_ready();
    downstream->release();
  }
  if (post) post_step();
  lock.lock();
  leave(lock);
}

void stream_core::post_step() noexcept {
  bool accepted = false;
  const char* why = "its pool takes no more work";
  try {
    accepted = pool_->post(*this);
  } catch (const std::exception&) {
    why = "there was no memory for its next step";  // what is finished can be read
  }
  if (accepted) {
    call_for_help(works());
    return;
  }
  stop_now(stream_stop::cancelled, why);
  gate_.turn_away();
}

// A reader on a worker may be the only one who can run a posted step, here or in a stage before: it stands
// still and looks again, or is about to and sees that there was a call. If others work there, only a reader
// that keeps its core is woken: it runs the step beside them.
void stream_core::call_for_help(bool others_work) noexcept {
  unique_lock lock(mutex_);
  ++calls_;
  const bool wake = (others_work ? keepers_ : helpers_) != 0;
  stream_core* const downstream = downstream_;
  if (downstream != nullptr) downstream->acquire();
  lock.unlock();
  if (wake) moved_.notify_all();
  if (downstream == nullptr) return;
  downstream->call_for_help(others_work);
  downstream->release();
}

// A stage has no step any more. A reader in another pool may rely on that one, and looks again.
void stream_core::came_to_rest() noexcept {
  unique_lock lock(mutex_);
  stream_pool* const stands_in = stands_in_;
  stream_core* const downstream = downstream_;
  if (downstream != nullptr) downstream->acquire();
  if (stands_in != nullptr) {
    ++inside_;
    lock.unlock();
    stands_in->something_moved();
    lock.lock();
    leave(lock);
  } else {
    lock.unlock();
  }
  if (downstream == nullptr) return;
  downstream->came_to_rest();
  downstream->release();
}

step_ticket::~step_ticket() {
  if (core_ == nullptr) return;
  if (!ran_) core_->step_dropped();
  core_->release();
}

// Until the stream is stopped the step still seems to come: a reader that relies on it is not told meanwhile
// that nobody does.
void stream_core::step_dropped() noexcept {
  if (is_late())
    stop_late();
  else
    stop_as_above(std::max(pool_->stopped_from_above(), stream_stop::cancelled));
  gate_.turn_away();
}

void stream_core::source_ready() noexcept {
  unique_lock lock(mutex_);
  // order(asking): relaxed; pairs with claim(). The mutex of the source is between the two.
  asking_.store(asking::has_spoken, memory_order_relaxed);
  after_change(lock, wants_step());
}

// ---- one step ----------------------------------------------------------------------------------

void stream_core::step(bool for_reader) noexcept {
  unique_lock lock(mutex_);
  gate_.turn_away();  // it comes back if it may
  ++inside_;
  if (!gate_.closed() && may_work_more()) {  // once closed nobody works any more: that is the end
    turn mine;
    mine.next = turns_;
    if (turns_ != nullptr) turns_->before = &mine;
    turns_ = &mine;
    // order(working): seq_cst; pairs with may_work_more().
    working_.fetch_add(1, memory_order_seq_cst);
    lock.unlock();
    take_turn(mine, for_reader);
    lock.lock();
    (mine.before != nullptr ? mine.before->next : turns_) = mine.next;
    if (mine.next != nullptr) mine.next->before = mine.before;
    succeeded_ += mine.succeeded.load(memory_order_relaxed);
    // order(working): seq_cst; pairs with may_work_more().
    working_.fetch_sub(1, memory_order_seq_cst);
  }
  const bool more = wants_step();
  const bool rests = !more && !works();
  after_change(lock, more);
  lock.lock();
  const bool feeds = downstream_ != nullptr;
  leave(lock);
  if (rests) call_for_help(false);  // a reader may run now what was posted before, here or in a stage before
  if (feeds && !more) came_to_rest();
}

void stream_core::take_turn(turn& mine, bool for_reader) noexcept {
  const auto since = clock::now();
  auto looked = since;
  unsigned inputs = 0, at_a_time = 1;
  for (;;) {
    if (is_late()) stop_late();
    stream_node* const node = claim();
    if (node == nullptr) return;
    mine.has_input.store(true, memory_order_relaxed);
    const bool go_on = settle(mine, *node, run_one(*node));
    if (const stream_stop above = pool_->stopped_from_above(); above != stream_stop::none)
      stop_as_above(above);
    if (!go_on || for_reader) return;
    if (++inputs < at_a_time) continue;
    const auto now = clock::now();
    if (now - since >= step_time) return;
    at_a_time = now - looked < eight_short_inputs * inputs / 8 ? 8 : 1;
    looked = now;
    inputs = 0;
  }
}

// Whether this step may ask the source now. Who asks is mostly done soon.
bool stream_core::enter_gate() noexcept {
  using entry = stream_gate::entry;
  entry how = gate_.try_enter();
  if (how != entry::busy) return how == entry::inside;
  gate_.come();
  for (unsigned i = 0; i < looks_at_a_source && how == entry::busy; ++i) {
    relax();
    if (!gate_.busy()) how = gate_.try_enter();
  }
  gate_.turn_away();
  return how == entry::inside;
}

// Inside the gate: nothing was taken.
void stream_core::leave_gate(stream_node& unused) noexcept {
  window_.put_back(unused);
  gate_.leave();
}

// Enters the gate and gives a place for an input; null: not now.
stream_node* stream_core::claim() noexcept {
  if (!enter_gate()) return nullptr;
  // order(asking): relaxed; pairs with source_ready(). From here on this step sees to the next one, also if
  // another step has found nothing and waits to be told: who would tell may find that this one took all.
  if (fed_by_stage_) asking_.store(asking::asked, memory_order_relaxed);
  if (stream_node* const used = window_.take()) return used;
  stream_node* made = nullptr;
  const bool has_room = window_.may_make(options_.capacity);
  if (has_room) made = new_node();
  if (made != nullptr) return made;
  if (has_room) window_.was_not_made();
  gate_.leave();
  if (has_room) stop_now(stream_stop::cancelled, "there was no memory for the next result");
  return nullptr;
}

// Null: no memory.
stream_node* stream_core::new_node() noexcept {
  try {
    if (options_.ordered) {
      const std::lock_guard hold(mutex_);
      if (++room_ahead_ > ahead_.capacity()) ahead_.reserve(2 * room_ahead_);
    }
    return make_node();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

// The input is taken, the next one may be. Who is posted, or looks, takes it; else there is nobody yet, and
// an input may take long.
bool stream_core::taken(stream_node& node, bool last) noexcept {
  node.sequence = accepted_++;
  node.how = item_end::succeeded;
  if (last) {
    const std::lock_guard hold(mutex_);
    source_ended_ = true;
    gate_.close();
  }
  bool run = true;
  if (!gate_.leave()) {
    const std::lock_guard hold(mutex_);
    run = stop_ == stream_stop::none;
  } else if (gate_.nobody_comes() && may_work_more()) {
    unique_lock lock(mutex_);
    after_change(lock, wants_step());
  }
  if (!run) {
    node.how = item_end::skipped;
    set_error(node, stop_error(node.sequence, false));
  }
  return run;
}

bool stream_core::began(stream_node& node, item_scope& scope, bool last) noexcept {
  if (!taken(node, last)) return false;
  scope.runs_input = true;
  pool_->enter(scope, node.sequence);
  return true;
}

void stream_core::item_over(item_scope& scope, stream_node& node) noexcept {
  pool_->leave(scope);
  scope.runs_input = false;
  kept_error recorded;
  if (pool_->take_recorded(recorded)) {
    node.how = item_end::failed;
    set_error(node, std::move(recorded));
  }
}

// What has become of a place for an input. False: there is no next one now.
bool stream_core::settle(turn& mine, stream_node& node, pulled how) noexcept {
  if (how == pulled::end) {
    const bool all = follow_source();
    const std::lock_guard hold(mutex_);
    source_ended_ = all;
    gate_.close();
    leave_gate(node);
  } else if (how == pulled::nothing) {
    mine.has_input.store(false, memory_order_relaxed);
    return found_nothing(node);
  } else if (how == pulled::stopped) {
    const std::lock_guard hold(mutex_);
    gate_.close();
    leave_gate(node);
  } else if (how == pulled::failure) {
    {
      const std::lock_guard hold(mutex_);
      gate_.close();
      gate_.leave();
    }
    mine.has_input.store(false, memory_order_relaxed);
    put_no_value(node, "the source failed");
  } else {
    mine.has_input.store(false, memory_order_relaxed);
    if (node.how == item_end::succeeded) {
      mine.succeeded.store(mine.succeeded.load(memory_order_relaxed) + 1, memory_order_relaxed);
      mine.put.note(node);
      deliver(node);
      return true;
    }
    put_no_value(node, "an input failed");
    return true;
  }
  mine.has_input.store(false, memory_order_relaxed);
  return false;
}

// Inside the gate. True: the source has spoken up since it was asked, so it is to be asked again.
bool stream_core::found_nothing(stream_node& unused) noexcept {
  const std::lock_guard hold(mutex_);
  const bool spoke = asking_.load(memory_order_relaxed) == asking::has_spoken;
  if (!spoke) asking_.store(asking::starved, memory_order_relaxed);
  leave_gate(unused);
  return spoke;
}

void stream_core::put_no_value(stream_node& node, const char* failed) noexcept {
  kept_error displaced;
  const bool stops = stops_stream(node, failed, displaced);
  if (displaced != nullptr) {  // with it an exception of the user may die
    const item_scope here(*this);
    displaced = nullptr;
  }
  deliver(node);
  if (!stops) return;
  unique_lock lock(mutex_);
  tell_of_stop(lock);
}

// True: this was what stops the stream, and nobody takes an input after it.
bool stream_core::stops_stream(stream_node& node, const char* failed, kept_error& displaced) noexcept {
  unique_lock lock(mutex_);
  displaced = count(node);
  if (node.how != item_end::failed || options_.errors.collects_all() || !can_stop()) return false;
  if (!stops_at(node, lock) || !can_stop()) return false;
  stop_ = stream_stop::failed;
  gate_.close();
  try {
    std::string why = options_.errors.stops_at_failure()
                          ? failed + std::string(", and the stream's policy is fail_fast")
                          : "too many errors for the stream's policy";
    cancelled_by_ =
        cancel_record{"root/" + std::to_string(node.sequence), std::move(why), clock::now(), running(), {}};
  } catch (const std::bad_alloc&) {
    // Stopped without a record.
  }
  return true;
}

// With the mutex held: whether there is something to stop, and nobody has.
bool stream_core::can_stop() const noexcept {
  return stop_ == stream_stop::none && !(gate_.closed() && running() == 0);
}

// With the mutex held, but not while the policy decides, which may be the user's function.
bool stream_core::stops_at(const stream_node& node, unique_lock& lock) noexcept {
  if (options_.errors.stops_at_failure()) return true;
  const error_count so_far = errors_so_far();
  lock.unlock();
  bool stops = false;
  {
    const item_scope here(*this);
    const kept_error error = error_in(node);
    stops = options_.errors.stops(error != nullptr ? *error : task_error{}, so_far);
  }
  lock.lock();
  return stops;
}

// With the mutex held.
error_count stream_core::errors_so_far() const noexcept {
  error_count n{failed_, succeeded_ + failed_ + cancelled_, 0};
  for (const turn* t = turns_; t != nullptr; t = t->next) n.ended += t->succeeded.load(memory_order_relaxed);
  n.spawned = n.ended + skipped_ + running();
  return n;
}

// Each result can be read as soon as it is there, whatever this step does next.
void stream_core::deliver(stream_node& node) noexcept {
  if (!outbox_.put(node)) return;
  unique_lock lock(mutex_);
  if (downstream_ != nullptr)
    ready();
  else
    gather();
  after_change(lock, false);
}

// With the mutex held: inputs that are taken and have not ended.
std::uint64_t stream_core::running() const noexcept {
  std::uint64_t n = 0;
  for (const turn* t = turns_; t != nullptr; t = t->next)
    if (t->has_input.load(memory_order_relaxed)) ++n;
  return gate_.busy() && n != 0 ? n - 1 : n;  // who is inside has no input yet
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
