// One execution: the modelled threads on their fibers, who runs next, who waits for what.
//
// All modelled threads share one real thread; a switch happens only inside the operations below. The explorer
// calls run() again and again; each time the choices decide differently. execution.cpp has threads and turns,
// waiting.cpp who waits for what, accesses.cpp what a thread reads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "explorer/choices.hpp"
#include "explorer/fiber.hpp"
#include "explorer/memory.hpp"
#include "explorer/shadow.hpp"
#include "explorer/sharing.hpp"

namespace model {

using where = std::source_location;

struct limits {
  unsigned preemptions = 2;    // switches away from a thread that could go on
  unsigned spurious = 1;       // returns from a wait, and failures of a weak exchange, without a reason
  unsigned timeouts = 1;       // waits with a deadline that end early while others could go on
  unsigned stale_reads = 2;    // of one store by one thread, while there is a newer one
  unsigned stale_total = ~0U;  // reads of anything but the newest value, in one execution
  unsigned detours = ~0U;      // turns given, when a thread blocks, to another than the next
  unsigned steps = 20'000;     // more in one execution is taken for a livelock
};

// The words of thread-local storage that the shipped code has; each fiber has its own.
using thread_local_words = std::array<void**, 2>;
extern thread_local_words thread_locals;

class execution {
 public:
  execution(const limits& l, choices& c, sharing& s) : limits_(l), choices_(c), sharing_(s) {}

  // Runs the program once. False: it failed, and failure() says how.
  bool run(void (*program)());
  const std::string& failure() const noexcept { return failure_; }
  void trace_steps() noexcept { tracing_ = true; }
  const std::string& trace() const noexcept { return trace_; }
  std::uint64_t steps() const noexcept { return steps_; }
  // The choices of the last run, for replay().
  std::string schedule() const { return record_.to_text(); }

  // ---- for the operations, on a fiber ----
  static execution* current() noexcept;  // null outside of a run
  // Whether `seen_in`, 0 at first, has not been asked about in this run.
  static bool is_first_look(std::uint64_t& seen_in) noexcept;

  // Atomic objects. Values are bits.
  void begin_life(const void* object, unsigned bytes, std::uint64_t value);
  void end_life(const void* object);
  std::uint64_t load(const void* object, unsigned bytes, std::memory_order order, const where& at);
  void store(void* object, unsigned bytes, std::uint64_t value, std::memory_order order, const where& at);
  using change = std::uint64_t (*)(std::uint64_t old, std::uint64_t operand);
  std::uint64_t modify(void* object, unsigned bytes, change f, std::uint64_t operand, std::memory_order order,
                       const where& at);
  bool compare_exchange(void* object, unsigned bytes, std::uint64_t& expected, std::uint64_t desired,
                        bool weak, std::memory_order success, std::memory_order failure, const where& at);

  // Fences.
  void fence(std::memory_order order, const where& at);
  void light_fence();
  void heavy_fence(const where& at);

  // Locks: the object is an atomic 32-bit word, 1 while it is locked.
  void lock(void* object, const where& at);
  bool try_lock(void* object, const where& at);
  void unlock(void* object, const where& at);

  // Waiting. `queue` names what is waited on. False: the deadline passed.
  bool wait(const void* queue, bool has_deadline, const char* what, const where& at);
  void wake_one(const void* queue, const where& at);
  void wake_all(const void* queue, const where& at);
  bool futex_wait(const void* word, std::uint32_t expected, bool has_deadline, const where& at);
  // A choice of the system: true at most `spurious` times in an execution.
  bool spuriously();
  void yield(const where& at);
  unsigned choose(unsigned n);

  // Threads.
  unsigned start(void (*body)(void*), void* argument, const where& at);
  void join(unsigned thread, const where& at);
  unsigned self() const noexcept { return self_; }
  std::uintptr_t lowest_stack_address() const noexcept { return threads_[self_]->on.lowest_address(); }
  // Time passes by a fixed amount whenever somebody asks: every wait by the clock ends soon.
  std::uint64_t tick() noexcept;  // ns

  // Plain memory.
  void touch(const void* address, std::size_t bytes, access kind, const void* code);
  void allocated(const void* address, std::size_t bytes) noexcept { shadow_.forget(address, bytes); }

  [[noreturn]] void fail(const std::string& what, const where& at);
  // The program has called std::abort: a check of its own has found something.
  [[noreturn]] void aborted();
  void note(const char* operation, const where& at, std::uint64_t before, std::uint64_t after);
  void note(const char* operation, const where& at);

 private:
  enum class state { ready, waiting, joining, over };
  struct thread {
    fiber on;
    knowledge knows;
    state is = state::over;
    bool yielded = false;
    bool has_deadline = false, timed_out = false;
    const void* waits_on = nullptr;
    unsigned joins = 0;
    const char* what = "";
    where at;
    void (*body)(void*) = nullptr;
    void* argument = nullptr;
    std::array<void*, std::tuple_size_v<thread_local_words>> locals{};  // what the shipped code has there
    std::uint32_t made = 0;
    struct stale_read {
      std::uint16_t store = 0;
      unsigned times = 0;
    };
    std::vector<stale_read> stale;  // by location
  };

  static void begin(void* self) noexcept;
  thread& me() noexcept { return *threads_[self_]; }
  location& location_of(const void* object, unsigned bytes);
  // Before an access: others may come first.
  void point(const location& l, bool writes);
  void switch_point();
  // Those that could take the turn from this thread now.
  unsigned others_now(unsigned (&others)[max_threads]) const noexcept;
  void step(const where& at);
  bool can_run(unsigned t) const noexcept;
  // This thread cannot or must not go on: somebody else does.
  void let_another_run(const where& at);
  void switch_to(unsigned t) noexcept;
  void resume(thread& t) noexcept;
  void progress() noexcept;
  void wake(thread& t) noexcept;
  std::uint16_t oldest_readable(const location& l, bool seq_cst);
  // Which of the stores that may be read is read; those with this value are left out.
  std::uint16_t choose_store(const location& l, std::memory_order order, const std::uint64_t* except);
  void read(location& l, std::uint16_t which, std::memory_order order);
  void touch_atomic(const location& l, bool writes, const where& at);
  std::string stuck() const;

  const limits limits_;
  choices& choices_;
  choices record_;
  sharing& sharing_;
  memory memory_;
  shadow shadow_;
  std::vector<std::unique_ptr<thread>> threads_;
  fiber outside_;
  unsigned count_ = 0, self_ = 0;
  unsigned preemptions_ = 0, spurious_ = 0, timeouts_ = 0, stale_ = 0, detours_ = 0, rounds_ = 0;
  std::uint64_t steps_ = 0, time_ = 0;
  bool tracing_ = false, failed_ = false;
  std::string failure_, trace_;
  void (*program_)() = nullptr;
};

// While true, plain accesses of instrumented code are looked at: on a fiber, outside of the explorer.
extern bool watching;

// Gives back what the program freed in the execution before.
void release_freed_blocks() noexcept;
// The code that made a block which the program has not freed; null if there is none.
const void* maker_of_a_leak() noexcept;

}  // namespace model
