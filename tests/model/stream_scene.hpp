// The shipped core of a stream, with threads of the program as its pool, and a stream that gives numbers.
#pragma once

#include <coppice/detail/stream_core.hpp>
#include <functional>
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
  // Without threads of its own steps are run by the program, and by readers: each those of its stream.
  explicit pool(unsigned threads = 0) : readers_help_(threads == 0) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~pool() {
    stop();
    for (thread& t : threads_) t.join();
  }
  void stop() {
    const std::lock_guard hold(mutex_);
    stopped_ = true;
    posted_.notify_all();
  }
  void post(stream_core& core) {
    const std::lock_guard hold(mutex_);
    for (std::optional<step_ticket>& place : tickets_)
      if (!place) {
        place.emplace(core);
        whose_[&place - tickets_] = &core;
        posted_.notify_all();
        return;
      }
    check(false, "at most one step of a stream is posted and not begun");
  }

  // Until it is stopped.
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      std::optional<step_ticket>* taken = nullptr;
      for (std::optional<step_ticket>& place : tickets_)
        if (place) taken = &place;
      if (taken != nullptr) {
        run(*taken, lock);
      } else if (stopped_) {
        return;
      } else {
        posted_.wait(lock);
      }
    }
  }
  // False: no step of it is posted.
  bool run(stream_core& core) {
    std::unique_lock lock(mutex_);
    for (unsigned i = 0; i < 2; ++i)
      if (tickets_[i] && whose_[i] == &core) {
        run(tickets_[i], lock);
        return true;
      }
    return false;
  }
  bool readers_help() const { return readers_help_; }

 private:
  void run(std::optional<step_ticket>& posted, std::unique_lock<mutex>& lock) {
    step_ticket step(std::move(*posted));
    posted.reset();
    lock.unlock();
    step();
    { const step_ticket gone(std::move(step)); }
    lock.lock();
  }

  const bool readers_help_;
  mutex mutex_;
  condition_variable posted_;
  std::optional<step_ticket> tickets_[2];
  stream_core* whose_[2] = {};
  bool stopped_ = false;
  std::vector<thread> threads_;
};

class pool_of_stream final : public stream_pool {
 public:
  pool_of_stream(pool& p, stream_core& core) : pool_(p), core_(core) {}
  bool post(stream_core& core) override {
    pool_.post(core);
    return true;
  }
  bool help(stream_core&, stream_core&, bool) override { return pool_.readers_help() && pool_.run(core_); }
  void stand(stream_core& core, coppice::detail::unique_lock& lock) override { core.sleep(lock); }
  coppice::task_error describe(std::uint64_t) const override { return {}; }

 private:
  pool& pool_;
  stream_core& core_;
};

// Of numbers, none of which fails.
class stream_of_numbers : public stream_core {
 public:
  struct node final : stream_node {
    unsigned value = 0;
  };
  void run_posted() { pool_.run(*this); }
  std::function<void()> first;

 protected:
  stream_of_numbers(pool& p, stream_options options, bool fed_by_stage)
      : stream_core(std::make_unique<pool_of_stream>(p, *this), std::move(options), fed_by_stage), pool_(p) {}
  stream_node* make_node() override { return new node; }
  void set_error(stream_node&, kept_error) noexcept override {}
  kept_error error_in(const stream_node&) const noexcept override { return nullptr; }
  void clear(stream_node&) noexcept override {}
  void dispose(bool) noexcept override {}

 private:
  pool& pool_;
};

// Gives its places in order, and runs nothing but what a program puts in. Its source is plain memory: two who
// ask it at once are a race.
class numbers : public stream_of_numbers {
 public:
  numbers(pool& p, unsigned n, stream_options options)
      : stream_of_numbers(p, std::move(options), false), runs(n), n_(n) {}
  // Null: the end.
  node* read() {
    asked_for_.enter(0);
    auto* const got = static_cast<node*>(next());
    if (got != nullptr) give_back(got);
    return got;
  }
  // The same for a stage; null and not ended: not now.
  node* read_for(stream_core& stage, bool& ended) {
    asked_for_.enter(0);
    auto* const got = static_cast<node*>(try_next(stage, ended));
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
  numbers& operator*() { return *stream_; }

 private:
  numbers* const stream_;
};

// A stage that passes on the numbers of another stream.
class stage : public stream_of_numbers {
 public:
  stage(pool& p, numbers& source, unsigned n, stream_options options)
      : stream_of_numbers(p, std::move(options), true), from(source), runs_(n) {}
  void read_to_the_end() {
    while (stream_node* const got = next()) give_back(got);
    runs_.check_exactly_once();
  }

  void (*in_input)(unsigned value, stage& self) = nullptr;
  numbers& from;

 protected:
  pulled run_one(stream_node& base) noexcept override {
    bool ended = false;
    const numbers::node* const read = from.read_for(*this, ended);
    if (read == nullptr) return ended ? pulled::end : pulled::nothing;
    const unsigned value = read->value;
    if (!taken(base, false)) return pulled::item;
    if (in_input != nullptr) in_input(value, *this);
    runs_.enter(value);
    return pulled::item;
  }

 private:
  model::ledger runs_;
};

// One whose reader looks at the stream before it, too.
class stage_with_source final : public stage {
 public:
  using stage::stage;

 protected:
  stream_core* source() const noexcept override { return &from; }
};

}  // namespace stream_model
