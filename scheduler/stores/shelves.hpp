// Memory for jobs that come, from jobs that are over: blocks of one size, a bounded number of them.
//
// A block goes from the thread that submits to the one that ends the job, and back. The system's allocator
// pays for that with a lock on both sides; here it is an exchange on a line that few others touch. Each
// thread has a home among a few shelves. On a shelf hangs a chain of blocks, or nothing. Whoever takes a
// chain off has it for himself; he takes a block or adds one, and hangs the rest up again: at home if nobody
// else has meanwhile, or on another empty shelf. What finds no room goes to the system. A worker, which ends
// one job after the other, collects a whole chain before it hangs that up.
//
// Who writes what. A shelf's word: everybody. A chain: whoever took it off, nobody while it hangs. A
// collection: its worker.
//
// Invariant. A block is in use, or in one chain; a chain hangs on one shelf, or one thread has it. Chains are
// taken by an exchange and hung up where nothing hangs, so nobody goes by what he has read before: a block
// that comes back to the same shelf deceives no one.
//
// Orders
//   shelf  exchange acquire, compare_exchange release: whoever takes a chain comes after all that was done
//          with its blocks.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <cstddef>
#include <cstdint>

namespace coppice {
inline namespace v0 {
namespace detail {

class shelves {
  struct block {
    block* next;
    std::uint32_t length;  // of the chain that begins here
  };

 public:
  static constexpr unsigned number = job_shelves;
  static constexpr std::uint32_t longest_chain = blocks_on_a_shelf;

  class collection {
   public:
    collection() = default;
    collection(const collection&) = delete;
    collection& operator=(const collection&) = delete;
    ~collection() { free(chain_); }  // to the system
    // Null: it is empty.
    void* take() noexcept;

   private:
    friend class shelves;
    block* chain_ = nullptr;
  };

  shelves() = default;
  shelves(const shelves&) = delete;
  shelves& operator=(const shelves&) = delete;
  ~shelves() { clear(); }

  // Of the caller's home shelf, or of another one. Null: nothing hangs anywhere.
  void* take(unsigned home) noexcept;
  // A block that came from ::operator new. It goes back there when all shelves are full.
  void give(unsigned home, void* memory) noexcept;
  // The same by way of what a worker collects: a full chain is hung up first.
  void give(unsigned home, collection& mine, void* memory) noexcept;
  // To the system with all that hangs now.
  void clear() noexcept;

 private:
  struct alignas(cache_line) shelf {
    atomic<block*> chain{nullptr};
    block* take() noexcept;
    bool hang(block* b) noexcept;
  };
  shelf& at(unsigned i) noexcept { return shelves_[i % number]; }
  bool hang(unsigned home, block* chain) noexcept;
  static block* add(block* chain, void* memory) noexcept;
  static void free(block* chain) noexcept;

  shelf shelves_[number];
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
