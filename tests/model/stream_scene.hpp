// The shipped core of a stream, with threads of the program as its pool, and a stream that gives numbers.
#pragma once

#include <coppice/detail/stream_core.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "explorer/program.hpp"

namespace stream_model {

using coppice::stream_options;
using coppice::detail::condition_variable;
using coppice::detail::kept_error;
using coppice::detail::mutex;
using coppice::detail::pulled;
using coppice::detail::step_ticket;
using coppice::detail::stream_core;
using coppice::detail::stream_node;
using coppice::detail::stream_pool;
using model::check;
using model::thread;

class flag {
 public:
  void raise() {
    const std::lock_guard hold(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    while (!raised_) changed_.wait(lock);
  }

 private:
  mutex mutex_;
  condition_variable changed_;
  bool raised_ = false;
};

// Runs what is posted. Two streams at most; of each at most one step is posted and not begun.
class pool {
 public:
  explicit pool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~pool() {
    {
      const std::lock_guard hold(mutex_);
      stopped_ = true;
      posted_.notify_all();
    }
    for (thread& t : threads_) t.join();
  }
  void post(stream_core& core) {
    const std::lock_guard hold(mutex_);
    for (std::optional<step_ticket>& place : tickets_)
      if (!place) {
        place.emplace(core);
        posted_.notify_all();
        return;
      }
    check(false, "at most one step of a stream is posted and not begun");
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      std::optional<step_ticket>* taken = nullptr;
      for (std::optional<step_ticket>& place : tickets_)
        if (place) taken = &place;
      if (taken != nullptr) {
        step_ticket step(std::move(**taken));
        taken->reset();
        lock.unlock();
        step();
        { const step_ticket gone(std::move(step)); }
        lock.lock();
      } else if (stopped_) {
        return;
      } else {
        posted_.wait(lock);
      }
    }
  }

  mutex mutex_;
  condition_variable posted_;
  std::optional<step_ticket> tickets_[2];
  bool stopped_ = false;
  std::vector<thread> threads_;
};

class pool_of_stream final : public stream_pool {
 public:
  explicit pool_of_stream(pool& p) : pool_(p) {}
  bool post(stream_core& core) override {
    pool_.post(core);
    return true;
  }
  void stand(stream_core& core, coppice::detail::unique_lock& lock) override { core.sleep(lock); }
  coppice::task_error describe(std::uint64_t) const override { return {}; }

 private:
  pool& pool_;
};

// Gives its places in order, and runs nothing but what a program puts in. Its source is plain memory: two who
// ask it at once are a race.
class numbers : public stream_core {
 public:
  struct node final : stream_node {
    unsigned value = 0;
  };
  numbers(pool& p, unsigned n, stream_options options)
      : stream_core(std::make_unique<pool_of_stream>(p), std::move(options), false), runs(n), n_(n) {}
  // Null: the end.
  node* read() {
    asked_for_.enter(0);
    auto* const got = static_cast<node*>(next());
    if (got != nullptr) give_back(got);
    return got;
  }
  void read_to_the_end() {
    model::ledger read(n_);
    while (const node* const got = this->read()) {
      if (options().ordered) check(got->value == read_++, "the order is that of the inputs");
      check(got->value == got->sequence, "a result is that of its input");
      read.enter(got->value);
    }
    read.check_exactly_once();
    runs.check_exactly_once();
    check(report().succeeded == n_, "all are counted");
  }

  model::ledger runs;
  void (*in_source)(unsigned, numbers&) = nullptr;
  void (*in_input)(unsigned, numbers&) = nullptr;
  flag one;
  unsigned at_work = 0;

 protected:
  pulled run_one(stream_node& base) noexcept override {
    if (in_source != nullptr) in_source(given_, *this);
    if (given_ == n_) return pulled::end;
    static_cast<node&>(base).value = given_++;
    check(given_ <= options().capacity + asked_for_.times(0), "the bound is kept");
    if (!taken(base, false)) return pulled::item;  // began() marks the thread, which all fibers share
    const unsigned value = static_cast<node&>(base).value;
    if (in_input != nullptr) in_input(value, *this);
    runs.enter(value);
    return pulled::item;
  }
  stream_node* make_node() override { return new node; }
  void set_error(stream_node&, kept_error) noexcept override {}
  kept_error error_in(const stream_node&) const noexcept override { return nullptr; }
  void clear(stream_node&) noexcept override {}
  void dispose() noexcept override {}

 private:
  const unsigned n_;
  unsigned given_ = 0, read_ = 0;
  model::ledger asked_for_{1};
};

// Made, started, and gone at the end.
class started {
 public:
  started(pool& p, unsigned n, stream_options options, void (*in_source)(unsigned, numbers&) = nullptr,
          void (*in_input)(unsigned, numbers&) = nullptr)
      : stream_(new numbers(p, n, std::move(options))) {
    stream_->in_source = in_source;
    stream_->in_input = in_input;
    stream_->start();
  }
  ~started() { stream_->abandon(); }
  numbers* operator->() { return stream_; }

 private:
  numbers* const stream_;
};

}  // namespace stream_model
