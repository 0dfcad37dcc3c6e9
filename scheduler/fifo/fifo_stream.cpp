// A fifo_pool as a stream sees it: each step is a task, which takes its turn in the queue.
#include <coppice/detail/stream_core.hpp>
#include <memory>
#include <mutex>
#include <utility>

#include "fifo/seat.hpp"

namespace coppice::inline v0 {
namespace detail {

class fifo_stream_pool final : public stream_pool {
 public:
  fifo_stream_pool(fifo_pool& pool, std::shared_ptr<stream_door> door) noexcept
      : pool_(pool), door_(std::move(door)) {}

  bool post(stream_core& core) override {
    auto& node = *new fifo_closure<step>(step(step_ticket(core)));
    const inside_door inside(*door_);
    if (!inside || !pool_.post(node)) node.skip();  // its ticket tells the stream
    node.drop();
    return true;
  }

  stream_door* door() const noexcept override { return door_.get(); }
  const void* fifo() const noexcept override { return &pool_; }
  bool stands_here() const noexcept override { return fifo_pool::own_seat(&pool_) != nullptr; }

  // A reader that is a worker of the pool stands still like one that waits for a task.
  void stand(stream_core& core, unique_lock& lock) override {
    if (!stands_here()) return core.sleep(lock);
    struct without {
      unique_lock& held;
      explicit without(unique_lock& l) : held(l) { held.unlock(); }
      ~without() { held.lock(); }
    } const meanwhile(lock);
    next_result next(core, pool_);
    std::unique_lock hold(pool_.mutex_);
    const bool outer = std::exchange(reader_helps, true);
    struct after {
      const bool outer;
      ~after() { reader_helps = outer; }
    } const restore{outer};
    pool_.stand(hold, next);
  }
  void something_moved() noexcept override {
    if (const inside_door inside(*door_); inside) pool_.something_moved();
  }

  task_error describe(std::uint64_t sequence) const override {
    const fifo_seat* const own = fifo_pool::own_seat(&pool_);
    return describe_current(sequence, own != nullptr ? own->index : 0);
  }

 private:
  // Whether a reader on this thread runs what is queued, and no step yet.
  static thread_local bool reader_helps;

  struct step {
    step_ticket ticket;
    explicit step(step_ticket&& t) noexcept : ticket(std::move(t)) {}
    void operator()() noexcept {
      const bool for_reader = std::exchange(reader_helps, false);
      ticket(for_reader);
      reader_helps = for_reader;
    }
  };

  class next_result final : public fifo_pool::awaited {
   public:
    next_result(stream_core& core, const fifo_pool& pool) noexcept : core_(core), pool_(pool) {}
    bool over() const noexcept override { return core_.may_go_on(); }
    std::string text() const override {
      return "a result of stream \"" + core_.options().name + "\", whose inputs need a worker";
    }
    bool may_come_from_outside() const noexcept override {
      return core_.may_come_without(&pool_, pool_.options_.on_recursion == recursion::help);
    }
    fifo_pool::time_point until() const noexcept override { return core_.wakes_at(); }

   private:
    stream_core& core_;
    const fifo_pool& pool_;
  };

  fifo_pool& pool_;
  const std::shared_ptr<stream_door> door_;
};

thread_local bool fifo_stream_pool::reader_helps = false;

}  // namespace detail

std::unique_ptr<detail::stream_pool> fifo_pool::stream_pool() {
  {
    if (inherited_over_fork()) refuse_inherited();
    const std::lock_guard lock(mutex_);
    if (stopping_) refuse();
  }
  return std::make_unique<detail::fifo_stream_pool>(*this, streams_);
}

}  // namespace coppice::inline v0
