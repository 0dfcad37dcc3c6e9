// A thread that takes no part in a plan's streams and disturbs them: cancels one, gives a scheduler or pool
// another number of workers. When it does so the plan says, by how many functions have begun.
#pragma once

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "streams/item.hpp"
#include "streams/plan.hpp"
#include "streams/seen.hpp"
#include "streams/world.hpp"

namespace fuzz::streams {

class bystander {
 public:
  /// Ends with it: what is not due by then does not happen.
  bystander(const plan& p, world& on, observation& seen);
  ~bystander();
  bystander(const bystander&) = delete;
  bystander& operator=(const bystander&) = delete;

  /// A function of this stream begins. Threads: any.
  void function_begins(std::uint32_t stream);
  /// From now on this stream can be cancelled, until the reader withdraws it. It stays where it is meanwhile.
  void offer(std::uint32_t stream, coppice::results<item>& from);
  void withdraw(std::uint32_t stream);

 private:
  struct watched {
    std::atomic<std::uint32_t> begun{0};
    coppice::results<item>* open = nullptr;  // of lock_
    bool done = false;                       // of the thread
  };

  void watch();
  bool cancel_what_is_due();
  bool resize_what_is_due();
  void something_happened();

  const plan& plan_;
  world& on_;
  observation& seen_;
  std::mutex lock_;
  std::vector<watched> streams_;
  std::size_t resized_ = 0;
  std::atomic<std::uint32_t> begun_{0}, news_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace fuzz::streams
