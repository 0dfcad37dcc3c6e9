// The owner's fast path as functions that disassemble.py looks at: none may hold a fence or a locked
// instruction.
#include <coppice/detail/deque.hpp>
#include <coppice/join.hpp>

using coppice::detail::deque_index;
using coppice::detail::frame;
using coppice::detail::split_deque;

extern "C" {

long owner_fib(int n) {
  if (n < 2) return n;
  auto [a, b] = coppice::join([=] { return owner_fib(n - 1); }, [=] { return owner_fib(n - 2); });
  return a + b;
}

void owner_join_by_reference(void (*f)(int&), int& x, int& y) {
  coppice::join([&, f] { f(x); }, [&, f] { f(y); }, [&, f] { f(x); });
}

bool owner_push(split_deque& d, frame& f, deque_index& index) { return d.push_below_bound(f, &index); }
bool owner_pop_if_private(split_deque& d, deque_index index) { return d.pop_if_private(index); }
frame* owner_pop(split_deque& d) { return d.pop(); }

#ifdef WITH_MUTANT
// The checker must see this one.
long owner_mutant(coppice::detail::atomic<long>& x) {
  return x.fetch_add(1, coppice::detail::memory_order_relaxed);
}
#endif
}
