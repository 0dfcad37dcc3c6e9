// What a stream says: the error of an input, the report, and who hears of errors that nobody read.
#include <cxxabi.h>

#include <algorithm>
#include <coppice/detail/stream_core.hpp>
#include <cstdio>
#include <memory>
#include <new>
#include <stdexcept>
#include <typeinfo>
#include <utility>

#include "job/conservation.hpp"
#include "job/failure.hpp"
#include "job/unobserved.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

std::string place_text(std::uint64_t sequence) { return "root/" + std::to_string(sequence); }

}  // namespace

task_error describe_current(std::uint64_t sequence, unsigned worker) {
  failure f;
  f.exception = std::current_exception();
  f.worker = worker;
  task_error error = describe(f);
  error.path = place_text(sequence);
  return error;
}

void throw_kept_error(const kept_error& error) {
  if (error == nullptr || error->exception == nullptr) throw std::bad_alloc();
  std::rethrow_exception(error->exception);
}

const task_error& error_of(const kept_error* error) {
  if (error == nullptr)
    throw std::logic_error("coppice: the error of a result was asked for that has a value (ask ok() before)");
  static const task_error unkept{
      "root", {}, "std::bad_alloc", "there was no memory to keep the error", nullptr, 0, false, false};
  return *error != nullptr ? **error : unkept;
}

bool stream_core::is_stopped() const noexcept {
  const std::lock_guard hold(mutex_);
  return stop_ != stream_stop::none;
}

// In a handler: the current exception is `cancelled`, and the stream is being stopped.
bool stream_core::left_by_cancel(bool stopped) const noexcept {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr || *type != typeid(cancelled)) return false;
  return stopped || pool_->stopped_from_above() != stream_stop::none;
}

// In a handler.
void stream_core::item_failed(stream_node& node) noexcept {
  const bool stopped = is_stopped();
  if (left_by_cancel(stopped)) {
    node.how = item_end::cancelled;
    set_error(node, stop_error(node.sequence, true));
    return;
  }
  node.how = item_end::failed;
  try {
    auto error = std::make_shared<task_error>(pool_->describe(node.sequence));
    if (error->name.empty()) error->name = options_.name;
    error->after_cancel = error->after_cancel || stopped;
    set_error(node, std::move(error));
  } catch (...) {
    set_error(node, nullptr);
  }
}

// In a handler: the source threw. That takes the place of the input that it did not give; if it left by the
// cancellation there was none.
pulled stream_core::source_failed(stream_node& node) noexcept {
  if (left_by_cancel(is_stopped())) return pulled::stopped;
  node.how = item_end::failed;
  node.sequence = accepted_++;
  try {
    auto error = std::make_shared<task_error>(pool_->describe(node.sequence));
    error->path = place_text(node.sequence);
    error->name = options_.name.empty() ? "source" : "source of " + options_.name;
    set_error(node, std::move(error));
  } catch (...) {
    set_error(node, nullptr);
  }
  return pulled::failure;
}

// The source has ended. A stage that was stopped gave less than there was: then so does this one.
bool stream_core::follow_source() noexcept {
  try {
    stream_core* const before = source();
    if (before == nullptr) return true;
    const job_report& above = before->report();
    if (!above.cancel || above.result == outcome::completed) return true;
    const bool late = above.result == outcome::deadline_exceeded;
    cancel(late ? stream_stop::deadline : stream_stop::cancelled, above.cancel->by,
           "stage \"" + above.name + "\": " + above.cancel->reason);
  } catch (...) {
    stop_now(stream_stop::cancelled, "the stage that feeds it was stopped");
  }
  return false;
}

// What stands in for the value of an input that the stream's end overtook.
kept_error stream_core::stop_error(std::uint64_t sequence, bool started) const noexcept {
  try {
    auto told = std::make_shared<job_report>();
    auto error = std::make_shared<task_error>();
    {
      const std::lock_guard hold(mutex_);
      told->cancel = cancelled_by_;
      told->result = stop_ == stream_stop::deadline ? outcome::deadline_exceeded : outcome::cancelled;
    }
    told->name = error->name = options_.name;
    error->path = place_text(sequence);
    error->type = "coppice::cancelled";
    error->message = started ? "left by the cancellation" : "not run";
    if (told->cancel && !told->cancel->reason.empty()) error->message += ": " + told->cancel->reason;
    error->exception = told->result == outcome::cancelled
                           ? std::make_exception_ptr(job_cancelled(told))
                           : std::make_exception_ptr(job_deadline_exceeded(told));
    error->after_cancel = true;
    return error;
  } catch (...) {
    return nullptr;
  }
}

// With the mutex held. What it gives is an error that is not kept any more: with it the user's exception may
// die, whose destructor may come by here.
kept_error stream_core::count(const stream_node& node) noexcept {
  switch (node.how) {
    case item_end::succeeded:
      ++succeeded_;
      return nullptr;
    case item_end::cancelled:
      ++cancelled_;
      return nullptr;
    case item_end::skipped:
      ++skipped_;
      return nullptr;
    case item_end::failed:
      ++failed_;
      break;
  }
  try {
    if (kinds_ == nullptr) kinds_ = std::make_unique<type_counts>();
    const kept_error error = error_in(node);
    kinds_->add(error != nullptr ? type_of(error->exception) : nullptr, 1);
  } catch (const std::bad_alloc&) {
    // Counted, but not by its type.
  }
  return options_.keep_errors != 0 ? keep_error(node) : nullptr;
}

// With the mutex held.
kept_error stream_core::keep_error(const stream_node& node) noexcept {
  const auto is_earlier_place = [](const placed_error& a, const placed_error& b) {
    return a.sequence < b.sequence;
  };
  kept_error displaced;
  if (errors_.size() == options_.keep_errors) {
    if (errors_.front().sequence < node.sequence) return nullptr;
    std::pop_heap(errors_.begin(), errors_.end(), is_earlier_place);
    displaced = std::move(errors_.back().error);
    errors_.pop_back();
  }
  try {
    errors_.push_back({node.sequence, error_in(node)});
    std::push_heap(errors_.begin(), errors_.end(), is_earlier_place);
  } catch (const std::bad_alloc&) {
    // Counted, not kept.
  }
  return displaced;
}

// With the mutex held.
void stream_core::make_report() {
  job_report r;
  r.name = options_.name;
  r.spawned = accepted_;
  r.succeeded = succeeded_;
  r.failed = r.errors_total = failed_;
  r.cancelled = cancelled_;
  r.skipped = skipped_;
  insist_on_conservation(r);
  std::vector<placed_error> sorted = errors_;
  std::sort(sorted.begin(), sorted.end(),
            [](const placed_error& a, const placed_error& b) { return a.sequence < b.sequence; });
  for (const placed_error& e : sorted)
    if (e.error != nullptr) r.errors.push_back(*e.error);
  if (kinds_ != nullptr) r.kinds = kinds_->kinds();
  r.cancel = cancelled_by_;
  if (r.cancel)
    r.cancel->until_quiet = std::max(quiet_ - r.cancel->when, std::chrono::steady_clock::duration{});
  r.elapsed = quiet_ - started_;
  if (failed_ != 0)
    r.result = outcome::failed;
  else if (stop_ == stream_stop::none || (source_ended_ && cancelled_ + skipped_ == 0))
    r.result = outcome::completed;
  else
    r.result = stop_ == stream_stop::deadline ? outcome::deadline_exceeded : outcome::cancelled;
  report_ = std::move(r);
}

const job_report& stream_core::report() {
  refuse_inherited();
  const std::lock_guard hold(mutex_);
  if (!no_more())
    throw std::logic_error(
        "coppice: the report of stream \"" + options_.name +
        "\" was asked for before its end (read until next() is empty; cancel() makes that soon)");
  if (!report_) make_report();
  return *report_;
}

// In a handler: source or function threw as it died. Its reader has gone, with the report.
void stream_core::destructor_failed() noexcept {
  try {
    failure f;
    f.exception = std::current_exception();
    f.name = options_.name;
    f.phase = "destructor";
    job_report r;
    r.name = options_.name;
    r.result = outcome::failed;
    r.errors_total = 1;
    r.errors.push_back(detail::describe(f));
    tell_unobserved(r);
  } catch (...) {
    std::fputs("coppice: the function of a stream failed in its destructor\n", stderr);
  }
}

void stream_core::tell_of_unread() noexcept {
  try {
    const std::lock_guard hold(mutex_);
    make_report();
  } catch (...) {
    return;
  }
  tell_unobserved(*report_);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
