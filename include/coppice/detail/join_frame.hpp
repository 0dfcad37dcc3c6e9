// The frame of one forked branch of a join, on the forking function's stack, and the running of a stolen one.
//
// Written once by the fork: run, state, the place, the closure's address. The value at the end is touched
// only when the branch was stolen: by its thief before it ends the frame, then by the joiner.
#pragma once

#include <coppice/detail/config.hpp>
#include <coppice/detail/frame.hpp>
#include <coppice/detail/place.hpp>
#include <coppice/detail/worker.hpp>
#include <coppice/error.hpp>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <variant>

namespace coppice {
inline namespace v0 {
namespace detail {

// What a branch's result is in the tuple that join returns: void counts as std::monostate.
template <class F>
using branch_result =
    std::conditional_t<std::is_void_v<std::invoke_result_t<F>>, std::monostate, std::invoke_result_t<F>>;

template <class F>
[[gnu::always_inline]] inline branch_result<F> call_branch(F&& f) {
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    std::forward<F>(f)();
    return {};
  } else {
    return std::forward<F>(f)();
  }
}

// The thief's part of a stolen branch: its place, the checks before and the record after.
class COPPICE_API stolen_branch {
 public:
  stolen_branch(worker& w, frame& f, const place& forked_at) noexcept;
  bool may_run() const noexcept;
  // In a handler: the end word that carries the exception and its place; skipped when it is the cancellation
  // itself.
  std::uintptr_t failed() noexcept;
  // The last step: f may be gone afterwards.
  void end(std::uintptr_t end_word) noexcept;

 private:
  worker& w_;
  frame& f_;
  const spot outer_;
  task_frame* const outer_task_;
  stolen_place here_;
};

// What every branch's frame begins with. Two stores of two words each write it where the machine has them: a
// fork's time is that of its stores (bench/notes/2026-11-28-what-a-fork-stores.md).
struct alignas(2 * sizeof(void*)) branch_head : frame, place {
  struct beginning {
    run_function run;
    std::uintptr_t state;
  };
#if defined(__SSE2__) && defined(__x86_64__) && !defined(COPPICE_POLICY)
  COPPICE_INLINE branch_head(const beginning& first, spot above, std::uint32_t branches_before) noexcept {
    using two_words [[gnu::vector_size(16), gnu::may_alias]] = long long;
    static_assert(sizeof(frame) == sizeof(two_words) && sizeof(place) == sizeof(two_words));
    *static_cast<two_words*>(static_cast<void*>(static_cast<frame*>(this))) =
        *static_cast<const two_words*>(static_cast<const void*>(&first));
    // With nothing in the upper word that is one instruction from the spot to both.
    *static_cast<two_words*>(static_cast<void*>(static_cast<place*>(this))) =
        two_words{static_cast<long long>(link(above, place_kind::join)), branches_before};
  }
#else
  branch_head(const beginning& first, spot above, std::uint32_t branches_before) noexcept
      : frame{first.run, first.state}, place{link(above, place_kind::join), branches_before, {}} {}
#endif
};

// Ends a join on every way out: the spot above runs again, so many branches later.
[[gnu::always_inline]] inline void leave_join(worker& w, const place& here, std::uint16_t branches) noexcept {
  w.where().go_on(here.above_of_join(), branches);
}

// What the ways out of a level of a join need that do not end well. Those are the library's: as templates
// they would be compiled once for each join of a program
// (bench/notes/2026-11-30-what-a-join-and-a-spawn-compile-to.md).
struct join_level {
  std::uint16_t branches;                     // of the whole join; 0: an outer level leaves it
  void (*drop_value)(branch_head&) noexcept;  // null: there is nothing to do
};

// The deque was full as far as its owner had looked: looks for room and pushes. 0: there is none, so the
// branches run here, one after the other; else the frame's index.
COPPICE_API deque_index push_at_bound(worker& w, branch_head& f) noexcept;

// Answers the attention word after a fork. Throws cancelled if the job is, recursion_too_deep if the stack
// ends; then f is taken back from the deque if it was pushed, or its thief waited for, and the level is over.
COPPICE_API void answer_before(worker& w, branch_head& f, const join_level& level, bool pushed);

// A branch has thrown before the later branch `f` of the same join: takes f back from the deque if it was
// pushed, or waits for its thief, and runs it if the job's policy wants every branch run. In a handler.
COPPICE_API void end_after_failure(worker& w, branch_head& f, const join_level& level, bool pushed) noexcept;

// The last branch of a level has thrown on the joiner's own thread. In a handler.
COPPICE_API void end_after_own_failure(worker& w, const join_level& level) noexcept;

// All branches before this one have ended well: takes its frame back (true) or waits for its thief, and lets
// go of children that waited for the earlier branches.
COPPICE_API bool take_back_or_join(worker& w, branch_head& f) noexcept;

// A branch that its thief has ended: throws what it failed with, or cancelled if it was skipped; then the
// level is over.
COPPICE_API void throw_unless_value(worker& w, branch_head& f, const join_level& level);

// How a frame holds the closure of its branch. A small trivial temporary is copied, so that the joiner's own
// copy never leaves its registers; anything else is pointed to.
template <class G>
constexpr bool is_small_and_trivial() {
  using closure = std::remove_cvref_t<G>;
  if constexpr (std::is_lvalue_reference_v<G> || !std::is_object_v<closure>)
    return false;
  else
    // What can only be moved may be trivially copyable, as the language has it.
    return std::is_trivially_copyable_v<closure> && std::is_trivially_copy_constructible_v<closure> &&
           std::is_trivially_destructible_v<closure> && sizeof(closure) <= 2 * sizeof(void*);
}
template <class G>
inline constexpr bool travels_by_copy = is_small_and_trivial<G>();

template <class G, bool Copied = travels_by_copy<G>>
struct branch_closure {
  std::remove_reference_t<G>* body;
  explicit branch_closure(std::remove_reference_t<G>& g) noexcept : body(std::addressof(g)) {}
  G&& get() noexcept { return static_cast<G&&>(*body); }
};

template <class G>
struct branch_closure<G, true> {
  std::remove_cvref_t<G> body;
  explicit branch_closure(const std::remove_reference_t<G>& g) noexcept : body(g) {}
  G&& get() noexcept { return static_cast<G&&>(body); }
};

// The frame of branch I of a join. While it is pending, its place is that of the branch before it.
template <std::size_t I, class G>
struct join_frame : branch_head {
  using result = branch_result<G>;
  using stored = std::conditional_t<std::is_reference_v<result>, std::remove_reference_t<result>*,
                                    std::remove_const_t<result>>;

  branch_closure<G> closure;
  union {
    stored value;
  };

  join_frame(std::remove_reference_t<G>& g, spot above) noexcept
      : branch_head(first_words, above, I - 1), closure(g) {}
  ~join_frame() {}  // NOLINT(modernize-use-equals-default): the union is ended by take() or drop_value()
  join_frame(const join_frame&) = delete;
  join_frame& operator=(const join_frame&) = delete;

  // The result of a branch that its thief has ended well.
  result take() noexcept(std::is_nothrow_move_constructible_v<stored>) {
    if constexpr (std::is_reference_v<result>) {
      return static_cast<result>(*value);
    } else {
      struct drop {
        stored& v;
        ~drop() { std::destroy_at(std::addressof(v)); }
      } const after{value};
      return std::move(value);
    }
  }
  static void drop_value(branch_head& f) noexcept {
    std::destroy_at(std::addressof(static_cast<join_frame&>(f).value));
  }

  static void run_stolen(frame* f, worker& w) noexcept {
    auto& self = *static_cast<join_frame*>(f);
    stolen_branch branch(w, self, self);
    std::uintptr_t end = skipped;
    if (branch.may_run()) {
      try {
        void* const room = std::addressof(self.value);
        if constexpr (std::is_reference_v<result>) {
          auto&& value = self.closure.get()();
          ::new (room) stored(std::addressof(value));
        } else {
          ::new (room) stored(detail::call_branch(self.closure.get()));
        }
        end = with_value;
      } catch (...) {
        end = branch.failed();
      }
    }
    branch.end(end);
  }

  alignas(2 * sizeof(void*)) static constexpr beginning first_words{&run_stolen, fresh};
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
