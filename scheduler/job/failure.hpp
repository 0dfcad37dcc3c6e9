// A failure: an exception with its place in the tree; and the bounded, ordered, exactly counted set of them.
#pragma once

#include <chrono>
#include <coppice/detail/place.hpp>
#include <coppice/error.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <typeinfo>
#include <vector>

#include "platform/waiting.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

// Ordinals from the root, the root's own left out. Up to a thousand are kept, because the order of errors
// needs them; of a longer path, and of every text of more than 64, the middle is only counted: the first 32
// ordinals, a gap (three words), the last 32.
using task_path = std::vector<std::uint32_t>;
inline constexpr std::size_t shown_at_each_end = 32;
inline constexpr std::size_t kept_in_full = 1024;

// Empty when there is no memory for it.
task_path path_of(spot s) noexcept;
// Leaves `head` ordinals at the start and the last 32, and a gap for what was between.
void shorten(task_path& path, std::size_t head);
// How many ordinals the path stands for.
std::uint64_t length_of(const task_path& path) noexcept;
std::string to_text(const task_path& path);

// The order in which a serial run would meet the errors: children come before what their parent does after
// them, so a path comes after its own extensions.
bool is_earlier(const task_path& a, const task_path& b) noexcept;

// Not proven to be at or after `b` in that order: of long paths the middle is not known.
bool may_be_earlier(const task_path& a, const task_path& b) noexcept;

struct failure {
  std::exception_ptr exception;
  task_path path;
  std::string name;        // of the task
  const char* phase = "";  // what the task was doing, if not running its body
  unsigned worker = 0;
  bool after_cancel = false;
  bool secondary = false;
  std::chrono::steady_clock::time_point when = clock::now();
};

// By path; of one task's errors the primary one first, then as they happened.
bool is_earlier(const failure& a, const failure& b) noexcept;

// For people. Runs the exception's what(): in no lock, on a thread where that may happen.
task_error describe(const failure& f);

// Secondary errors may have earlier paths. Requires that some error was kept.
const task_error& primary(const job_report& r) noexcept;

// How many failures there were of each type, up to 64 types; of others, in all. Null: not known.
class type_counts {
 public:
  void add(const std::type_info* type, std::uint64_t n) noexcept;
  void add(const type_counts& other) noexcept;
  void take_one(const std::type_info* type) noexcept;
  void clear() noexcept;
  // The most frequent type first. Throws std::bad_alloc.
  std::vector<error_kind> kinds() const;

 private:
  struct entry {
    const std::type_info* type;
    std::uint64_t count;
  };
  static constexpr std::size_t most_types = 64;
  std::vector<entry> types_;
  std::uint64_t others_ = 0;
};

// Null for none: a failure that there was no memory to make.
inline const std::type_info* type_of(const std::exception_ptr& e) noexcept {
  return e != nullptr ? e.__cxa_exception_type() : nullptr;
}

// Keeps the `limit` earliest failures, at least one, and counts all. The earliest of those that are not
// secondary is kept in any case: it is what a group rethrows, and secondary ones, which somebody may have
// handled, can have earlier paths.
//
// Whoever adds holds a lock, and with an exception code of users dies, which may ask for that lock: what is
// not kept, or gives way, is left in what was handed over, and dies with that.
class error_set {
 public:
  explicit error_set(std::size_t limit) noexcept : limit_(limit != 0 ? limit : 1) {}
  void add(failure& f) noexcept;
  // Of `other` only what is not kept is left, and counts nothing.
  void merge(error_set& other, bool as_secondary) noexcept;
  // All of it, and leaves nothing behind.
  error_set take() noexcept;
  // Takes the earliest one out that is not secondary, if there is any; requires kept() > 0.
  failure take_first() noexcept;
  // The earliest one that is not secondary, or null.
  const failure* first() const noexcept { return leading_ ? &*leading_ : nullptr; }
  std::size_t kept() const noexcept { return kept_.size() + (leading_ ? 1U : 0U); }
  std::uint64_t total() const noexcept { return total_; }
  // Of those, how many are not secondary.
  std::uint64_t primaries() const noexcept { return total_ - secondary_; }
  // The most frequent type first. Throws std::bad_alloc.
  std::vector<error_kind> kinds() const { return types_.kinds(); }
  // In serial order, `limit` at most, the leading one in any case; empties the set but for the count.
  std::vector<failure> take_sorted() noexcept;

 private:
  void keep(failure& f) noexcept;
  void place(failure& f) noexcept;

  std::size_t limit_;
  std::uint64_t total_ = 0, secondary_ = 0;
  type_counts types_;
  std::optional<failure> leading_;  // the earliest one that is not secondary
  std::vector<failure> kept_;       // the others: a heap, the latest on top
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
