// A fiber: a stack of its own on which one modelled thread runs, and the switch from one to another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace model {

class fiber {
 public:
  using body = void (*)(void*);

  fiber();
  ~fiber();
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  // The next switch to this fiber begins body(argument), which must never return. What ran here before is
  // abandoned as it stands.
  void begin(body run, void* argument) noexcept;

  // Goes on with this fiber; the calling context is kept in *from. Also swaps what the C++ runtime keeps for
  // each thread about exceptions in flight.
  void enter(fiber& from) noexcept;

  std::uintptr_t lowest_address() const noexcept { return reinterpret_cast<std::uintptr_t>(stack_); }

  static constexpr std::size_t stack_bytes = std::size_t{256} * 1024;

 private:
  void* stack_ = nullptr;
  void* top_ = nullptr;  // the stack pointer while another fiber runs
  void* caught_exceptions_ = nullptr;
  unsigned uncaught_exceptions_ = 0;
};

}  // namespace model
