// No memory while errors are recorded, reported and thrown. An error may lose its text then, and its place;
// it never gets lost itself.
#include <gtest/gtest.h>

#include <atomic>
#include <coppice/coppice.hpp>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <system_error>

#include "allocation_faults.hpp"
#include "support/workers.hpp"

namespace {

using faults::complaint;
using faults::survives_each_fault;

// Its text is shared: a throw of it asks for no memory but the exception's own.
const support::failure& refused() {
  static const support::failure f("refused, with a text that is too long for a short string");
  return f;
}
// As thrown by value: the text is copied.
[[noreturn]] void refuse() { throw support::failure(refused().what()); }

// The job has failed, whatever could be kept of it.
complaint failed(coppice::job<void>& job, std::uint64_t most) {
  const coppice::job_report& r = job.wait();
  if (r.result != coppice::outcome::failed) return "an error is lost";
  if (r.errors_total > most) return "errors were counted twice";
  return faults::judged(r);
}

TEST(allocation, ARootThatThrowsIsReported) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit([] { refuse(); });
    return failed(job, 1);
  });
}

TEST(allocation, BranchesThatThrowAreReported) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit(
        [] {
          coppice::join([] { refuse(); }, [] { coppice::join([] { refuse(); }, [] { refuse(); }); },
                        [] { refuse(); });
        },
        {.errors = coppice::error_policy::collect_all()});
    return failed(job, 5);
  });
}

TEST(allocation, AStolenBranchThatThrowsIsReported) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit([] {
      std::atomic<bool> stolen{false};
      coppice::join([&] { support::fork_until([&] { return stolen.load(); }); },
                    [&] {
                      stolen = true;
                      refuse();
                    });
    });
    return failed(job, 2);
  });
}

TEST(allocation, ABranchThatThrowsNeverLooksLikeOneThatReturns) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    const bool lied = s.run([] {
      for (int i = 0; i < 20; ++i) {
        try {
          coppice::join([] {}, [] { refuse(); });
        } catch (...) {
          continue;
        }
        return true;
      }
      return false;
    });
    return lied ? "a join returned as if its branch had" : nullptr;
  });
}

TEST(allocation, ChildrenThatThrowAreReported) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit(
        [] {
          for (int i = 0; i < 5; ++i) coppice::spawn([] { refuse(); });
        },
        {.errors = coppice::error_policy::collect_all()});
    return failed(job, 6);
  });
}

TEST(allocation, AGroupWhoseChildThrowsNeverLooksLikeOneThatSucceeded) {
  for (const auto policy : {coppice::error_policy::collect_all(), coppice::error_policy::fail_fast()})
    for (const int children : {1, 3})
      survives_each_fault([&](coppice::scheduler& s) -> complaint {
        bool returned = false;
        auto job = s.submit(
            [&] {
              coppice::task_group group;
              for (int i = 0; i < children; ++i) group.spawn([] { refuse(); });
              group.wait();
              returned = true;
            },
            {.errors = policy});
        const complaint wrong = failed(job, 6);
        return wrong == nullptr && returned ? "wait() returned as if the children had succeeded" : wrong;
      });
}

TEST(allocation, AGroupThatNobodyWaitedForReportsItsErrors) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit(
        [] {
          coppice::task_group group;
          for (int i = 0; i < 3; ++i) group.spawn([] { refuse(); });
        },
        {.errors = coppice::error_policy::collect_all()});
    const coppice::job_report& r = job.wait();
    // The group cancels what has not started: with it goes what would have failed.
    if (r.skipped < 3 && r.result != coppice::outcome::failed) return "an error is lost";
    return faults::judged(r);
  });
}

TEST(allocation, FailureWithoutAThrowIsReportedOrThrowsBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit([] {
      coppice::this_task::fail(std::make_error_code(std::errc::io_error),
                               "a text that is not short, not at all");
    });
    const coppice::job_report& r = job.wait();
    return r.result == coppice::outcome::failed && r.errors_total == 1 ? nullptr : "the failure is lost";
  });
}

TEST(allocation, GetThrowsTheReportOrBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit([] { refuse(); });
    bool thrown = false;
    try {
      job.get();
    } catch (const coppice::job_error& e) {
      thrown = true;
      if (std::string(e.what()).empty()) return "an error without a text";
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    return thrown ? nullptr : "get() returned";
  });
}

TEST(allocation, AReportIsPrintedOrThrowsBadAlloc) {
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto job = s.submit([] { refuse(); });
    const coppice::job_report& r = job.wait();
    std::ostringstream out;
    out.exceptions(std::ios::badbit);
    out << r;
    return out.str().find("failed") != std::string::npos ? nullptr : "half a report";
  });
}

void ignore(const coppice::job_report&) {}

TEST(allocation, AnErrorThatNobodyLooksAtIsTold) {
  // The handler keeps the tests' output short; with none, a line without the text is printed.
  coppice::set_unobserved_error_handler(&ignore);
  survives_each_fault([](coppice::scheduler& s) -> complaint {
    {
      const auto gone = s.submit([] { refuse(); });
    }
    s.submit([] { refuse(); }).detach();
    return nullptr;
  });
  coppice::set_unobserved_error_handler(nullptr);
}

}  // namespace
