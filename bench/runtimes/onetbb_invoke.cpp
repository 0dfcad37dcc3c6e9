// Forks by tbb::parallel_invoke.
#include "runtimes/onetbb.hpp"

namespace bench {

void add_onetbb_invoke_rows(unsigned workers) {
  using runtime = onetbb_runtime<invoke_verbs>;
  add_fork_rows<runtime>("onetbb_invoke", workers);
  add_wide_rows<runtime, by_halves>("onetbb_invoke", workers);
  add_chains<runtime>("onetbb_invoke", workers);
}

}  // namespace bench
