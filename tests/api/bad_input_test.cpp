// Bad input gets a clear error and nothing is lost: the rows of the table in the contract.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/process.hpp"
#include "support/scale.hpp"
#include "support/tracked.hpp"
#include "support/workers.hpp"

namespace {

using support::report_of;

class bad_input : public support::without_leaks {};
class unusual_input : public support::on_workers {};

template <class Exception, class F>
std::string text_of(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const Exception& e) {
    return e.what();
  }
  return "nothing was thrown";
}

// Sets a variable of the environment for a scope.
class variable {
 public:
  variable(const char* name, const char* value) : name_(name) {
    if (const char* const old = std::getenv(name)) old_ = old;
    setenv(name, value, 1);
  }
  ~variable() {
    if (old_)
      setenv(name_, old_->c_str(), 1);
    else
      unsetenv(name_);
  }
  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST_F(bad_input, MoreWorkersThanCoresAreAllowedUnpinnedAndSaidInDescribe) {
  const unsigned many = std::min(4096U, std::thread::hardware_concurrency() + 1);
  coppice::scheduler scheduler({.workers = many});
  EXPECT_EQ(scheduler.workers(), many);
  EXPECT_EQ(scheduler.run([] { return 1; }), 1);
  EXPECT_NE(scheduler.describe().find("not pinned"), std::string::npos) << scheduler.describe();
  EXPECT_NE(scheduler.describe().find("workers: " + std::to_string(many)), std::string::npos)
      << scheduler.describe();
}

TEST_F(bad_input, MoreThan4096WorkersAreRefusedAndTheLimitIsNamed) {
  for (const unsigned n : {4097U, ~0U}) {
    const auto text = text_of<std::invalid_argument>([n] { coppice::scheduler({.workers = n}); });
    EXPECT_NE(text.find("4096"), std::string::npos) << text;
    EXPECT_NE(text.find(std::to_string(n)), std::string::npos) << "what was asked: " << text;
  }
}

TEST_F(bad_input, AnyNumberOfSpareWorkersMayBeAskedForAndTheLimitIsSaidInDescribe) {
  for (const unsigned n : {65536U, 65537U, ~0U - 62, ~0U}) {
    coppice::scheduler scheduler({.workers = 1, .max_spare_workers = n});
    EXPECT_NE(scheduler.describe().find("0 of at most 65536 spare workers"), std::string::npos)
        << scheduler.describe();
    EXPECT_EQ(scheduler.run([&] {
      auto inner = scheduler.submit([] { return 1; });
      return coppice::blocking([&] { return inner.get(); });
    }),
              1);
    EXPECT_EQ(scheduler.stats().loans, 1U);
  }
}

TEST_F(bad_input, AMalformedEnvironmentVariableIsIgnoredWithALineOfWarning) {
  const variable workers("COPPICE_WORKERS", "a handful");
  const variable pin("COPPICE_PIN", "to the wall");
  testing::internal::CaptureStderr();
  coppice::scheduler scheduler;
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_GE(scheduler.workers(), 1U);
  for (const char* part : {"COPPICE_WORKERS", "a handful", "COPPICE_PIN", "to the wall"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
}

TEST_F(bad_input, AGoodEnvironmentVariableReplacesTheDefaultOnly) {
  const variable workers("COPPICE_WORKERS", "3");
  EXPECT_EQ(coppice::scheduler().workers(), 3U);
  EXPECT_EQ(coppice::scheduler({.workers = 2}).workers(), 2U);
}

TEST_F(bad_input, RequirePinningWhereItCannotBeIsAnErrorThatSaysWhy) {
  const auto text = text_of<std::system_error>(
      [] { coppice::scheduler({.require_pinning = true, .name = "strict", .topology = "core:4 pu:1"}); });
  for (const char* part : {"strict", "require_pinning"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  coppice::scheduler lenient({.topology = "core:4 pu:1"});
  EXPECT_EQ(lenient.workers(), 4U);
  EXPECT_EQ(lenient.run([] { return 1; }), 1);
}

TEST_F(bad_input, ABadTopologyIsRefusedWithItsText) {
  const auto text =
      text_of<std::invalid_argument>([] { coppice::scheduler({.topology = "core:none of this"}); });
  EXPECT_NE(text.find("none of this"), std::string::npos) << text;
}

TEST_F(bad_input, AStackThatCannotBeHadIsASystemError) {
  const auto text = text_of<std::system_error>(
      [] { coppice::scheduler({.workers = 4, .stack_bytes = std::size_t{1} << 46}); });
  EXPECT_NE(text.find(std::to_string(std::size_t{1} << 46)), std::string::npos) << text;
}

TEST_F(bad_input, WhenAThreadCannotBeStartedThoseThatWereAreJoined) {
  // Room for some of the stacks and not for all. In a child, since limits cannot be taken back.
  EXPECT_TRUE(support::in_child_process([] {
    const std::size_t at_rest = support::threads_now();
    constexpr std::size_t stack = std::size_t{512} << 20;
    // Half a stack more, for what a sanitizer takes for each thread.
    const rlim_t most = support::address_bytes() + 5 * stack + stack / 2;
    const rlimit limit{most, most};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return false;
    for (int i = 0; i < 3; ++i) {
      const auto text =
          text_of<std::system_error>([] { coppice::scheduler({.workers = 64, .stack_bytes = stack}); });
      if (text.find("cannot start thread") == std::string::npos) {
        std::fprintf(stderr, "%s\n", text.c_str());
        return false;
      }
      if (support::threads_settled(at_rest) > at_rest + (support::sanitized ? 1 : 0)) return false;
    }
    // Nothing was leaked: there is still room for a few.
    return coppice::scheduler({.workers = 2, .stack_bytes = stack}).run([] { return true; });
  }));
}

TEST_F(bad_input, ACapacityOfZeroMakesNoSchedulerThatBlocksEverySubmitter) {
  // Nobody could ever submit: either it is refused, or there is room for one.
  std::unique_ptr<coppice::scheduler> scheduler;
  try {
    scheduler = std::make_unique<coppice::scheduler>(
        coppice::scheduler_options{.workers = 1, .injection_capacity = 0});
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("capacity"), std::string::npos) << e.what();
    return;
  }
  EXPECT_EQ(scheduler->try_submit([] {}).status, coppice::admission::accepted);
}

using function_pointer = int (*)();

TEST_ON_WORKERS(unusual_input, AnEmptyCallableIsRefusedBeforeAnythingIsCounted) {
  const std::function<int()> empty;
  const function_pointer null = nullptr;
  EXPECT_THROW(scheduler().submit(empty), std::invalid_argument);
  EXPECT_THROW(scheduler().submit(null), std::invalid_argument);
  EXPECT_THROW(scheduler().try_submit(empty), std::invalid_argument);
  EXPECT_THROW(scheduler().run(null), std::invalid_argument);
  EXPECT_EQ(scheduler().stats().jobs, 0U);
  const auto report = report_of(scheduler(), [&] {
    EXPECT_THROW(coppice::spawn(empty), std::invalid_argument);
    EXPECT_THROW(coppice::spawn(null), std::invalid_argument);
    coppice::task_group group;
    EXPECT_THROW(group.spawn(empty), std::invalid_argument);
    EXPECT_THROW(group.spawn(null), std::invalid_argument);
    group.wait();
  });
  EXPECT_EQ(report.spawned, 1U);
  EXPECT_EQ(scheduler().stop().rejected, 0U);
}

int five() { return 5; }

TEST_ON_WORKERS(unusual_input, FunctionsAndFunctionPointersAndWrappedOnesRun) {
  EXPECT_EQ(scheduler().run(five), 5);
  EXPECT_EQ(scheduler().run(&five), 5);
  EXPECT_EQ(scheduler().run(std::function<int()>(five)), 5);
  const auto report = report_of(scheduler(), [] {
    coppice::spawn(five);
    coppice::spawn(&five);
    coppice::spawn(std::function<int()>(five));
  });
  EXPECT_EQ(report.succeeded, 4U);
}

struct huge {
  std::array<char, std::size_t{1} << 20> bytes{};
  support::tracked counted{1};
};

struct alignas(4096) over_aligned {
  bool in_place() const { return reinterpret_cast<std::uintptr_t>(this) % 4096 == 0; }
  support::tracked counted{1};
};

TEST_ON_WORKERS(unusual_input, HugeClosuresWork) {
  auto value = std::make_unique<huge>();
  value->bytes.back() = 7;
  EXPECT_EQ(scheduler().run([v = *value] { return v.bytes.back(); }), 7);
  std::vector<char> seen(8);  // plain on purpose
  report_of(scheduler(), [&] {
    coppice::task_group group;
    for (char& s : seen) group.spawn([v = *value, &s] { s = v.bytes.back(); });
    group.wait();
  });
  EXPECT_EQ(seen, std::vector<char>(8, 7));
}

TEST_ON_WORKERS(unusual_input, OverAlignedClosuresStandWhereTheyMust) {
  EXPECT_TRUE(scheduler().run([v = over_aligned()] { return v.in_place(); }));
  std::vector<char> seen(8);  // plain on purpose
  report_of(scheduler(), [&] {
    coppice::task_group group;
    for (char& s : seen) group.spawn([v = over_aligned(), &s] { s = v.in_place() ? 1 : 0; });
    group.wait();
    const auto [a, b] = coppice::join([v = over_aligned()] { return v.in_place(); },
                                      [v = over_aligned()] { return v.in_place(); });
    EXPECT_TRUE(a && b);
  });
  EXPECT_EQ(seen, std::vector<char>(8, 1));
}

TEST_ON_WORKERS(unusual_input, ClosuresOfEachSizeUpToAFewLinesSurviveTheirMoveIntoANode) {
  scheduler().run([] {
    coppice::task_group group;
    const auto with = [&group]<std::size_t N>(std::integral_constant<std::size_t, N>) {
      std::array<unsigned char, N> bytes{};
      bytes.fill(static_cast<unsigned char>(N));
      group.spawn([bytes, owned = std::make_unique<support::tracked>(static_cast<int>(N))] {
        for (const auto b : bytes) EXPECT_EQ(b, N);
        EXPECT_EQ(owned->value(), static_cast<int>(N));
      });
    };
    [&]<std::size_t... N>(std::index_sequence<N...>) {
      (with(std::integral_constant<std::size_t, 8 * N + 1>{}), ...);
    }
    (std::make_index_sequence<16>{});
    group.wait();
  });
}

// For the language it is trivially copyable, though nobody may copy it.
struct moved_trivially {
  int value = 1;
  moved_trivially() = default;
  moved_trivially(moved_trivially&&) = default;
  moved_trivially(const moved_trivially&) = delete;
};

TEST_ON_WORKERS(unusual_input, SmallMoveOnlyClosuresAreJoinedAndSpawned) {
  const auto gives = [](int n) { return [n, m = moved_trivially()] { return n + m.value; }; };
  std::atomic<int> spawned{0};
  scheduler().run([&] {
    EXPECT_EQ(coppice::join(gives(0), gives(1), gives(2)), std::tuple(1, 2, 3));
    coppice::task_group g;
    g.spawn([&spawned, m = moved_trivially()] { spawned += m.value; });
    g.wait();
  });
  EXPECT_EQ(spawned, 1);
}

TEST_ON_WORKERS(unusual_input, MoveOnlyClosuresAreSpawned) {
  int sum = 0;  // plain on purpose
  scheduler().run([&] {
    coppice::task_group group;
    auto closure = [&sum, v = std::make_unique<int>(5)] { sum += *v; };
    group.spawn(std::move(closure));
    group.wait();
    coppice::spawn([&sum, v = std::make_unique<int>(6)] { sum += *v; });
  });
  EXPECT_EQ(sum, 11);
}

}  // namespace
