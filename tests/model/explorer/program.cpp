#include "explorer/program.hpp"

namespace model {

void check(bool holds, const char* what, where at) {
  if (!holds) execution::current()->fail(what, at);
}

unsigned choose(unsigned n) { return execution::current()->choose(n); }

void thread::start(where at) {
  id_ = execution::current()->start([](void* body) { static_cast<holder*>(body)->run(); }, body_.get(), at);
}

void thread::join(where at) { execution::current()->join(id_, at); }

void ledger::enter(std::size_t i) { ++times_.at(i); }
unsigned ledger::times(std::size_t i) const { return times_.at(i); }
void ledger::check_exactly_once(where at) const {
  for (std::size_t i = 0; i < times_.size(); ++i)
    if (times_[i] != 1)
      execution::current()->fail(
          "item " + std::to_string(i) + " was taken " + std::to_string(times_[i]) + " times", at);
}

std::vector<program>& programs() {
  static std::vector<program> all;
  return all;
}

registered::registered(const char* name, void (*run)(), const limits& within, const char* must_fail_with) {
  programs().push_back({name, run, within, must_fail_with});
}

}  // namespace model
