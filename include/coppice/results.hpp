// A stream of results: what `scheduler::map` and `fifo_pool::map` give. Each input that is taken from the
// source appears exactly once, as a value or as an error; then the stream ends, once and for ever.
//
// A stream belongs to one reader at a time; cancel() may be called from any thread.
//
//   coppice::results<row> rows = scheduler.map(lines, parse, {.capacity = 256, .name = "parse"});
//   for (coppice::result<row>& r : rows)
//     if (r.ok()) insert(r.value());
//     else std::cerr << "line " << r.index + 1 << ": " << r.error().message << '\n';
//   std::cerr << rows.report();
//
// Streams compose: a stream that is moved into `map` is the source of the next stage.
//
//   for (auto& id : scheduler.map(scheduler.map(lines, parse), store)) ...
#pragma once

#include <coppice/detail/stream_core.hpp>
#include <coppice/error.hpp>
#include <coppice/result.hpp>
#include <cstddef>
#include <iterator>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>

namespace coppice {
inline namespace v0 {

class scheduler;
class fifo_pool;

namespace detail {

template <class T>
struct result_node final : stream_node {
  std::optional<result<T>> kept;
  result_node() = default;
  ~result_node() noexcept override = default;  // also where T says that its own may throw
};

// A stream as its reader knows it.
template <class T>
class stream_of : public stream_core {
 public:
  // What could not be moved out comes first.
  result_node<T>* next_node() {
    return unmoved != nullptr ? std::exchange(unmoved, nullptr) : static_cast<result_node<T>*>(next());
  }
  result_node<T>* try_next_node(stream_core& reader, bool& ended) {
    ended = false;
    return unmoved != nullptr ? std::exchange(unmoved, nullptr)
                              : static_cast<result_node<T>*>(try_next(reader, ended));
  }
  result_node<T>* current = nullptr;  // of the iterators; the stream's
  result_node<T>* unmoved = nullptr;  // could not be moved out, and comes once more; the stream's

 protected:
  using stream_core::stream_core;
  stream_node* make_node() final { return new result_node<T>; }
  void clear(stream_node& n) noexcept final { static_cast<result_node<T>&>(n).kept.reset(); }
  void set_error(stream_node& n, kept_error error) noexcept final {
    static_cast<result_node<T>&>(n).kept.emplace(result<T>::with_error(n.sequence, std::move(error)));
  }
  kept_error error_in(const stream_node& n) const noexcept final {
    const auto& kept = static_cast<const result_node<T>&>(n).kept;
    return kept ? kept->shared_error() : nullptr;
  }
};

template <class U, class F, class T>
class stage_stream;

}  // namespace detail

/// A stream of results; an input range and a view, single pass, movable.
///
/// Back-pressure: at most `capacity` inputs are taken and not read, so a reader that stops reading stops the
/// source. No thread waits for it meanwhile.
/// In a child made by fork() nobody works on it: its members throw scheduler_stopped, its destructor returns.
/// Lifetime: a source that was given as an lvalue, and what the function refers to, must live until the
/// stream has ended or is destroyed. The pool need not: what it has finished can be read when it is gone.
/// Stop: destroying it before its end cancels it: no further input is taken, running ones finish and are
/// thrown away; if there are errors among what nobody read, the unobserved error handler gets the stream's
/// report, with those that were read. Its own function and source may do that too, on a scheduler also in
/// branches, children and jobs of theirs: then function, source and results die on the thread that is the
/// last to use them. Stopping the pool, or cancelling the job in which the stream was made, cancels it; what
/// is finished can still be read.
template <class T>
class results {
 public:
  /// Reads on; valid while the stream is.
  class iterator {
   public:
    using value_type = result<T>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    iterator() noexcept = default;
    result<T>& operator*() const noexcept { return *core_->current->kept; }
    result<T>* operator->() const noexcept { return &**this; }
    iterator& operator++() {
      results::advance(*core_);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
      return i.core_ == nullptr || i.core_->current == nullptr;
    }

   private:
    friend class results;
    explicit iterator(detail::stream_of<T>* core) noexcept : core_(core) {}
    detail::stream_of<T>* core_ = nullptr;
  };

  /// A stream that has ended.
  results() noexcept = default;
  results(results&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  results& operator=(results&& other) noexcept {
    // That the old one goes may call code of users, which finds the new one.
    auto* const before = std::exchange(core_, std::exchange(other.core_, nullptr));
    if (before != nullptr) before->abandon();
    return *this;
  }
  ~results() {
    if (auto* const mine = std::exchange(core_, nullptr)) mine->abandon();
  }

  /// The next result; empty at the end, for ever.
  ///
  /// Blocks: until there is one. On a worker of the same scheduler it works on the stream meanwhile; on a
  /// worker of a fifo_pool in which one of the stream's stages runs fifo_options::on_recursion holds.
  /// Throws: would_deadlock inside the stream's own function, on the thread that runs the input, and as
  /// fifo_options::on_recursion says; what moving the result throws, which is the next one still. Other waits
  /// that cannot end are not seen and do not end: a source that reads its own stream, a function that does so
  /// in a branch, child or job that another thread took, two streams whose functions read each other.
  ///
  /// Cost: no lock and no allocation where results are ready, but two locks for a quarter of the window. A
  /// worker that reads and has to run inputs itself runs one at a time, in some 0.7 us beside the input's. A
  /// reader that waits is woken by the first result. Where its waits, and the inputs that it runs, take less
  /// than 200 us several times in a row, and the window is 64 or more, it lets results gather for as long as
  /// that brings more of them in a time: until half a window is there, or the end, or a millisecond is over.
  /// A result may wait that long to be read.
  std::optional<result<T>> next() {
    if (core_ != nullptr && core_->current != nullptr) core_->set_apart();
    auto* const node = core_ != nullptr ? core_->next_node() : nullptr;
    if (node == nullptr) return std::nullopt;
    struct after {
      detail::stream_of<T>& core;
      detail::result_node<T>* read;
      ~after() {
        if (read != nullptr) core.give_back(read);
      }
    } give_back{*core_, node};
    try {
      return std::optional<result<T>>(std::in_place, std::move(*node->kept));
    } catch (...) {
      core_->unmoved = std::exchange(give_back.read, nullptr);
      throw;
    }
  }

  /// At the result at which a loop was left, if nothing was read since, else at the next one. While a loop
  /// stands at a result, next() reads on behind it, and the loop goes on behind what that has read.
  ///
  /// Blocks: as next().
  iterator begin() {
    if (core_ != nullptr && (core_->current == nullptr || core_->is_apart())) advance(*core_);
    return iterator(core_);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Takes no further input; running ones finish or leave by `cancelled`. What is finished can be read, then
  /// the stream ends. True for the one call that did it.
  ///
  /// Threads: any.
  bool cancel(std::string reason = {}) {
    return core_ != nullptr && core_->cancel(detail::stream_stop::cancelled, "outside", std::move(reason));
  }

  /// Whether the end has come: next() is empty at once.
  bool done() const { return core_ == nullptr || (core_->unmoved == nullptr && core_->ended()); }

  /// Counts of inputs and the first errors, in order of taking.
  ///
  /// Throws: std::logic_error while inputs are running or left.
  const job_report& report() {
    if (core_ == nullptr)
      throw std::logic_error(
          "coppice: no state: this stream is empty (made without a source, or moved from)");
    return core_->report();
  }

 private:
  template <class, class, class>
  friend class detail::stage_stream;
  friend class scheduler;
  friend class fifo_pool;

  explicit results(detail::stream_of<T>* core) noexcept : core_(core) {}
  static void advance(detail::stream_of<T>& core) {
    if (core.current != nullptr) core.give_back(std::exchange(core.current, nullptr));
    core.current = core.next_node();
  }

  detail::stream_of<T>* core_ = nullptr;
};

}  // namespace v0
}  // namespace coppice
