// Runs an operation with its first, its second, ... allocation failing, until a run meets no fault.
//
// After each fault: the operation gave its value, or threw std::bad_alloc to its caller, or reported errors
// that the fault explains; the scheduler still works; and once it is gone nothing lives and no thread is
// left.
#pragma once

#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>

#include "failing_new.hpp"
#include "support/check.hpp"
#include "support/process.hpp"

namespace faults {

/// What an operation says after a fault: null, or what is wrong. No std::string, which would allocate.
using complaint = const char*;

/// A copy of it allocates.
inline constexpr const char* long_text = "a text that is too long for the room that a string brings with it";

/// Simulated, so that it starts in no time; two workers, so that the tree is shared.
inline coppice::scheduler_options two_workers() { return {.workers = 2, .topology = "core:2 pu:1"}; }

inline bool explained(const std::exception_ptr& e) noexcept {
  try {
    std::rethrow_exception(e);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const support::failure&) {
    return true;  // what the operation itself throws
  } catch (...) {
    return false;
  }
}

/// A report after a fault: it adds up, and holds no error but the fault and the operation's own.
inline complaint judged(const coppice::job_report& r) noexcept {
  if (r.spawned != r.succeeded + r.failed + r.cancelled + r.skipped) return "the counts do not add up";
  if ((r.result == coppice::outcome::failed) != (r.errors_total != 0))
    return "outcome and errors do not agree";
  if (r.errors.size() > r.errors_total) return "more errors are kept than were counted";
  for (const coppice::task_error& e : r.errors)
    if (!explained(e.exception)) return "an error that nobody made";
  return nullptr;
}

/// Calls f and judges what it throws.
template <class F>
complaint judged_call(const F& f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return nullptr;
  } catch (const coppice::job_error& e) {
    return judged(e.report());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "thrown: %s\n", e.what());
    return "neither bad_alloc nor job_error was thrown";
  } catch (...) {
    return "something that is no std::exception was thrown";
  }
}

/// `run(inject)` makes what it needs, calls inject(f) once, and takes it down again.
template <class Run>
void with_each_fault(scope who, const Run& run) {
  std::uint64_t k = 1;
  bool met = true;
  for (; met && !testing::Test::HasFailure(); ++k) {
    SCOPED_TRACE(testing::Message() << "allocation " << k << " fails");
    // What is made once for the program is no leak, at whichever fault that is; a leak comes again.
    std::int64_t leaked = 0;
    for (int i = 0; i < 3; ++i) {
      const std::int64_t live = live_allocations();
      complaint wrong = nullptr;
      run([&](const auto& f) {
        const failing_allocation fault(k, who);
        wrong = judged_call(f);
        met = fault.met();
      });
      EXPECT_EQ(wrong, nullptr) << wrong;
      leaked = live_allocations() - live;
      if (leaked == 0) break;
    }
    EXPECT_EQ(leaked, 0) << "allocations, each time";
    EXPECT_EQ(support::threads_settled(support::threads_at_rest()), support::threads_at_rest());
  }
  EXPECT_GT(k, 2U) << "nothing was allocated, so nothing was shown";
}

/// operation(scheduler) is called with each fault in turn; it returns its complaint.
template <class Operation>
void survives_each_fault(const Operation& operation) {
  const std::uint64_t before = faults_injected();
  {
    coppice::scheduler warm(two_workers());
    EXPECT_EQ(operation(warm), nullptr);
  }
  for (const scope who : {scope::this_thread, scope::any_thread})
    with_each_fault(who, [&](const auto& inject) {
      coppice::scheduler s(two_workers());
      inject([&] { return operation(s); });
      EXPECT_EQ(s.run([] { return 1; }), 1) << "the scheduler is not usable afterwards";
    });
  std::printf("faults injected: %llu\n", static_cast<unsigned long long>(faults_injected() - before));
}

}  // namespace faults
