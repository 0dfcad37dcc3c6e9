// The core of a stream of results: who may take the next input, what is finished and not read, the end. It
// knows no types and no pool; stream_body.hpp adds the types, a stream_pool is the pool as a stream sees it.
//
// A stream runs in steps. A step is what its pool runs at a time: it takes one input after the other, and
// ends when the window is full, the source has nothing or has ended, or its time is over. So an idle stream
// holds no thread. Each input has a place in the window before it is taken, and the place is free again when
// its result has been read: no task ever finds the stream full.
//
// Who writes what: an input goes through the gate and the outbox, without a lock (stream_gate.hpp,
// stream_outbox.hpp); what is marked so belongs to who is inside the gate; everything else is under `mutex_`,
// which a step takes when it begins, ends, or has something to tell. No user code is called with it held, and
// none dies; no pool is called, but that a reader lends its core. Why nothing is lost between the two:
// scheduler/verbs/streams.md.
//
// Invariant: inputs taken and not read, plus one while somebody is inside the gate, have a place each, and
// there are at most `capacity` places. Steps come from whoever makes the next input possible: a step that has
// taken one (so they grow one by one), a step whose time is over, a reader that makes room, a source that has
// something again. At most one is posted and not begun.
#pragma once

#include <chrono>
#include <coppice/detail/atomic.hpp>
#include <coppice/detail/config.hpp>
#include <coppice/detail/stream_gate.hpp>
#include <coppice/detail/stream_node.hpp>
#include <coppice/detail/stream_outbox.hpp>
#include <coppice/detail/waiting.hpp>
#include <coppice/result.hpp>
#include <coppice/stream_options.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace coppice {
inline namespace v0 {
namespace detail {

class stream_core;
class type_counts;

enum class stream_stop : std::uint8_t { none, cancelled, deadline, failed };

// What a pull found. Stopped: the source left by the cancellation, and gave nothing.
enum class pulled : std::uint8_t { item, last_item, end, nothing, failure, stopped };

// While it lives a stream's step runs code of its user on this thread: of the source, or of an input. The
// words are the pool's business.
struct COPPICE_API item_scope {
  explicit item_scope(const stream_core& c) noexcept;
  ~item_scope();
  item_scope(const item_scope&) = delete;
  item_scope& operator=(const item_scope&) = delete;

  const stream_core* const core;
  const item_scope* const outer;
  bool runs_input = false;
  void* words[5] = {};
};

// What lies between a pool and its streams, which may be read after the pool is gone: who is inside keeps the
// pool alive, and nobody comes in once it is shut.
class COPPICE_API stream_door {
 public:
  bool enter() noexcept;
  void leave() noexcept;
  void shut() noexcept;  // returns when nobody is inside

  // The streams whose readers have not gone. The pool runs no more steps: a stage that waits for its source
  // posts none, and would not hear of that.
  void add(stream_core& stream) noexcept;
  void remove(stream_core& stream) noexcept;
  void stop_streams(const char* why) noexcept;

 private:
  void take_out(stream_core& stream) noexcept;

  mutex mutex_;
  condition_variable left_;
  std::uint64_t inside_ = 0;
  bool shut_ = false;
  stream_core* streams_ = nullptr;
};

class inside_door {
 public:
  explicit inside_door(stream_door& door) noexcept : door_(door.enter() ? &door : nullptr) {}
  inside_door(const inside_door&) = delete;
  inside_door& operator=(const inside_door&) = delete;
  ~inside_door() {
    if (door_ != nullptr) door_->leave();
  }
  explicit operator bool() const noexcept { return door_ != nullptr; }

 private:
  stream_door* const door_;
};

// A pool as a stream sees it. Called without the stream's lock unless it says so.
class stream_pool {
 public:
  virtual ~stream_pool() = default;
  // Has a worker run a step_ticket(core) soon. False: the pool takes no more, and nobody has told the stream.
  virtual bool post(stream_core& core) = 0;
  // Tells the code of running steps that it is not wanted any more.
  virtual void cancel_steps(const stream_core&, stream_stop) noexcept {}
  // In a worker of this pool: runs the posted step of `stage` here if nobody has begun it, and nothing else
  // comes to the reader (rests_from()), or whatever comes. False: nothing was done.
  virtual bool help(stream_core& /*stage*/, stream_core& /*reader*/, bool /*whatever_comes*/) {
    return false;
  }
  // Where the pool finds its streams; null: it stops none.
  virtual stream_door* door() const noexcept { return nullptr; }
  // Which FIFO pool it is; null: none.
  virtual const void* fifo() const noexcept { return nullptr; }
  // Whether a reader on this thread stands still in this pool, whichever stage of its stream runs there.
  virtual bool stands_here() const noexcept { return false; }
  // Whether a step of the stream may wait for what runs on this thread: that is the step, or what it has
  // forked or submitted.
  virtual bool steps_wait_for_this() const noexcept { return false; }
  // A reader has nothing to read and nothing to do. The lock is the stream's and held; may return early.
  virtual void stand(stream_core& core, unique_lock& lock) = 0;
  // What a reader stands for may have come about.
  virtual void something_moved() noexcept {}
  virtual void enter(item_scope&, std::uint64_t) noexcept {}
  virtual void leave(item_scope&) noexcept {}
  // Whether the running step itself is being stopped, and why.
  virtual stream_stop stopped_from_above() const noexcept { return stream_stop::none; }
  // If so: who did it, and with what reason, where that is known.
  virtual std::optional<cancel_record> stopped_by() const { return std::nullopt; }
  // In a handler: the current exception as an error of that input.
  virtual task_error describe(std::uint64_t sequence) const = 0;
  // Whether the input's code has recorded an error without throwing it, and which. Called after leave().
  virtual bool take_recorded(kept_error&) noexcept { return false; }
};

class COPPICE_API stream_core {
 public:
  stream_core(const stream_core&) = delete;
  stream_core& operator=(const stream_core&) = delete;

  // The reader's side.
  void start();
  stream_node* next();                                      // null: the end
  stream_node* try_next(stream_core& reader, bool& ended);  // null and not ended: the reader is told later
  void give_back(stream_node* read) noexcept;
  void set_apart();  // what the reader looks at stays while it reads others
  bool is_apart() const noexcept { return apart_ != nullptr; }
  bool cancel(stream_stop why, std::string by, std::string reason);
  const job_report& report();
  bool ended();
  bool helps(bool whatever_comes);
  bool help_here(stream_core& reader, bool whatever_comes);
  void abandon(bool waits = true) noexcept;

  // The pool's side. For a reader that runs it, a step takes one input: what that makes may be what the
  // reader waits for, and to ask the source again, or to run the next input, may take for ever.
  void step(bool for_reader) noexcept;
  void step_dropped() noexcept;
  bool may_go_on();
  bool works() const noexcept { return working_.load(memory_order_relaxed) != 0; }
  bool rests_from(const stream_core& stage) noexcept;
  // Whether results may come though no worker of that FIFO pool takes anything, or only who helps.
  bool may_come_without(const void* fifo, bool helps) noexcept;
  // Until when a reader may sleep.
  std::chrono::steady_clock::time_point wakes_at() const noexcept;
  void sleep(unique_lock& lock);  // until something moves, or the deadline
  const stream_options& options() const noexcept { return options_; }

  void acquire() noexcept;
  void release() noexcept;

 protected:
  stream_core(std::unique_ptr<stream_pool> pool, stream_options&& options, bool fed_by_stage);
  virtual ~stream_core();

  // What the types add. Takes one input into the node and runs it; calls began() in between.
  virtual pulled run_one(stream_node& node) noexcept = 0;
  virtual stream_node* make_node() = 0;
  virtual void set_error(stream_node& node, kept_error error) noexcept = 0;
  virtual kept_error error_in(const stream_node& node) const noexcept = 0;
  virtual void clear(stream_node& node) noexcept = 0;
  // Source and function die, on the reader's thread if it waits for who uses them.
  virtual void dispose(bool waits) noexcept = 0;
  // Of the stage that feeds this one.
  virtual stream_core* source() const noexcept { return nullptr; }
  virtual void stop_source() noexcept {}

  // The input is taken, the next one may be. False: the stream was stopped, it is not to run.
  bool taken(stream_node& node, bool last) noexcept;
  // The same, and from here to item_over() its code runs.
  bool began(stream_node& node, item_scope& scope, bool last) noexcept;
  void item_over(item_scope& scope, stream_node& node) noexcept;
  void item_failed(stream_node& node) noexcept;      // in a handler
  pulled source_failed(stream_node& node) noexcept;  // in a handler
  void destructor_failed() noexcept;                 // in a handler

 private:
  friend class stream_door;
  class outer_stop;
  // One step at work, on its worker's stack.
  struct turn {
    turn *next = nullptr, *before = nullptr;
    atomic<std::uint64_t> succeeded{0};  // not yet counted below; read by who fails
    atomic<bool> has_input{false};       // read by who cancels
    stream_trail put;
  };
  struct placed_error {
    std::uint64_t sequence;
    kept_error error;
  };
  // What the reader has left, nodes that are in no list of the stream any more, and what it could have asked
  // for.
  struct unread {
    stream_node* lists[2] = {};
    std::vector<stream_node*> ahead;
    stream_node *looked_at = nullptr, *apart = nullptr;
    std::vector<placed_error> errors;
    std::optional<job_report> report;
    void drop() noexcept;
  };

  bool runs_here() const noexcept;
  bool uses_here() const noexcept;
  bool inherited_over_fork() const noexcept;
  void refuse_inherited() const;  // where the lock may be held for ever
  bool no_more() const noexcept { return gate_.closed() && working_.load(memory_order_relaxed) == 0; }
  bool wants_step() const noexcept;
  bool stop_if_late(unique_lock& lock);
  bool is_late() const noexcept;
  void stop_late() noexcept;
  stream_node* take();
  void fetch(unique_lock& lock) noexcept;
  void gather() noexcept;
  bool ready() noexcept;
  void let_go_of_read() noexcept;
  bool has_more() noexcept;
  std::chrono::steady_clock::time_point next_deadline() const noexcept;
  void stop_late_sources();
  stream_pool& pool_to_stand_in() noexcept;
  void wait(unique_lock& lock, bool kept);
  void begin_wait(bool keeps) noexcept;
  void end_wait() noexcept;
  void nap(unique_lock& lock);
  void append(stream_node& node) noexcept;
  unread take_unread() noexcept;
  void leave(unique_lock& lock) noexcept;
  void clean_up(unique_lock& lock, bool waits) noexcept;

  void take_turn(turn& mine, bool for_reader) noexcept;
  bool enter_gate() noexcept;
  void leave_gate(stream_node& unused) noexcept;
  stream_node* claim() noexcept;
  stream_node* new_node() noexcept;
  bool settle(turn& mine, stream_node& node, pulled how) noexcept;
  bool found_nothing(stream_node& unused) noexcept;
  void put_no_value(stream_node& node, const char* failed) noexcept;
  bool stops_stream(stream_node& node, const char* failed, kept_error& displaced) noexcept;
  void deliver(stream_node& node) noexcept;
  std::uint64_t running() const noexcept;
  bool may_work_more() const noexcept {
    // order(working): seq_cst; pairs with step().
    return options_.concurrency == 0 || working_.load(memory_order_seq_cst) < options_.concurrency;
  }
  bool is_stopped() const noexcept;
  bool left_by_cancel(bool stopped) const noexcept;  // in a handler
  kept_error count(const stream_node& node) noexcept;
  kept_error keep_error(const stream_node& node) noexcept;
  bool can_stop() const noexcept;
  bool stops_at(const stream_node& node, unique_lock& lock) noexcept;
  error_count errors_so_far() const noexcept;
  void after_change(unique_lock& lock, bool post) noexcept;
  void tell_of_stop(unique_lock& lock) noexcept;
  void stop_now(stream_stop why, const char* reason) noexcept;
  void stop_as_above(stream_stop why) noexcept;
  void post_step() noexcept;
  void source_ready() noexcept;
  void call_for_help(bool others_work) noexcept;
  void came_to_rest() noexcept;
  bool follow_source() noexcept;  // false: there was more
  kept_error stop_error(std::uint64_t sequence, bool started) const noexcept;
  void make_report();
  void tell_of_unread() noexcept;

  const std::unique_ptr<stream_pool> pool_;
  const stream_options options_;
  const bool fed_by_stage_;
  const unsigned forks_;  // before it was made; more of them: this is a child's copy
  const std::chrono::steady_clock::time_point started_ = clock::now();
  std::unique_ptr<outer_stop> outer_;  // the job in which the stream was made takes it along
  // Of its pool's door.
  stream_core *next_of_pool_ = nullptr, *before_of_pool_ = nullptr;
  bool at_door_ = false;

  // The reader's own, under no lock: what it has fetched; one node more than the window has, which is what it
  // looks at, so that the place of a result is free as soon as it is taken; nodes for places that are free
  // and not said to be.
  alignas(cache_line) stream_node* fetched_ = nullptr;
  stream_node* own_ = nullptr;
  stream_node* apart_ = nullptr;  // that was its own, while it is looked at beside others
  stream_node *read_ = nullptr, *last_read_ = nullptr;
  std::size_t taken_ = 0;  // of those, how many
  stream_trail given_back_;
  // What it has read, and when: where its last wait began, and the run of short waits that it is in.
  struct pace {
    std::uint64_t read = 0;
    std::chrono::steady_clock::time_point at;
  };
  pace wait_, waits_;
  double rate_of_waits_ = 0;  // results in a nanosecond, before the last nap that follows a wait
  static constexpr unsigned fewest_waits_before_nap = 8, most_waits_before_nap = 1U << 12;
  unsigned short_waits_ = 0, waits_before_nap_ = fewest_waits_before_nap;  // in a row
  bool napped_ = false, tries_naps_ = true;
  // Of stages before: the next one, where its reader last looked.
  std::chrono::steady_clock::time_point source_deadline_ = clock::time_point::max();

  // What each input touches.
  alignas(cache_line) stream_gate gate_;
  std::uint64_t accepted_ = 0;  // of who is inside the gate
  // How it stands with a source that is a stage. Starved: it had nothing, and speaks up when it has. Who is
  // inside the gate asks; the rest is under the mutex.
  enum class asking : std::uint8_t { asked, has_spoken, starved };
  atomic<asking> asking_{asking::asked};
  stream_window window_;
  stream_outbox outbox_;

  // Steps that take inputs. Written under the mutex; read without it by those that have taken one.
  alignas(cache_line) atomic<unsigned> working_{0};

  mutable mutex mutex_;  // guards what follows
  condition_variable moved_;
  std::uint64_t references_ = 1;

  bool source_ended_ = false;  // and none was left
  turn* turns_ = nullptr;      // of the steps at work
  unsigned inside_ = 0;        // who uses source, function or pool
  bool left_behind_ = false;   // its reader has gone, and could not wait for them
  unsigned waiting_ = 0;       // readers
  bool napping_ = false;       // one more, until there is enough to read
  unsigned helpers_ = 0;       // of them, who are workers and can run steps
  unsigned keepers_ = 0;       // of these, whose core nobody is lent
  std::uint64_t calls_ = 0;    // for them: a step was posted, here or in a stage before
  // Where a reader stands: the pool of this stream or of a stage before.
  stream_pool* stands_in_ = nullptr;
  std::size_t unread_ = 0;  // of what was gathered
  std::uint64_t read_in_all_ = 0;

  stream_node *first_ = nullptr, *last_ = nullptr;  // ready, for the reader to fetch
  std::vector<stream_node*> ahead_;                 // of an ordered stream: a heap, the earliest on top
  std::size_t room_ahead_ = 0;                      // nodes that there may be
  std::uint64_t next_ready_ = 0;                    // sequence of the next one
  stream_core* downstream_ = nullptr;               // a stage that wants to be told; a reference

  stream_stop stop_ = stream_stop::none;
  std::optional<cancel_record> cancelled_by_;
  std::chrono::steady_clock::time_point quiet_{};
  std::uint64_t succeeded_ = 0, failed_ = 0, cancelled_ = 0, skipped_ = 0;
  std::vector<placed_error> errors_;  // a heap, the latest on top
  std::unique_ptr<type_counts> kinds_;
  std::uint64_t errors_unread_ = 0;
  std::optional<job_report> report_;
};

// In a handler: the current exception as an error at that place of a stream.
COPPICE_API task_error describe_current(std::uint64_t sequence, unsigned worker);

// What a pool runs: one step. If it is destroyed without having run, the stream is told.
class COPPICE_API step_ticket {
 public:
  explicit step_ticket(stream_core& core) noexcept : core_(&core) { core.acquire(); }
  step_ticket(step_ticket&& other) noexcept : core_(std::exchange(other.core_, nullptr)), ran_(other.ran_) {}
  step_ticket& operator=(step_ticket&&) = delete;
  ~step_ticket();
  bool valid() const noexcept { return core_ != nullptr; }
  // No pool has it, and who posts it tells the stream.
  void dismiss() noexcept {
    if (core_ != nullptr) std::exchange(core_, nullptr)->release();
  }
  void operator()(bool for_reader = false) noexcept {
    ran_ = true;
    core_->step(for_reader);
  }

 private:
  stream_core* core_;
  bool ran_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
