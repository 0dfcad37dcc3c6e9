// What a model program is written with: the program itself, its threads, what must hold.
//
//   MODEL(WhatIsReleasedIsSeen, {.preemptions = 3}) {
//     int data = 0;
//     coppice::detail::atomic<bool> ready{false};
//     model::thread other([&] { data = 1; ready.store(true, std::memory_order_release); });
//     if (ready.load(std::memory_order_acquire)) model::check(data == 1, "the data came first");
//     other.join();
//   }
//
// The body runs once for each execution and must do the same whenever it makes the same choices: no clock, no
// random numbers, no addresses that matter.
#pragma once

#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "explorer/execution.hpp"

namespace model {

void check(bool holds, const char* what, where at = where::current());
// One of 0 ... n - 1: all of them are tried.
unsigned choose(unsigned n);

class thread {
 public:
  template <class F>
  explicit thread(F f, where at = where::current()) : body_(std::make_unique<held<F>>(std::move(f))) {
    start(at);
  }
  thread(thread&&) = default;
  void join(where at = where::current());

 private:
  struct holder {
    virtual ~holder() = default;
    virtual void run() = 0;
  };
  template <class F>
  struct held final : holder {
    F body;
    explicit held(F f) : body(std::move(f)) {}
    void run() override { body(); }
  };
  void start(where at);
  std::unique_ptr<holder> body_;
  unsigned id_ = 0;
};

// For programs whose executions take some hundred steps, as those of crews and jobs: what is bounded beside
// the preemptions.
constexpr limits long_within(unsigned preemptions) {
  return {.preemptions = preemptions, .stale_total = 1, .detours = 1};
}

// How often each of a few things happened, counted outside of the model: it orders nothing and races with
// nothing. Of one execution.
class ledger {
 public:
  explicit ledger(std::size_t size) : times_(size) {}
  void enter(std::size_t i);
  unsigned times(std::size_t i) const;
  void check_exactly_once(where at = where::current()) const;

 private:
  std::vector<unsigned> times_;
};

struct program {
  const char* name;
  void (*run)();
  limits within;
  const char* must_fail_with;  // null: it must pass
};
std::vector<program>& programs();

struct registered {
  registered(const char* name, void (*run)(), const limits& within, const char* must_fail_with = nullptr);
};

}  // namespace model

// MODEL(Name, {.preemptions = 3}) { body }
#define MODEL(name, ...)                                                                       \
  static void name();                                                                          \
  static const model::registered registered_##name(#name, &(name), model::limits __VA_ARGS__); \
  static void name()

// MODEL_MUST_FAIL(Name, "part of the failure's text", {.preemptions = 1}) { body }
#define MODEL_MUST_FAIL(name, text, ...)                                                             \
  static void name();                                                                                \
  static const model::registered registered_##name(#name, &(name), model::limits __VA_ARGS__, text); \
  static void name()
