// Forks and spawns by tbb::task_group.
#include "runtimes/onetbb.hpp"

namespace bench {

void add_onetbb_group_rows(unsigned workers) {
  using runtime = onetbb_runtime<group_verbs>;
  add_fork_rows<runtime>("onetbb_group", workers);
  add_wide_rows<runtime, by_group>("onetbb_group", workers);
  add_group_rows<runtime>("onetbb", workers);
  add_crowds<runtime>("onetbb", workers);
  add_chains<runtime>("onetbb_group", workers);
  if (workers == 1)
    add_skip<runtime>("onetbb", workers);  // with more, its tasks run before they can be cancelled
}

}  // namespace bench
