// The address sanitizer sees the program only: the library is compiled without it, and the program's
// variables lie on stacks of the sanitizer's.
#include <coppice/coppice.hpp>

#include "support/fib.hpp"

int main() {
  coppice::scheduler s({.workers = 4});
  for (int i = 0; i < 20; ++i)
    if (s.run([] { return support::fib(20); }) != 6765) return 1;
  return 0;
}
