#include "platform/thread.hpp"

#include <sched.h>

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <system_error>

namespace coppice {
inline namespace v0 {
namespace platform {

namespace {

struct start {
  thread::body run;
  void* argument;
  std::string name;
};

void* begin(void* raw) {
  const std::unique_ptr<start> s(static_cast<start*>(raw));
  pthread_setname_np(pthread_self(), s->name.c_str());
  s->run(s->argument);
  return nullptr;
}

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (std::max(bytes, static_cast<std::size_t>(PTHREAD_STACK_MIN)) + page - 1) / page * page;
}

}  // namespace

thread::thread(const std::string& name, std::size_t stack_bytes, body run, void* argument) {
  // The system keeps 15 characters of a name.
  auto s = std::make_unique<start>(start{run, argument, name.substr(0, 15)});
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error == 0) {
    error = pthread_attr_setstacksize(&attributes, whole_pages(stack_bytes));
    if (error == 0) error = pthread_create(&handle_, &attributes, &begin, s.get());
    pthread_attr_destroy(&attributes);
  }
  if (error != 0)
    throw std::system_error(
        error, std::generic_category(),
        "coppice: cannot start thread " + name + " with a stack of " + std::to_string(stack_bytes) +
            " bytes (ask for fewer workers or a smaller stack, or raise the process limits)");
  s.release();  // NOLINT(bugprone-unused-return-value): the thread owns it
  joinable_ = true;
}

void thread::join() noexcept {
  if (!joinable_) return;
  joinable_ = false;
  pthread_join(handle_, nullptr);
}

int current_cpu() noexcept { return sched_getcpu(); }

std::chrono::nanoseconds thread::processor_time() const noexcept {
  clockid_t which{};
  timespec used{};
  if (!joinable_ || pthread_getcpuclockid(handle_, &which) != 0 || clock_gettime(which, &used) != 0)
    return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

std::uintptr_t lowest_stack_address() noexcept {
#ifdef __linux__
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
  void* low = nullptr;
  std::size_t size = 0;
  const int error = pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  return error == 0 ? reinterpret_cast<std::uintptr_t>(low) : 0;
#else
  return 0;
#endif
}

}  // namespace platform
}  // namespace v0
}  // namespace coppice
