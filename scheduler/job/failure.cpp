#include "job/failure.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <coppice/detail/task_frame.hpp>
#include <cstdlib>
#include <memory>
#include <typeinfo>
#include <utility>

#include "job/task_extra.hpp"

namespace coppice {
inline namespace v0 {
namespace detail {

namespace {

// In a path: what follows is no ordinal but the high and the low half of a number of ordinals that are left
// out.
constexpr std::uint32_t gap = 0xffffffff;
constexpr std::size_t gap_words = 3;

std::uint64_t gap_at(const task_path& path, std::size_t i) noexcept {
  return std::uint64_t{path[i + 1]} << 32 | path[i + 2];
}

// The whole chain, as it is.
task_path raw_path_of(spot s) {
  task_path up;
  for (; s.at()->above(); s = s.at()->above()) {
    up.push_back(s.ordinal());
    if (s.at()->kind() != place_kind::task) continue;
    // A child that was spawned inside branches of a join carries them along: the branches' own places are
    // gone.
    if (const task_extra* const extra = static_cast<const task_frame*>(s.at())->get_extra())
      up.insert(up.end(), extra->between.rbegin(), extra->between.rend());
  }
  std::reverse(up.begin(), up.end());
  return up;
}

}  // namespace

std::uint64_t length_of(const task_path& path) noexcept {
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < path.size(); ++i, ++n) {
    if (path[i] != gap) continue;
    n += gap_at(path, i) - 1;
    i += gap_words - 1;
  }
  return n;
}

void shorten(task_path& path, std::size_t head) {
  const std::uint64_t n = length_of(path);
  if (n <= head + shown_at_each_end) return;
  const std::uint64_t left_out = n - head - shown_at_each_end;
  task_path shorter(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(head));
  shorter.push_back(gap);
  shorter.push_back(static_cast<std::uint32_t>(left_out >> 32));
  shorter.push_back(static_cast<std::uint32_t>(left_out));
  // A gap is never among the last 32: a path only grows at its end.
  shorter.insert(shorter.end(), path.end() - static_cast<std::ptrdiff_t>(shown_at_each_end), path.end());
  path = std::move(shorter);
}

task_path path_of(spot s) noexcept {
  try {
    task_path path = raw_path_of(s);
    if (length_of(path) > kept_in_full) shorten(path, shown_at_each_end);
    return path;
  } catch (const std::bad_alloc&) {
    return {};
  }
}

std::string to_text(const task_path& whole) {
  task_path path = whole;
  if (length_of(path) > 2 * shown_at_each_end) shorten(path, shown_at_each_end);
  std::string text = "root";
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == gap) {
      text += "/(+" + std::to_string(gap_at(path, i)) + ")";
      i += gap_words - 1;
    } else {
      text += '/' + std::to_string(path[i]);
    }
  }
  return text;
}

bool is_earlier(const task_path& a, const task_path& b) noexcept {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x != a.end() && y != b.end()) return *x < *y;
  return x != a.end();  // the longer one
}

bool may_be_earlier(const task_path& a, const task_path& b) noexcept {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto has_gap = [](auto from, auto to) { return std::find(from, to, gap) != to; };
  // Before the first difference a gap stands for the same number of ordinals, but maybe for others.
  if (has_gap(a.begin(), x) || (x != a.end() && *x == gap) || (y != b.end() && *y == gap)) return true;
  return is_earlier(a, b);
}

bool is_earlier(const failure& a, const failure& b) noexcept {
  if (a.path != b.path) return is_earlier(a.path, b.path);
  if (a.secondary != b.secondary) return b.secondary;
  return a.when < b.when;
}

namespace {

std::string demangled(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
  return status == 0 && text != nullptr ? text.get() : mangled;
}

// Short where the demangled text is one that nobody writes.
std::string type_name(const std::type_info& type) {
  return type == typeid(std::string) ? "std::string" : demangled(type.name());
}

bool later_on_top(const failure& a, const failure& b) noexcept { return is_earlier(a, b); }

// The text of a job's error is in that of a task that lets it pass, and so on: without a bound what many
// nested jobs tell grows with the square of their number.
void bound_text(std::string& text) {
  constexpr std::size_t longest = 4096;
  if (text.size() <= longest) return;
  const std::size_t left_out = text.size() - longest;
  text.resize(longest);
  text += "... (and " + std::to_string(left_out) + " characters)";
}

}  // namespace

task_error describe(const failure& f) {
  task_error e;
  e.path = to_text(f.path);
  e.name = f.name;
  e.exception = f.exception;
  e.worker = f.worker;
  e.after_cancel = f.after_cancel;
  e.secondary = f.secondary;
  const std::type_info* const type = type_of(f.exception);
  e.type = type != nullptr ? type_name(*type) : "unknown exception";
  try {
    std::rethrow_exception(f.exception);
  } catch (const std::exception& x) {
    const char* const text = x.what();
    e.message = text != nullptr ? text : e.type;
  } catch (const char* text) {
    e.message = text != nullptr ? text : "(null)";
  } catch (const std::string& text) {
    e.message = text;
  } catch (...) {
    e.message = e.type;
  }
  bound_text(e.message);
  if (*f.phase != '\0') e.message = std::string(f.phase) + ": " + e.message;
  return e;
}

const task_error& primary(const job_report& r) noexcept {
  for (const task_error& e : r.errors)
    if (!e.secondary) return e;
  return r.errors.front();
}

void type_counts::add(const std::type_info* type, std::uint64_t n) noexcept {
  const auto known = std::find_if(types_.begin(), types_.end(), [type](const entry& t) {
    return t.type == type || (type != nullptr && t.type != nullptr && *t.type == *type);
  });
  if (known != types_.end()) {
    known->count += n;
    return;
  }
  try {
    if (type != nullptr && types_.size() < most_types) {
      types_.push_back({type, n});
      return;
    }
  } catch (const std::bad_alloc&) {
    // Not told apart.
  }
  others_ += n;
}

void type_counts::add(const type_counts& other) noexcept {
  for (const entry& t : other.types_) add(t.type, t.count);
  others_ += other.others_;
}

void type_counts::take_one(const std::type_info* type) noexcept {
  for (entry& t : types_)
    if (type != nullptr && *t.type == *type && t.count != 0) {
      --t.count;
      return;
    }
  if (others_ != 0) --others_;
}

void type_counts::clear() noexcept {
  types_.clear();
  others_ = 0;
}

std::vector<error_kind> type_counts::kinds() const {
  std::vector<error_kind> all;
  all.reserve(types_.size() + 1);
  for (const entry& t : types_)
    if (t.count != 0) all.push_back({type_name(*t.type), t.count});
  if (others_ != 0) all.push_back({"others", others_});
  std::sort(all.begin(), all.end(), [](const error_kind& a, const error_kind& b) {
    return a.count != b.count ? a.count > b.count : a.type < b.type;
  });
  return all;
}

void error_set::add(failure& f) noexcept {
  ++total_;
  if (f.secondary) ++secondary_;
  types_.add(type_of(f.exception), 1);
  place(f);
}

void error_set::place(failure& f) noexcept {
  if (f.secondary) return keep(f);
  if (!leading_) {
    leading_ = std::move(f);
    return;
  }
  if (is_earlier(f, *leading_)) std::swap(f, *leading_);
  keep(f);
}

void error_set::keep(failure& f) noexcept {
  if (kept_.size() == limit_) {
    if (!is_earlier(f, kept_.front())) return;
    std::pop_heap(kept_.begin(), kept_.end(), later_on_top);
    std::swap(kept_.back(), f);
  } else {
    try {
      kept_.push_back(std::move(f));
    } catch (const std::bad_alloc&) {
      return;  // counted, not kept
    }
  }
  std::push_heap(kept_.begin(), kept_.end(), later_on_top);
}

void error_set::merge(error_set& other, bool as_secondary) noexcept {
  total_ += other.total_;
  secondary_ += as_secondary ? other.total_ : other.secondary_;
  other.total_ = other.secondary_ = 0;
  types_.add(other.types_);
  other.types_.clear();
  const auto take = [&](failure& f) {
    f.secondary = f.secondary || as_secondary;
    place(f);
  };
  if (other.leading_) take(*other.leading_);
  for (failure& f : other.kept_) take(f);
}

error_set error_set::take() noexcept {
  error_set all(limit_);
  std::swap(all, *this);
  return all;
}

failure error_set::take_first() noexcept {
  --total_;
  if (leading_) {
    failure f = std::move(*leading_);
    leading_.reset();
    types_.take_one(type_of(f.exception));
    return f;
  }
  --secondary_;
  const auto first = std::min_element(kept_.begin(), kept_.end(), later_on_top);
  failure f = std::move(*first);
  *first = std::move(kept_.back());
  kept_.pop_back();
  std::make_heap(kept_.begin(), kept_.end(), later_on_top);
  types_.take_one(type_of(f.exception));
  return f;
}

std::vector<failure> error_set::take_sorted() noexcept {
  if (leading_) {
    // Secondary ones, of which there may be many, can all have earlier paths.
    if (kept_.size() == limit_) {
      std::pop_heap(kept_.begin(), kept_.end(), later_on_top);
      kept_.pop_back();
    }
    keep(*leading_);
    leading_.reset();
  }
  std::sort_heap(kept_.begin(), kept_.end(), later_on_top);
  return std::move(kept_);
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
