// A shared library with a scheduler of its own.
#include <coppice/coppice.hpp>
#include <memory>

namespace {

long fib(int n) {
  if (n < 2) return n;
  const auto [a, b] = coppice::join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

// Ended when the library is unloaded.
std::unique_ptr<coppice::scheduler> own;  // NOLINT

}  // namespace

extern "C" __attribute__((visibility("default"))) long plugin_run(int n) {
  if (own == nullptr) own = std::make_unique<coppice::scheduler>(coppice::scheduler_options{.workers = 3});
  return own->run([=] { return fib(n); });
}
