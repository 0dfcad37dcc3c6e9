// The same situations for each runtime: what does the user see? Each runs in a process of its own, so that a
// crash or a hang is a result like any other.
#pragma once

#include <string>
#include <vector>

namespace behaviour {

enum situation : unsigned {
  thousand_throws,
  throw_after_cancel,
  group_in_cancelled_group,
  group_not_waited_for,
  nested_groups,
  fork_and_go_on,
  lock_around_a_loop,
  throwing_destructor,
  situations
};

inline constexpr const char* rules[situations] = {"C-24: 1000 tasks of one group throw",
                                                  "C-18: a task throws after the cancel",
                                                  "C-13: a group inside of a cancelled one",
                                                  "C-11: a group leaves its scope without a wait",
                                                  "10,000 nested groups",
                                                  "C-37: the child of a fork goes on",
                                                  "C-29: a lock around a nested loop",
                                                  "C-08: a closure's destructor throws"};

// What happened, in a few words.
std::string with_coppice(situation s);
std::string with_onetbb(situation s);

}  // namespace behaviour
