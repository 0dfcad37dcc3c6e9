// A task's place in its tree does not depend on who ran what (C-05): the same lists of errors with every
// number of workers, each time.
#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "support/check.hpp"
#include "support/process.hpp"
#include "support/random.hpp"
#include "support/scale.hpp"
#include "support/workers.hpp"

// A test here looks at the process's memory: freed blocks must not wait for long in the address sanitizer's
// quarantine.
extern "C" const char* __asan_default_options();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=1:thread_local_quarantine_size_kb=16";
}

namespace {

using coppice::join;
using coppice::spawn;
using coppice::this_task::path;
using support::collecting;
using support::failure;
using support::lines;
using support::report_of;

class paths : public support::on_workers {};

TEST_ON_WORKERS(paths, C05OrdinalsCountChildrenAndBranchesInProgramOrder) {
  for (int i = 0; i < support::scaled(50); ++i)
    scheduler().run([] {
      EXPECT_EQ(path(), "root");
      join([] { EXPECT_EQ(path(), "root/0"); }, [] { EXPECT_EQ(path(), "root/1"); });
      spawn([] { EXPECT_EQ(path(), "root/2"); });
      coppice::task_group group;
      group.spawn([] {
        EXPECT_EQ(path(), "root/3");
        spawn([] { EXPECT_EQ(path(), "root/3/0"); });
        join([] { EXPECT_EQ(path(), "root/3/1"); }, [] { EXPECT_EQ(path(), "root/3/2"); },
             [] {
               EXPECT_EQ(path(), "root/3/3");
               spawn([] { EXPECT_EQ(path(), "root/3/3/0"); });
               join([] { EXPECT_EQ(path(), "root/3/3/1"); },
                    [] {
                      spawn([] { spawn([] { EXPECT_EQ(path(), "root/3/3/2/0/0"); }); });
                      EXPECT_EQ(path(), "root/3/3/2");
                    });
               spawn([] { EXPECT_EQ(path(), "root/3/3/3"); });
             });
        spawn([] { EXPECT_EQ(path(), "root/3/4"); });
        EXPECT_EQ(path(), "root/3");
      });
      group.wait();
      EXPECT_EQ(path(), "root");
      join([] { EXPECT_EQ(path(), "root/4"); }, [] { EXPECT_EQ(path(), "root/5"); });
    });
}

// A closure that forks while it is copied into its node.
struct forks_to_be_copied {
  const char* expected;
  explicit forks_to_be_copied(const char* path) : expected(path) {}
  forks_to_be_copied(const forks_to_be_copied& other) : expected(other.expected) {
    join([] {}, [] {});
  }
  forks_to_be_copied& operator=(const forks_to_be_copied&) = delete;
  ~forks_to_be_copied() = default;
  void operator()() const { EXPECT_EQ(path(), expected); }
};

TEST_ON_WORKERS(paths, C05AChildIsNumberedAfterWhatItsClosuresCopyHasForked) {
  scheduler().run([] {
    coppice::task_group group;
    const forks_to_be_copied third("root/2"), sixth("root/5");
    group.spawn(third);
    spawn(sixth);
    join([] { EXPECT_EQ(path(), "root/6"); }, [] { EXPECT_EQ(path(), "root/7"); });
    group.wait();
  });
}

// A spot counts in 16 bits, and carries for each branch of its own (detail/place.hpp).
TEST_ON_WORKERS(paths, C05OrdinalsGoOnBeyond65536) {
  const auto pairs = [](int n) {
    for (int i = 0; i < n; ++i) join([] {}, [] {});
  };
  const auto report = report_of(scheduler(), [&] {
    pairs(32767);
    join([] { EXPECT_EQ(path(), "root/65534"); }, [] { EXPECT_EQ(path(), "root/65535"); },
         [] { EXPECT_EQ(path(), "root/65536"); });
    join([] { EXPECT_EQ(path(), "root/65537"); }, [] { EXPECT_EQ(path(), "root/65538"); });
    join(
        [&] {
          pairs(40000);
          join([] { EXPECT_EQ(path(), "root/65539/80000"); }, [] { EXPECT_EQ(path(), "root/65539/80001"); });
        },
        [&] {
          join([] { EXPECT_EQ(path(), "root/65540/0"); }, [] { EXPECT_EQ(path(), "root/65540/1"); });
          pairs(70000);
          spawn([] { EXPECT_EQ(path(), "root/65540/140002"); });
          join([] { EXPECT_EQ(path(), "root/65540/140003"); }, [] { throw failure("in the second branch"); });
        });
  });
  ASSERT_EQ(report.errors.size(), 1U);
  EXPECT_EQ(report.errors.front().path, "root/65540/140004");
}

TEST_ON_WORKERS(paths, C05OrdinalsOfChildrenGoOnBeyond65536) {
  scheduler().run([] {
    for (int i = 0; i < 70000; ++i) spawn([] {});
    spawn([] { EXPECT_EQ(path(), "root/70000"); });
    join([] { EXPECT_EQ(path(), "root/70001"); }, [] { EXPECT_EQ(path(), "root/70002"); });
    coppice::task_group group;
    for (int i = 0; i < 70000; ++i) group.spawn([] {});
    group.spawn([] { EXPECT_EQ(path(), "root/140003"); });
    group.wait();
    EXPECT_EQ(path(), "root");
    spawn([] { EXPECT_EQ(path(), "root/140004"); });
  });
}

TEST(paths_serially, OutsideOfATaskThereIsNone) { EXPECT_EQ(path(), ""); }

TEST_ON_WORKERS(paths, C05ThePathOfAnErrorIsTakenAtTheInnermostJoinOrTaskThatItLeaves) {
  for (int i = 0; i < support::scaled(50); ++i) {
    const auto report = report_of(
        scheduler(),
        [] {
          spawn([] {});
          spawn([] {
            coppice::task_group group;
            group.spawn([] {});
            group.spawn([] { join([] {}, [] { join([] {}, [] { throw failure("deep"); }); }); }, "inner");
            group.wait();
          });
        },
        collecting());
    EXPECT_EQ(lines(report), std::vector<std::string>{"root/1/1/1/1 deep"});
    ASSERT_EQ(report.errors.size(), 1U);
    EXPECT_EQ(report.errors[0].name, "inner");
  }
}

// A random program of joins, spawns and groups in which about one node in eight fails. What happens at a node
// depends on its number alone.
class program {
 public:
  explicit program(std::uint64_t seed) : seed_(seed) {}
  void run(std::uint64_t node, int levels) const {
    const std::uint64_t dice = support::mixed(seed_, node);
    if (levels != 0) {
      const auto child = [this, node, levels](std::uint64_t k) {
        return [this, next = node * 7 + k, levels] { run(next, levels - 1); };
      };
      switch (dice % 5) {
        case 0:
          join(child(1), child(2));
          break;
        case 1:
          spawn(child(1));
          join(child(2), child(3), child(4));
          spawn(child(5), "last");
          break;
        case 2: {
          coppice::task_group group;
          for (std::uint64_t k = 1; k <= 4; ++k) group.spawn(child(k));
          group.wait();
          break;
        }
        case 3:
          join([this, node, levels] { spawn([this, node, levels] { run(node * 7 + 1, levels - 1); }); },
               child(2));
          break;
        default:
          for (std::uint64_t k = 1; k <= 3; ++k) spawn(child(k));
      }
    }
    if (dice / 5 % 8 == 0) throw failure(node);
    if (dice / 5 % 8 == 1)
      coppice::this_task::fail(std::make_error_code(std::errc::io_error), std::to_string(node));
  }

 private:
  std::uint64_t seed_;
};

// The first line in which two lists differ.
std::string difference(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    if (a[i] != b[i]) return std::to_string(i) + ": '" + a[i] + "' and '" + b[i] + "'";
  return a.size() == b.size() ? "" : std::to_string(a.size()) + " and " + std::to_string(b.size()) + " lines";
}

TEST(paths_of_random_programs, C05TheListOfErrorsIsTheSameForEachNumberOfWorkersAndEachTime) {
  auto random = support::random_source();
  std::vector<std::uint64_t> seeds;
  for (int i = 0; i < 10; ++i) seeds.push_back(random());
  std::map<std::uint64_t, std::vector<std::string>> first_list;
  std::map<std::uint64_t, std::uint64_t> first_count;
  std::size_t errors = 0;
  for (const unsigned workers : {1U, 2U, 3U, 8U, 64U}) {
    coppice::scheduler scheduler({.workers = workers});
    for (const auto seed : seeds)
      for (int repetition = 0; repetition < (support::sanitized ? 1 : 20); ++repetition) {
        const program p(seed);
        const auto report = report_of(
            scheduler, [&p] { p.run(1, 7); }, collecting(40));
        const auto list = lines(report);
        errors += list.size();
        EXPECT_EQ(difference(first_list.try_emplace(seed, list).first->second, list), "")
            << "seed " << seed << ", " << workers << " workers, repetition " << repetition;
        EXPECT_EQ(first_count.try_emplace(seed, report.errors_total).first->second, report.errors_total);
        if (testing::Test::HasFailure()) return;
      }
  }
  EXPECT_NE(errors, 0U);
}

// 1000 tasks of which the 35 with an id divisible by 29 fail. At each of them the path ends with what the id
// says.
std::vector<unsigned> failed_ids(const coppice::job_report& report) {
  std::vector<unsigned> ids;
  for (const auto& e : report.errors) ids.push_back(static_cast<unsigned>(std::stoul(e.message)));
  return ids;
}

std::vector<unsigned> the_35() {
  std::vector<unsigned> ids;
  for (unsigned id = 0; id < 1000; id += 29) ids.push_back(id);
  return ids;
}

void work(unsigned id) {
  if (id % 29 == 0) throw failure(id);
}

void join_range(unsigned first, unsigned last) {
  if (last - first == 1) return work(first);
  const unsigned middle = first + (last - first) / 2;
  join([=] { join_range(first, middle); }, [=] { join_range(middle, last); });
}

TEST_ON_WORKERS(paths, C05C24Of1000TasksThe35ThatFailAreListedInOrderEachTime) {
  ASSERT_EQ(the_35().size(), 35U);
  const std::vector<std::function<void()>> ways{
      [] {
        for (unsigned id = 0; id < 1000; ++id) spawn([id] { work(id); });
      },
      [] {
        coppice::task_group group;
        for (unsigned id = 0; id < 1000; ++id) group.spawn([id] { work(id); });
        group.wait();
      },
      [] { join_range(0, 1000); },
      [] { coppice::parallel_for(0U, 1000U, work); },
  };
  for (const auto& way : ways)
    for (int repetition = 0; repetition < support::scaled(20); ++repetition) {
      const auto report = report_of(scheduler(), way, collecting());
      EXPECT_EQ(report.errors_total, 35U);
      EXPECT_EQ(failed_ids(report), the_35());
    }
}

TEST(paths_of_loops, C05C24WhichCallsOfALoopFailAndWhereDoesNotDependOnWhoWasHungry) {
  std::vector<std::string> first_list;
  std::uint64_t first_count = 0;
  for (const unsigned workers : {1U, 2U, 3U, 8U, 64U}) {
    coppice::scheduler scheduler({.workers = workers});
    for (int repetition = 0; repetition < support::scaled(20); ++repetition) {
      const auto report = report_of(
          scheduler,
          [] {
            coppice::parallel_for(0U, 20'000U, [](unsigned i) {
              if (i % 10 == 0) throw failure(i);
            });
          },
          collecting(2000));
      if (first_list.empty()) {
        first_list = lines(report);
        first_count = report.errors_total;
      }
      EXPECT_EQ(difference(first_list, lines(report)), "")
          << workers << " workers, repetition " << repetition;
      EXPECT_EQ(report.errors_total, first_count);
      if (testing::Test::HasFailure()) return;
    }
  }
}

void respawn(std::uint64_t left, std::string* last_path) {
  if (left == 0) {
    *last_path = path();
    return;
  }
  spawn([=] { respawn(left - 1, last_path); });
}

TEST_ON_WORKERS(paths, C05OfALongLineOfAncestorsTheMiddleIsElided) {
  std::string last;
  scheduler().run([&] { spawn([&] { respawn(999, &last); }); });
  EXPECT_NE(last.find("(+"), std::string::npos) << last;
  EXPECT_TRUE(last.starts_with("root/0/")) << last;
  EXPECT_TRUE(last.ends_with("/0")) << last;
  EXPECT_LT(last.size(), 300U);
}

TEST_ON_WORKERS(paths, C05ATaskThatRespawnsItselfDoesNotGrowMemory) {
  // 10^6 headers are 128 MB. The sanitizers keep memory of their own: there it only has to run.
  constexpr std::uint64_t generations = support::scaled(std::size_t{1'000'000});
  constexpr std::size_t allowed = std::size_t{24} << 20;
  std::string last;
  scheduler().run([&] { respawn(generations / 100, &last); });
  const std::size_t before = support::resident_bytes();
  scheduler().run([&] { respawn(generations, &last); });
  const std::size_t after = support::resident_bytes();
  if (!support::sanitized) {
    EXPECT_LT(after, before + allowed) << "each generation left something behind";
  }
}

}  // namespace
