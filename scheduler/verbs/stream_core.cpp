// A stream's window, steps and end. stream_core.hpp holds the invariant; errors and the report are in
// stream_report.cpp.
#include <algorithm>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/stream_core.hpp>
#include <coppice/detail/worker.hpp>
#include <coppice/stop.hpp>
#include <coppice/this_task.hpp>
#include <exception>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "platform/fork.hpp"
#include "worker/loans.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

using std::chrono::steady_clock;

// After so long a step lets others of its pool have the worker. Posting one costs about 2 us (2 cores, 2026).
constexpr std::chrono::microseconds step_time{200};
// How often a step looks whether the one that asks the source is done, before it leaves: some 5 us.
constexpr int patience = 32;

// When a reader lets results gather: stream_core::wait(). 2 cores, 2026: waking costs 5 us, and a nap takes
// 100.
constexpr std::chrono::microseconds short_wait{50}, nap{40};
constexpr unsigned many_short_waits = 8;
constexpr std::size_t window_for_naps = 256, worth_a_nap = 32;

// The innermost input that runs on this thread.
thread_local item_scope* running_input = nullptr;

bool is_later(const stream_node* a, const stream_node* b) noexcept { return a->sequence > b->sequence; }

}  // namespace

class stream_core::outer_stop {
 public:
  outer_stop(stream_core& core, std::stop_token token) : callback_(std::move(token), told{core}) {}

 private:
  struct told {
    stream_core& core;
    void operator()() const noexcept {
      core.stop_now(stream_stop::cancelled, "the job in which the stream was made was stopped");
    }
  };
  std::stop_callback<told> callback_;
};

bool stream_door::enter() noexcept {
  const std::lock_guard hold(mutex_);
  if (!shut_) ++inside_;
  return !shut_;
}

void stream_door::leave() noexcept {
  const std::lock_guard hold(mutex_);
  if (--inside_ == 0 && shut_) left_.notify_all();  // under the lock: the door goes with the last stream
}

void stream_door::shut() noexcept {
  std::unique_lock lock(mutex_);
  shut_ = true;
  left_.wait(lock, [this] { return inside_ == 0; });
}

// ---- life --------------------------------------------------------------------------------------

stream_core::stream_core(std::unique_ptr<stream_pool> pool, stream_options&& options, bool fed_by_stage)
    : pool_(std::move(pool)),
      options_(std::move(options)),
      fed_by_stage_(fed_by_stage),
      forks_(platform::forks()) {
  if (options_.capacity == 0)
    throw std::invalid_argument("coppice: stream \"" + options_.name +
                                "\" was asked for a capacity of 0, with which it could never take an input "
                                "(ask for at least 1)");
}

stream_core::~stream_core() {
  for (stream_node* all : {first_, fetched_, read_, spare_})
    while (all != nullptr) delete std::exchange(all, all->next);
  for (stream_node* const node : ahead_) delete node;
}

bool stream_core::inherited_over_fork() const noexcept { return forks_ != platform::forks(); }

void stream_core::refuse_inherited() const {
  if (inherited_over_fork())
    throw scheduler_stopped(
        "coppice: stream \"" + options_.name +
        "\" was made before a fork, and its pool runs in the parent process only (read it "
        "there, or make one in the child, from a pool of its own)");
}

void stream_core::acquire() noexcept {
  const std::lock_guard hold(mutex_);
  ++references_;
}

void stream_core::release() noexcept {
  {
    const std::lock_guard hold(mutex_);
    if (--references_ != 0) return;
  }
  delete this;
}

void stream_core::start() {
  if (!options_.shield) {
    const std::stop_token outer = this_task::stop_token();
    if (outer.stop_possible()) outer_ = std::make_unique<outer_stop>(*this, outer);
  }
  std::unique_lock lock(mutex_);
  after_change(lock, wants_step());
}

bool stream_core::runs_here() const noexcept {
  for (const item_scope* s = running_input; s != nullptr; s = s->outer)
    if (s->core == this) return true;
  return false;
}

// The reader goes. Steps may use the source and the function until they have left; one that is posted and has
// not begun keeps nobody waiting: it finds the stream closed.
void stream_core::abandon() noexcept {
  if (inherited_over_fork()) return;
  stop_now(stream_stop::cancelled, "its reader was destroyed");
  std::unique_lock lock(mutex_);
  if (runs_here()) {  // an input that destroys the reader of its own stream: who lets go last cleans up
    lock.unlock();
    release();
    return;
  }
  ++waiting_;
  while (inside_ != 0) moved_.wait(lock);
  --waiting_;
  for (stream_node* const unread : {fetched_, first_})
    for (stream_node* node = unread; node != nullptr; node = node->next)
      if (node->how == item_end::failed) ++errors_unread_;
  const bool tell = errors_unread_ != 0 && !report_;
  stream_core* const downstream = std::exchange(downstream_, nullptr);
  lock.unlock();
  outer_.reset();
  if (tell) tell_of_unread();
  if (downstream != nullptr) downstream->release();
  dispose();
  release();
}

// ---- reading -----------------------------------------------------------------------------------

bool stream_core::ended() const {
  refuse_inherited();
  const std::lock_guard hold(mutex_);
  return no_more() && first_ == nullptr && fetched_ == nullptr;
}

bool stream_core::may_go_on() const {
  const std::lock_guard hold(mutex_);
  return first_ != nullptr || no_more();
}

void stream_core::sleep(std::unique_lock<std::mutex>& lock) {
  if (options_.deadline && stop_ == stream_stop::none)
    moved_.wait_until(lock, *options_.deadline);
  else
    moved_.wait(lock);
}

// The reader fetches all that is ready at once, and gives the slots of what it has read back a quarter of the
// window at a time, or when it comes to fetch: two locks for many results.
stream_node* stream_core::take() {
  stream_node* const node = fetched_;
  fetched_ = node->next;
  if (++taken_ >= options_.capacity / 4) {
    std::unique_lock lock(mutex_);
    let_go_of_read();
    // With much left to read there is no hurry to post a step: so a full window costs one for half of it.
    after_change(lock, unread_ <= options_.capacity / 2 && wants_step());
  }
  return node;
}

// With the mutex held, which it releases; something is ready.
void stream_core::fetch(std::unique_lock<std::mutex>& lock) noexcept {
  if (napped_ && unread_ < worth_a_nap) short_waits_ = 0;
  napped_ = false;
  fetched_ = std::exchange(first_, nullptr);
  last_ = nullptr;
  after_change(lock, unread_ <= options_.capacity / 2 && wants_step());
}

// With the mutex held.
void stream_core::let_go_of_read() noexcept {
  occupied_ -= taken_;
  unread_ -= taken_;
  taken_ = 0;
  if (read_ == nullptr) return;
  last_read_->next = spare_;
  spare_ = std::exchange(read_, nullptr);
}

stream_node* stream_core::next() {
  refuse_inherited();
  if (runs_here())
    throw would_deadlock("coppice: this wait could never end: an input of stream \"" + options_.name +
                         "\" waits for the next result of that stream (read it outside of its own function)");
  for (;;) {
    if (fetched_ != nullptr) return take();
    std::unique_lock lock(mutex_);
    let_go_of_read();
    if (first_ != nullptr) {
      fetch(lock);
      continue;
    }
    if (no_more()) return nullptr;
    if (stop_if_late(lock)) continue;
    if (wants_step()) {
      after_change(lock, true);
      continue;
    }
    const std::uint64_t calls = calls_;
    lock.unlock();
    if (help_here()) continue;
    lock.lock();
    if (first_ != nullptr || no_more() || calls_ != calls) continue;
    wait(lock);
  }
}

// With the mutex held, but not meanwhile.
//
// To wake a thread costs more than a short input. So a reader that has waited shortly several times in a row
// lets results gather for a moment in which nobody wakes it; if few came, it goes back to being woken.
void stream_core::wait(std::unique_lock<std::mutex>& lock) {
  if (napped_) short_waits_ = 0;  // nothing has come
  napped_ = short_waits_ >= many_short_waits && options_.capacity >= window_for_naps;
  if (napped_) {
    lock.unlock();
    std::this_thread::sleep_for(nap);
    lock.lock();
    return;
  }
  const auto since = steady_clock::now();
  {
    struct counted {
      unsigned& count;
      const unsigned one;
      counted(unsigned& n, bool counts) : count(n), one(counts ? 1 : 0) { count += one; }
      ~counted() { count -= one; }
    };
    const counted reader(waiting_, true);
    const counted helper(helpers_, this_task::worker() >= 0);
    const lent_core meanwhile(detail::this_worker);  // nothing of this stream needs it
    pool_->stand(*this, lock);
  }
  if (steady_clock::now() - since < short_wait)
    ++short_waits_;
  else
    short_waits_ = 0;
}

stream_node* stream_core::try_next(stream_core& reader, bool& ended) {
  ended = false;
  if (fetched_ != nullptr) return take();
  std::unique_lock lock(mutex_);
  let_go_of_read();
  stop_if_late(lock);
  if (first_ != nullptr) {
    fetch(lock);
    return take();
  }
  ended = no_more();
  // The slots that were given back may be what the next step needs.
  if (!ended && wants_step()) {
    after_change(lock, true);
    lock.lock();
    if (first_ != nullptr) {
      fetch(lock);
      return take();
    }
    ended = no_more();
  }
  if (ended || downstream_ != nullptr) return nullptr;
  downstream_ = &reader;
  reader.acquire();
  lock.unlock();
  reader.call_for_help();  // a step that was posted before is one that the reader's reader could not hear of
  return nullptr;
}

void stream_core::give_back(stream_node* node) noexcept {
  clear(*node);
  if (read_ == nullptr) last_read_ = node;
  node->next = read_;
  read_ = node;
}

void stream_core::put_aside(stream_node& node) noexcept {
  node.next = spare_;
  spare_ = &node;
}

// ---- stopping ----------------------------------------------------------------------------------

bool stream_core::cancel(stream_stop why, std::string by, std::string reason) {
  refuse_inherited();
  std::unique_lock lock(mutex_);
  if (stop_ != stream_stop::none || no_more()) return false;
  cancelled_by_ = cancel_record{std::move(by), std::move(reason), steady_clock::now(), in_flight_, {}};
  stop_ = why;
  closed_ = true;
  tell_of_stop(lock);
  return true;
}

// With the mutex held, which it releases: the stream is stopped, and now those hear of it who work for it.
void stream_core::tell_of_stop(std::unique_lock<std::mutex>& lock) noexcept {
  const stream_stop why = stop_;
  ++inside_;
  after_change(lock, false);
  pool_->cancel_steps(why);
  stop_source();
  lock.lock();
  --inside_;
  if (waiting_ != 0) moved_.notify_all();
  lock.unlock();
}

// As cancel; without memory for the record, without the record.
void stream_core::stop_now(stream_stop why, const char* reason) noexcept {
  try {
    cancel(why, "outside", reason);
  } catch (const std::bad_alloc&) {
    std::unique_lock lock(mutex_);
    if (stop_ == stream_stop::none) stop_ = why;
    closed_ = true;
    tell_of_stop(lock);
  }
}

// With the mutex held, but not meanwhile. True: it was late.
bool stream_core::stop_if_late(std::unique_lock<std::mutex>& lock) {
  if (!options_.deadline || stop_ != stream_stop::none || no_more() ||
      steady_clock::now() < *options_.deadline)
    return false;
  lock.unlock();
  stop_now(stream_stop::deadline, "its deadline has passed");
  lock.lock();
  return true;
}

// ---- steps -------------------------------------------------------------------------------------

bool stream_core::wants_step() const noexcept {
  return may_take() && !posted_ && !pulling_ && patient_ == 0 &&
         (options_.concurrency == 0 || working_ < options_.concurrency);
}

// With the mutex held, which it releases: tells whom the change may concern, and posts a step.
void stream_core::after_change(std::unique_lock<std::mutex>& lock, bool post) noexcept {
  if (post) posted_ = true;
  const bool over = no_more();
  if (over && quiet_ == steady_clock::time_point{}) quiet_ = steady_clock::now();
  stream_core* const downstream = first_ != nullptr || over ? std::exchange(downstream_, nullptr) : nullptr;
  const bool wake = waiting_ != 0;
  if (!wake && !post && downstream == nullptr) {
    lock.unlock();
    return;
  }
  ++inside_;
  lock.unlock();
  if (wake) {
    moved_.notify_all();
    pool_->something_moved();
  }
  if (downstream != nullptr) {
    downstream->source_ready();
    downstream->release();
  }
  if (post) post_step();
  lock.lock();
  --inside_;
  if (waiting_ != 0) moved_.notify_all();
  lock.unlock();
}

void stream_core::post_step() noexcept {
  bool accepted = false;
  const char* why = "its pool takes no more work";
  try {
    accepted = pool_->post(*this);
  } catch (const std::exception&) {
    why = "there was no memory for its next step";  // what is finished can be read
  }
  if (accepted) return call_for_help();
  {
    const std::lock_guard hold(mutex_);
    posted_ = false;
  }
  stop_now(stream_stop::cancelled, why);
}

// A reader on a worker may be the only one who can run a posted step, here or in a stage before: it stands
// still and looks again, or is about to and sees that there was a call.
void stream_core::call_for_help() noexcept {
  std::unique_lock lock(mutex_);
  ++calls_;
  const bool wake = helpers_ != 0;
  stream_core* const downstream = downstream_;
  if (downstream != nullptr) downstream->acquire();
  lock.unlock();
  if (wake) moved_.notify_all();
  if (downstream == nullptr) return;
  downstream->call_for_help();
  downstream->release();
}

step_ticket::~step_ticket() {
  if (core_ == nullptr) return;
  if (!ran_) core_->step_dropped();
  core_->release();
}

void stream_core::step_dropped() noexcept {
  const bool late = options_.deadline && steady_clock::now() >= *options_.deadline;
  {
    const std::lock_guard hold(mutex_);
    posted_ = false;
  }
  if (late)
    stop_now(stream_stop::deadline, "its deadline has passed");
  else
    stop_now(stream_stop::cancelled, "its pool, or the job in which it was made, was stopped");
}

void stream_core::source_ready() noexcept {
  std::unique_lock lock(mutex_);
  told_ = true;
  starved_ = false;
  after_change(lock, wants_step());
}

// With the mutex held, but not all the time: whether this step may ask the source now.
bool stream_core::claim(std::unique_lock<std::mutex>& lock) {
  for (int i = 0; may_take() && pulling_ && i < patience; ++i) {
    ++patient_;
    lock.unlock();
    for (int k = 0; k < 8; ++k) relax();
    lock.lock();
    --patient_;
  }
  if (!may_take() || pulling_) return false;
  pulling_ = true;
  told_ = false;
  ++occupied_;
  return true;
}

// With the mutex held: a node for the next result; null: no memory.
stream_node* stream_core::reserve_node(std::unique_lock<std::mutex>& lock) noexcept {
  if (spare_ != nullptr) return std::exchange(spare_, spare_->next);
  stream_node* made = nullptr;
  try {
    if (options_.ordered) ahead_.reserve(nodes_ + 1);
    ++nodes_;
    lock.unlock();
    made = make_node();
    lock.lock();
  } catch (const std::bad_alloc&) {
    if (!lock.owns_lock()) lock.lock();
  }
  return made;
}

void stream_core::step() noexcept {
  const auto since = steady_clock::now();
  std::unique_lock lock(mutex_);
  posted_ = false;
  ++inside_;
  if (options_.concurrency == 0 || working_ < options_.concurrency) {
    ++working_;
    bool in_time = true;
    while (in_time && !stop_if_late(lock) && claim(lock)) {
      stream_node* const node = reserve_node(lock);
      lock.unlock();
      if (node == nullptr) stop_now(stream_stop::cancelled, "there was no memory for the next result");
      const pulled how = node != nullptr ? run_one(*node) : pulled::nothing;
      const bool all = how != pulled::end || follow_source();
      in_time = steady_clock::now() - since < step_time;
      const stream_stop above = pool_->stopped_from_above();
      lock.lock();
      bool stop_at_failure = false;
      if (node != nullptr) {
        stop_at_failure = settle(*node, how, all);
      } else {
        pulling_ = false;
        --occupied_;
      }
      if (stop_at_failure) {
        tell_of_stop(lock);
        lock.lock();
      } else if (waiting_ != 0 || downstream_ != nullptr || above != stream_stop::none) {
        after_change(lock, false);
        if (above != stream_stop::none)
          stop_now(above, "its pool, or the job in which it was made, was stopped");
        lock.lock();
      }
    }
    --working_;
  }
  after_change(lock, wants_step());
  lock.lock();
  --inside_;
  if (waiting_ != 0) moved_.notify_all();
}

bool stream_core::began(stream_node& node, item_scope& scope, bool last) noexcept {
  std::unique_lock lock(mutex_);
  pulling_ = false;
  node.sequence = accepted_++;
  node.how = item_end::succeeded;
  ++in_flight_;
  if (last) closed_ = source_ended_ = true;
  const bool run = stop_ == stream_stop::none;
  after_change(lock, wants_step());
  if (!run) {
    node.how = item_end::skipped;
    set_error(node, stop_error(node.sequence, false));
    return false;
  }
  scope.core = this;
  scope.outer = std::exchange(running_input, &scope);
  pool_->enter(scope, node.sequence);
  return true;
}

void stream_core::item_over(item_scope& scope) noexcept {
  pool_->leave(scope);
  running_input = scope.outer;
}

// With the mutex held. True: this was what stops the stream.
bool stream_core::settle(stream_node& node, pulled how, bool all) noexcept {
  switch (how) {
    case pulled::item:
    case pulled::last_item:
      --in_flight_;
      deliver(node);
      if (node.how != item_end::failed || !options_.errors.stops_at_failure() || stop_ != stream_stop::none ||
          no_more())
        return false;
      stop_ = stream_stop::failed;
      closed_ = true;  // at once: nobody takes an input after it
      try {
        cancelled_by_ = cancel_record{"root/" + std::to_string(node.sequence),
                                      "an input failed, and the stream's policy is fail_fast",
                                      steady_clock::now(),
                                      in_flight_,
                                      {}};
      } catch (const std::bad_alloc&) {
        // Stopped without a record.
      }
      return true;
    case pulled::failure:
      pulling_ = false;
      closed_ = true;
      node.sequence = accepted_++;
      deliver(node);
      return false;
    case pulled::end:
      closed_ = true;
      source_ended_ = all;
      break;
    case pulled::nothing:
      starved_ = !told_;
      break;
  }
  pulling_ = false;
  --occupied_;
  put_aside(node);
  return false;
}

void stream_core::deliver(stream_node& node) noexcept {
  count(node);
  if (!options_.ordered) return append(node);
  ahead_.push_back(&node);  // there is room for every node
  std::push_heap(ahead_.begin(), ahead_.end(), is_later);
  while (!ahead_.empty() && ahead_.front()->sequence == next_ready_) {
    std::pop_heap(ahead_.begin(), ahead_.end(), is_later);
    append(*ahead_.back());
    ahead_.pop_back();
    ++next_ready_;
  }
}

void stream_core::append(stream_node& node) noexcept {
  node.next = nullptr;
  (last_ != nullptr ? last_->next : first_) = &node;
  last_ = &node;
  ++unread_;
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
