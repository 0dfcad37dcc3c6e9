// A program: a random tree of things that tasks do, as a value. It can be run by the scheduler, judged by the
// oracle, made smaller, and printed as C++.
//
// A node is run at most once, so its number says everything about it: who was here, which job, which error.
// The children of a job's node are its root's body and, for a job whose handle is kept, what is done
// meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fuzz {

enum class kind : std::uint8_t {
  leaf,         ///< busy for `amount` rounds, with a vector of as many words
  sequence,     ///< the children one after the other, in the same place
  join,         ///< 2 or 3 branches
  group,        ///< a task_group: the children, then wait
  left_group,   ///< a task_group that is left without a wait; with `amount`, by a throw
  spawn,        ///< children of the job alone
  spawn_into,   ///< children for the group `target`, which an ancestor waits for
  loop,         ///< parallel_for over the children, or over `amount` numbers; number `target` throws
  reduce,       ///< parallel_reduce, in the same way
  job,          ///< a job submitted from here; see job_settings
  await,        ///< waits for the kept job `target`; with `amount`, by get
  cancel_kept,  ///< cancels the kept job `target`
  attempt,      ///< the child, its errors caught; with `amount`, `cancelled` too
  raise,        ///< throws
  fail,         ///< this_task::fail
  cancel_own,   ///< this_task::cancel_job
  standing,     ///< within blocking: the children one after the other, then `amount` yields
};
inline constexpr std::size_t kinds = 17;
const char* to_string(kind) noexcept;

/// What becomes of the handle of a job that a task submits.
enum class ending : std::uint8_t { get, wait, drop, detach, keep };
enum class limit : std::uint8_t { none, passed, soon, far };

struct job_settings {
  bool collect_all = true;
  std::size_t keep_errors = 64;
  bool shield = false;
  bool crosses = false;  ///< to the other one of the two schedulers
  limit deadline = limit::none;
  ending end = ending::get;
};

/// No target. In a loop: nobody throws.
inline constexpr std::uint32_t nothing = 0xffffffff;

struct node {
  kind what = kind::leaf;
  std::uint32_t id = 0;
  std::uint32_t amount = 0;
  std::uint32_t target = nothing;
  bool named = false;  ///< its task has a name
  job_settings job = {};
  std::vector<node> children = {};
};

/// When an outside thread cancels a root job: never, or once so many nodes have begun.
inline constexpr std::uint32_t never = 0xffffffff;

struct program {
  std::uint64_t seed = 0;
  unsigned workers = 1;
  unsigned other_workers = 1;
  unsigned spares = 256;  ///< max_spare_workers of both schedulers
  std::size_t injection_capacity = 1024;
  bool look_at_paths = false;                    ///< each node asks for its path
  std::vector<node> roots = {};                  ///< jobs
  std::vector<std::uint32_t> cancel_after = {};  ///< one for each root
};

/// The limits of the generator.
struct shape {
  std::uint32_t nodes = 60;  ///< about as many at most
  bool exact = true;         ///< only what has one outcome, whatever the schedule
  unsigned workers = 0;      ///< 0: chosen
};

/// The program of a seed; which seeds are exact is a part of it.
program make_program(std::uint64_t seed, unsigned workers = 0);
program make_program(std::uint64_t seed, const shape& s);

/// Calls f for each node, a node before its children.
void for_each(const node& n, const std::function<void(const node&)>& f);
void for_each(const program& p, const std::function<void(const node&)>& f);
std::uint32_t number_of_nodes(const program& p);
/// Numbers above all those in use; what arrays by number need.
std::uint32_t end_of_ids(const program& p);
bool has_kind(const program& p, kind k);

/// Whether there is one outcome only, whatever the schedule: nothing is cancelled, dropped or stopped by an
/// error.
bool is_exact(const program& p);
/// Whether the program keeps the rules that the generator keeps: branches are 2 or 3, targets are in reach. A
/// smaller program that does not is no program.
bool is_valid(const program& p);
/// By node: whether it runs on the second scheduler. Of a job's node: whether the job does.
std::vector<bool> runs_on_other(const program& p);

}  // namespace fuzz
