#include "failing_new.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace faults {
namespace {

enum class mode { pass, fail_one, fail_one_here, fail_all };

// Relaxed on purpose: it must not order what the library has to order.
constexpr auto relaxed = std::memory_order_relaxed;
std::atomic<mode> how{mode::pass};
std::atomic<std::int64_t> left{0};
std::atomic<bool> one_failed{false};
std::atomic<std::int64_t> living{0};
std::atomic<std::uint64_t> injected{0};
constinit thread_local bool injects_here = false;

bool is_to_fail() noexcept {
  switch (how.load(relaxed)) {
    case mode::pass:
      return false;
    case mode::fail_one_here:
      if (!injects_here) return false;
      [[fallthrough]];
    case mode::fail_one:
      if (left.fetch_sub(1, relaxed) != 1) return false;
      one_failed.store(true, relaxed);
      break;
    case mode::fail_all:
      break;
  }
  injected.fetch_add(1, relaxed);
  return true;
}

}  // namespace

failing_allocation::failing_allocation(std::uint64_t k, scope who) noexcept {
  left.store(static_cast<std::int64_t>(k), relaxed);
  one_failed.store(false, relaxed);
  injects_here = true;
  how.store(who == scope::any_thread ? mode::fail_one : mode::fail_one_here, relaxed);
}
failing_allocation::~failing_allocation() {
  how.store(mode::pass, relaxed);
  injects_here = false;
}
bool failing_allocation::met() const noexcept { return one_failed.load(relaxed); }

no_memory::no_memory() noexcept { how.store(mode::fail_all, relaxed); }
no_memory::~no_memory() { how.store(mode::pass, relaxed); }

std::int64_t live_allocations() noexcept { return living.load(relaxed); }
std::uint64_t faults_injected() noexcept { return injected.load(relaxed); }

namespace {

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  if (is_to_fail()) return nullptr;
  if (bytes == 0) bytes = 1;
  void* const p = alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
                      ? std::malloc(bytes)
                      : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (p != nullptr) living.fetch_add(1, relaxed);
  return p;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  if (void* const p = allocate(bytes, alignment)) return p;
  throw std::bad_alloc();
}

void give_back(void* p) noexcept {
  if (p == nullptr) return;
  living.fetch_sub(1, relaxed);
  std::free(p);
}

constexpr std::size_t by_default = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
std::size_t of(std::align_val_t a) noexcept { return static_cast<std::size_t>(a); }

}  // namespace
}  // namespace faults

using std::align_val_t;
using std::nothrow_t;
using std::size_t;

void* operator new(size_t n) { return faults::allocate_or_throw(n, faults::by_default); }
void* operator new[](size_t n) { return faults::allocate_or_throw(n, faults::by_default); }
void* operator new(size_t n, align_val_t a) { return faults::allocate_or_throw(n, faults::of(a)); }
void* operator new[](size_t n, align_val_t a) { return faults::allocate_or_throw(n, faults::of(a)); }
void* operator new(size_t n, const nothrow_t&) noexcept { return faults::allocate(n, faults::by_default); }
void* operator new[](size_t n, const nothrow_t&) noexcept { return faults::allocate(n, faults::by_default); }
void* operator new(size_t n, align_val_t a, const nothrow_t&) noexcept {
  return faults::allocate(n, faults::of(a));
}
void* operator new[](size_t n, align_val_t a, const nothrow_t&) noexcept {
  return faults::allocate(n, faults::of(a));
}

void operator delete(void* p) noexcept { faults::give_back(p); }
void operator delete[](void* p) noexcept { faults::give_back(p); }
void operator delete(void* p, size_t) noexcept { faults::give_back(p); }
void operator delete[](void* p, size_t) noexcept { faults::give_back(p); }
void operator delete(void* p, align_val_t) noexcept { faults::give_back(p); }
void operator delete[](void* p, align_val_t) noexcept { faults::give_back(p); }
void operator delete(void* p, size_t, align_val_t) noexcept { faults::give_back(p); }
void operator delete[](void* p, size_t, align_val_t) noexcept { faults::give_back(p); }
void operator delete(void* p, const nothrow_t&) noexcept { faults::give_back(p); }
void operator delete[](void* p, const nothrow_t&) noexcept { faults::give_back(p); }
void operator delete(void* p, align_val_t, const nothrow_t&) noexcept { faults::give_back(p); }
void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept { faults::give_back(p); }
