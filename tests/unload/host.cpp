// Loads a library that has a scheduler, runs a tree in it, unloads it, many times: no thread stays behind,
// none runs code that is gone.
#include <dlfcn.h>

#include <cstdio>

#include "support/process.hpp"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  for (int i = 0; i < 20; ++i) {
    void* const library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      std::fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    const auto run = reinterpret_cast<long (*)(int)>(dlsym(library, "plugin_run"));
    if (run == nullptr || run(15) != 610) return 1;
    if (dlclose(library) != 0) return 1;
    if (support::threads_settled(1) != 1) {
      std::fprintf(stderr, "threads are left after dlclose\n");
      return 1;
    }
  }
  return 0;
}
