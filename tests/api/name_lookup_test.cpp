// Names of a program: whatever functions and operators lie beside its types, the library calls its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <compare>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/workers.hpp"

namespace users {

// Each fits better than the library's function of that name, whose argument is a base of what it is given,
// and cannot be called.
#define NAMES(...)      \
  template <class... T> \
  void __VA_ARGS__(T&&...) = delete
NAMES(add_rare_child);
NAMES(answer_before);
NAMES(as_tuple);
NAMES(call);
NAMES(count_child);
NAMES(distance_of);
NAMES(each_child);
NAMES(end_after_failure);
NAMES(end_child);
NAMES(enqueue);
NAMES(fork_here);
NAMES(is_empty_callable);
NAMES(join);
NAMES(leave_join);
NAMES(make_node);
NAMES(member_of);
NAMES(push_at_bound);
NAMES(run_branches);
NAMES(run_task);
NAMES(spawn_child);
NAMES(spawn_rarely);
NAMES(spawn_rarely_by_copy);
NAMES(stack_address);
NAMES(take_back_or_join);
NAMES(throw_unless_value);
NAMES(walk_serially);
#undef NAMES
#define NAMES_WITH_ARGUMENTS(name)                    \
  template <class... A, class... T>                   \
  void name(T&&...) = delete;                         \
  template <std::size_t I, class... T>                \
  void name(T&...) = delete;                          \
  template <std::size_t I, std::size_t J, class... T> \
  void name(T&...) = delete
NAMES_WITH_ARGUMENTS(call_branch);
NAMES_WITH_ARGUMENTS(join_serially);
NAMES_WITH_ARGUMENTS(join_slowly);
NAMES_WITH_ARGUMENTS(join_up_to);
NAMES_WITH_ARGUMENTS(keep_result);
NAMES_WITH_ARGUMENTS(pick);
NAMES_WITH_ARGUMENTS(result_at);
NAMES_WITH_ARGUMENTS(run_serially);
NAMES_WITH_ARGUMENTS(take_result);
#undef NAMES_WITH_ARGUMENTS

template <class T>
void operator&(T&&) = delete;
template <class T, class U>
void operator,(T&&, U&&) = delete;

struct number {
  int value = 0;
  friend auto operator<=>(const number&, const number&) = default;
};
template <std::size_t N>
struct many {
  number all[N] = {};
};

// A random-access iterator over the integers.
class position {
 public:
  using iterator_category = std::random_access_iterator_tag;
  using value_type = int;
  using difference_type = std::ptrdiff_t;
  using pointer = const int*;
  using reference = int;

  explicit position(difference_type at) : at_(at) {}
  int operator*() const { return static_cast<int>(at_); }
  position& operator++() {
    ++at_;
    return *this;
  }
  friend position operator+(position p, difference_type n) { return position(p.at_ + n); }
  friend difference_type operator-(position a, position b) { return a.at_ - b.at_; }
  friend bool operator==(position, position) = default;
  friend position advanced(const position&, std::uint64_t) = delete;
  friend position advanced(position&, std::uint64_t) = delete;

 private:
  difference_type at_;
};

// What a branch, a child and a root are made of.
template <std::size_t N>
struct adds {
  std::atomic<int>& sum;
  many<N> ballast = {};
  number operator()() {
    ++sum;
    return {1};
  }
};

int all_verbs() {
  std::atomic<int> sum{0};
  adds<1> small{sum};
  adds<100> large{sum};
  const auto spawns = [&] {
    coppice::task_group group;
    group.spawn(small);
    group.spawn(adds<1>(small), "named");
    group.spawn(large);
    group.spawn([&, large, n = number{1}]() mutable {
      group.spawn(large, "named");
      group.spawn([&, n] { sum += n.value; });
    });
    group.wait();
  };
  spawns();
  const auto [one, three, two] = coppice::join(
      small,
      [&] {
        const auto [a, b, c] = coppice::join(adds<1>(small), large, adds<100>(large));
        return number{a.value + b.value + c.value};
      },
      [&] {
        spawns();
        return number{2};
      });
  coppice::join([&, n = number()] { sum += n.value; }, [&, n = number{1}] { sum += n.value; });
  sum += coppice::blocking(small).value + one.value + three.value + two.value;

  coppice::parallel_for(position(0), position(5000), [&, n = number{1}](position) { sum += n.value; });
  sum += coppice::parallel_reduce(
             position(0), position(10000), number(), [](position) { return number{1}; },
             [](number a, number b) { return number{a.value + b.value}; })
             .value;

  std::vector<number> numbers(300000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i].value = static_cast<int>(i * 7919 % 1000);
  coppice::parallel_sort(numbers.begin(), numbers.end(), [](number a, number b) { return a < b; });
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));

  coppice::walk_tree(
      number{3}, [](number n) { return std::vector<number>(n.value > 0 ? 2U : 0U, number{n.value - 1}); },
      [&](number) { ++sum; });
  return sum;
}

// The spawns, twice; the branches, and what they return; what blocks, and what it returns; the loops.
constexpr int expected = 2 * 5 + 5 + 6 + 2 + 5000 + 10000 + 15;

// A stream of numbers and two stages after it.
template <class Pool>
int streamed(Pool& pool) {
  struct one {
    number operator()(number n) const { return {n.value}; }
  };
  int sum = 0;
  auto ones = pool.map(pool.map(std::vector<number>(100, number{1}), one{}), one{});
  for (auto& r : pool.map(std::move(ones), &number::value)) sum += r.value();
  return sum;
}

}  // namespace users

namespace {

class names : public support::on_workers {};

TEST_ON_WORKERS(names, OfAProgramAreNotTakenForTheLibrarys) {
  std::atomic<int> sum{0};
  auto job = scheduler().submit([n = users::number{1}, &sum] {
    sum += users::all_verbs() + n.value;
    coppice::spawn(users::adds<1>{sum});
    coppice::join([&] { coppice::spawn(users::adds<100>{sum}); }, [&, n] { sum += n.value; });
  });
  support::checked(job);
  EXPECT_EQ(sum, users::expected + 4);
  EXPECT_EQ(scheduler().run(users::adds<100>{sum}).value, 1);
  EXPECT_EQ(users::streamed(scheduler()), 100);
}

TEST(names_in_a_fifo_pool, OfAProgramAreNotTakenForTheLibrarys) {
  std::atomic<int> sum{0};
  coppice::fifo_pool pool({.workers = 1});
  EXPECT_EQ(pool.submit(users::adds<100>{sum}).get().value, 1);
  EXPECT_EQ(pool.try_submit(users::adds<1>{sum}).task.get().value, 1);
  EXPECT_EQ(users::streamed(pool), 100);
}

TEST(names_serially, OfAProgramAreNotTakenForTheLibrarys) { EXPECT_EQ(users::all_verbs(), users::expected); }

}  // namespace
