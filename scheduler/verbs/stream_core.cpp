// A stream's life, and how it is stopped. stream_core.hpp holds the invariant; how inputs are taken is in
// stream_steps.cpp, how results are read in stream_reading.cpp, errors and the report in stream_report.cpp.
#include <coppice/detail/job_core.hpp>
#include <coppice/detail/stream_core.hpp>
#include <coppice/stop.hpp>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

#include "job/failure.hpp"
#include "job/job_state.hpp"
#include "platform/fork.hpp"
#include "worker/loans.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

class stream_core::outer_stop {
 public:
  outer_stop(stream_core& core, job_core& job) : job_(job), callback_(job.stop_token(), told{core, job}) {}

 private:
  // Not before the callback is gone.
  struct held {
    job_core& job;
    explicit held(job_core& j) noexcept : job(j) { job.acquire(); }
    held(const held&) = delete;
    held& operator=(const held&) = delete;
    ~held() { job.release(); }
  };
  struct told {
    stream_core& core;
    const job_core& job;
    void operator()() const noexcept {
      if (job_state::of(job).reason() == stop_reason::deadline)
        core.stop_now(stream_stop::deadline,
                      "the deadline of the job in which the stream was made has passed");
      else
        core.stop_now(stream_stop::cancelled, "the job in which the stream was made was stopped");
    }
  };
  const held job_;
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
  unique_lock lock(mutex_);
  shut_ = true;
  left_.wait(lock, [this] { return inside_ == 0; });
}

void stream_door::add(stream_core& stream) noexcept {
  const std::lock_guard hold(mutex_);
  stream.next_of_pool_ = streams_;
  if (streams_ != nullptr) streams_->before_of_pool_ = &stream;
  streams_ = &stream;
  stream.at_door_ = true;
}

void stream_door::remove(stream_core& stream) noexcept {
  const std::lock_guard hold(mutex_);
  if (stream.at_door_) take_out(stream);
}

// With the mutex held.
void stream_door::take_out(stream_core& stream) noexcept {
  stream_core *const next = stream.next_of_pool_, *const before = stream.before_of_pool_;
  (before != nullptr ? before->next_of_pool_ : streams_) = next;
  if (next != nullptr) next->before_of_pool_ = before;
  stream.next_of_pool_ = stream.before_of_pool_ = nullptr;
  stream.at_door_ = false;
}

void stream_door::stop_streams(const char* why) noexcept {
  unique_lock lock(mutex_);
  while (stream_core* const stream = streams_) {
    take_out(*stream);
    stream->acquire();  // its reader takes it out before he lets go
    lock.unlock();
    if (stream->is_late())
      stream->stop_late();
    else
      stream->stop_now(stream_stop::cancelled, why);
    stream->release();
    lock.lock();
  }
}

namespace {

// The job in which it is made may be over before it, or may not stop it.
stream_options with_deadline_of_job(stream_options&& options) noexcept {
  options.deadline = deadline_within_current_job(options.deadline);
  return std::move(options);
}

}  // namespace

// ---- life --------------------------------------------------------------------------------------

stream_core::stream_core(std::unique_ptr<stream_pool> pool, stream_options&& options, bool fed_by_stage)
    : pool_(std::move(pool)),
      options_(with_deadline_of_job(std::move(options))),
      fed_by_stage_(fed_by_stage),
      forks_(platform::forks()) {
  if (options_.capacity == 0)
    throw std::invalid_argument("coppice: stream \"" + options_.name +
                                "\" was asked for a capacity of 0, with which it could never take an input "
                                "(ask for at least 1)");
  if (options_.errors.keeps_what_is_earlier())
    throw std::invalid_argument(
        "coppice: stream \"" + options_.name +
        "\" was asked for error_policy::serial_first, which streams do not have (fail_fast "
        "stops at the first error)");
}

stream_core::~stream_core() {
  if (read_ != nullptr) window_.give_back(*read_, *last_read_);
  window_.for_each([](stream_node* node) { delete node; });
  for (stream_node* all : {outbox_.take_all(), first_, fetched_})
    while (all != nullptr) delete std::exchange(all, all->next);
  for (stream_node* const node : ahead_) delete node;
  delete own_;
  delete apart_;
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
  own_ = make_node();
  if (!options_.shield) {
    if (job_core* const outer = current_job()) outer_ = std::make_unique<outer_stop>(*this, *outer);
  }
  if (stream_door* const door = pool_->door()) door->add(*this);
  unique_lock lock(mutex_);
  after_change(lock, wants_step());
}

// The reader goes. Steps may use the source and the function until they have left; one that is posted and has
// not begun keeps nobody waiting: it finds the stream closed.
void stream_core::abandon(bool waits) noexcept {
  if (inherited_over_fork()) return;
  if (stream_door* const door = pool_->door()) door->remove(*this);
  stop_now(stream_stop::cancelled, "its reader was destroyed");
  // An input that destroys the reader of its own stream would wait for itself; or the source, or what else
  // runs.
  const bool within = uses_here() || pool_->steps_wait_for_this();
  unique_lock lock(mutex_);
  if (inside_ != 0 && (!waits || within)) {
    left_behind_ = true;
    return;
  }
  if (inside_ != 0) {
    ++waiting_;
    const lent_core meanwhile(this_worker);
    while (inside_ != 0) moved_.wait(lock);
    --waiting_;
  }
  clean_up(lock, waits);
}

// With the mutex held, which it releases: who has used source, function or pool does not any more. A stream
// whose reader could not wait for that is cleaned up by who leaves last, and may be gone then.
void stream_core::leave(unique_lock& lock) noexcept {
  --inside_;
  if (waiting_ != 0) moved_.notify_all();
  if (inside_ == 0 && std::exchange(left_behind_, false))
    clean_up(lock, false);
  else
    lock.unlock();
}

// With the mutex held, which it releases; nobody is inside. All that the reader could have asked for goes,
// and the reader's reference. So a stream that dies has no source any more.
void stream_core::clean_up(unique_lock& lock, bool waits) noexcept {
  unread all = take_unread();
  const bool tell = errors_unread_ != 0 && !report_;
  stream_core* const downstream = std::exchange(downstream_, nullptr);
  lock.unlock();
  outer_.reset();
  if (tell) tell_of_unread();
  lock.lock();
  all.errors = std::exchange(errors_, {});
  all.report = std::exchange(report_, std::nullopt);
  lock.unlock();
  if (downstream != nullptr) downstream->release();
  all.drop();
  dispose(waits);
  release();
}

// With the mutex held, when nobody is inside. A step that is posted and has not begun may keep the stream for
// long; what the reader has left goes with the reader.
stream_core::unread stream_core::take_unread() noexcept {
  gather();
  unread all;
  all.lists[0] = std::exchange(fetched_, nullptr);
  all.lists[1] = std::exchange(first_, nullptr);
  last_ = nullptr;
  for (stream_node* const list : all.lists)
    for (const stream_node* node = list; node != nullptr; node = node->next)
      if (node->how == item_end::failed) ++errors_unread_;
  all.ahead = std::exchange(ahead_, {});
  all.looked_at = std::exchange(own_, nullptr);
  all.apart = std::exchange(apart_, nullptr);
  return all;
}

void stream_core::unread::drop() noexcept {
  for (stream_node* list : lists)
    while (list != nullptr) delete std::exchange(list, list->next);
  for (stream_node* const node : ahead) delete node;
  delete looked_at;
  delete apart;
  errors.clear();
  report.reset();
}

// ---- stopping ----------------------------------------------------------------------------------

bool stream_core::cancel(stream_stop why, std::string by, std::string reason) {
  refuse_inherited();
  unique_lock lock(mutex_);
  if (stop_ != stream_stop::none || no_more()) return false;
  cancelled_by_ = cancel_record{std::move(by), std::move(reason), clock::now(), running(), {}};
  stop_ = why;
  gate_.close();
  tell_of_stop(lock);
  return true;
}

// With the mutex held, which it releases: the stream is stopped, and now those hear of it who work for it.
void stream_core::tell_of_stop(unique_lock& lock) noexcept {
  const stream_stop why = stop_;
  ++inside_;
  after_change(lock, false);
  pool_->cancel_steps(*this, why);
  stop_source();
  lock.lock();
  leave(lock);
}

// As cancel; without memory for the record, without the record.
void stream_core::stop_now(stream_stop why, const char* reason) noexcept {
  try {
    cancel(why, "outside", reason);
  } catch (const std::bad_alloc&) {
    unique_lock lock(mutex_);
    if (stop_ != stream_stop::none || no_more()) return;
    stop_ = why;
    gate_.close();
    tell_of_stop(lock);
  }
}

// The step that runs here was stopped, or skipped: by its own code, or with the job in which the stream was
// made, or with its pool.
void stream_core::stop_as_above(stream_stop why) noexcept {
  try {
    if (const std::optional<cancel_record> record = pool_->stopped_by()) {
      cancel(why, record->by, record->reason);
      return;
    }
  } catch (const std::bad_alloc&) {
    // Stopped with a record that needs less memory, or without.
  }
  stop_now(why, "its pool, or the job in which it was made, was stopped");
}

// With the mutex held, but not meanwhile. True: it was late.
bool stream_core::stop_if_late(unique_lock& lock) {
  if (stop_ != stream_stop::none || no_more() || !is_late()) return false;
  lock.unlock();
  stop_late();
  lock.lock();
  return true;
}

bool stream_core::is_late() const noexcept { return options_.deadline && clock::now() >= *options_.deadline; }
void stream_core::stop_late() noexcept { stop_now(stream_stop::deadline, "its deadline has passed"); }

}  // namespace detail
}  // namespace v0
}  // namespace coppice
