// Loads a library that has a scheduler, runs a tree in it, unloads it, many times: no thread stays behind,
// none runs code that is gone, nor does the program's own scheduler, nor a fork.
#include <dlfcn.h>

#include <coppice/coppice.hpp>
#include <cstdio>

#include "support/fib.hpp"
#include "support/process.hpp"

namespace {

bool says(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  return false;
}

bool load_run_and_unload(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return says(dlerror());
  const auto run = reinterpret_cast<long (*)(int)>(dlsym(library, "plugin_run"));
  if (run == nullptr || run(15) != 610) return says("the library's scheduler gives no result");
  if (dlclose(library) != 0) return says(dlerror());
  return support::threads_settled(1) == 1 || says("threads are left after dlclose");
}

// Its task waits for a task of a pool: floors that ask each other who waits.
bool use_the_own_copy() {
  coppice::scheduler pool({.workers = 2});
  coppice::fifo_pool fifo({.workers = 1});
  return pool.run([&] { return fifo.submit([] { return 7; }).get() + support::fib(10); }) == 62 ||
         says("the program's scheduler gives no result");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  for (int i = 0; i < 20; ++i)
    if (!load_run_and_unload(arguments[1]) || !use_the_own_copy()) return 1;
  return support::in_child_process(&use_the_own_copy) ? 0 : 1;
}
