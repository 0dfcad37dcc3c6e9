#include "explorer/fiber.hpp"

#include <cxxabi.h>
#include <sys/mman.h>

#include <new>

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "the explorer switches stacks by hand and knows x86-64 and aarch64 only"
#endif

// switch_stack(void** keep, void* next): saves what a call must preserve on the current stack, its pointer in
// *keep, and goes on with `next`.
#if defined(__x86_64__)
asm(R"(
.text
.globl coppice_model_switch_stack
.type coppice_model_switch_stack, @function
coppice_model_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size coppice_model_switch_stack, .-coppice_model_switch_stack
.globl coppice_model_begin_stack
.type coppice_model_begin_stack, @function
coppice_model_begin_stack:
  movq %r12, %rdi
  callq *%rbx
  ud2
.size coppice_model_begin_stack, .-coppice_model_begin_stack
)");
#else
asm(R"(
.text
.globl coppice_model_switch_stack
.type coppice_model_switch_stack, @function
coppice_model_switch_stack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size coppice_model_switch_stack, .-coppice_model_switch_stack
.globl coppice_model_begin_stack
.type coppice_model_begin_stack, @function
coppice_model_begin_stack:
  mov x0, x20
  blr x19
  brk #0
.size coppice_model_begin_stack, .-coppice_model_begin_stack
)");
#endif

extern "C" {
void coppice_model_switch_stack(void** keep, void* next) noexcept;
void coppice_model_begin_stack() noexcept;
}

namespace model {

namespace {

// The head of the runtime's own record, as the C++ ABI lays it down.
struct exception_globals {
  void* caught;
  unsigned uncaught;
};

exception_globals& globals() noexcept {
  return *reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
}

}  // namespace

fiber::fiber() {
  stack_ = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack_ == MAP_FAILED) throw std::bad_alloc();
}

fiber::~fiber() { munmap(stack_, stack_bytes); }

void fiber::begin(body run, void* argument) noexcept {
  auto* top = reinterpret_cast<std::uintptr_t*>(static_cast<unsigned char*>(stack_) + stack_bytes);
  const auto entry = reinterpret_cast<std::uintptr_t>(&coppice_model_begin_stack);
  const auto code = reinterpret_cast<std::uintptr_t>(run);
  const auto data = reinterpret_cast<std::uintptr_t>(argument);
#if defined(__x86_64__)
  *--top = 0;
  *--top = 0;  // two words: the stack is aligned at the call, and a backtrace ends
  *--top = entry;
  *--top = 0;     // rbp
  *--top = code;  // rbx
  *--top = data;  // r12
  *--top = 0;     // r13
  *--top = 0;     // r14
  *--top = 0;     // r15
#else
  top -= 20;
  for (int i = 0; i < 20; ++i) top[i] = 0;
  top[0] = code;    // x19
  top[1] = data;    // x20
  top[11] = entry;  // x30
#endif
  top_ = top;
  caught_exceptions_ = nullptr;
  uncaught_exceptions_ = 0;
}

void fiber::enter(fiber& from) noexcept {
  exception_globals& now = globals();
  from.caught_exceptions_ = now.caught;
  from.uncaught_exceptions_ = now.uncaught;
  now = {caught_exceptions_, uncaught_exceptions_};
  coppice_model_switch_stack(&from.top_, top_);
}

}  // namespace model
