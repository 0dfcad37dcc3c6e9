// The memory that atomics see: for each location all stores in their modification order, of which a load may
// read any that its thread does not yet know to be overwritten.
//
// The model. A store becomes the newest of its location when it is executed (modification order is execution
// order). A load reads any store that is not older than what its thread knows of: its own accesses to the
// location, what happens before them, and for seq_cst what the single total order says. A read-modify-write
// reads the newest. A release store carries its thread's knowledge, read-modify-writes hand on what the store
// they replace carried, an acquire takes it. The single total order is execution order too.
//
// Left out: executions in which the modification order differs from the order of execution, and those in
// which a load is satisfied by a store that comes later (C++ allows both; x86 does neither, and no compiler
// does the second).
//
// Source: Kang, Hur, Lahav, Vafeiadis and Dreyer, A promising semantics for relaxed-memory concurrency
// (2017), the machine without promises; Goodman et al., P1202 (2018), for the pair of a heavy and a light
// fence.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "explorer/clocks.hpp"

namespace model {

// What one thread knows.
struct knowledge {
  view seen;            // no load may read anything older
  view at_light_fence;  // what it had seen at its last compiler barrier
  vector_clock clock;
};

// One store in a location's modification order.
struct message {
  std::uint64_t value;
  // What an acquire of it gets: nothing, or the view and the clock of the release that it carries on.
  const std::uint16_t* carried = nullptr;
  std::uint32_t carried_size = 0;
  vector_clock carried_clock;
};

struct location {
  unsigned id = 0;
  std::uint64_t key = 0;  // the same object in another execution
  const void* address = nullptr;
  unsigned bytes = 0;
  std::vector<message> stores;
  std::uint16_t newest() const noexcept { return static_cast<std::uint16_t>(stores.size() - 1); }
};

class memory {
 public:
  // A new execution.
  void clear() noexcept;

  location* find(const void* address) noexcept;
  // An atomic object begins its life with this value, known to `by`.
  location& make(const void* address, unsigned bytes, std::uint64_t value, std::uint64_t key, knowledge& by);
  void forget(location& l) noexcept;

  // The oldest store that may be read now.
  std::uint16_t oldest_readable(const location& l, const knowledge& by, bool seq_cst) const noexcept;
  void read(location& l, std::uint16_t which, knowledge& by, std::memory_order order) noexcept;
  void write(location& l, std::uint64_t value, knowledge& by, std::memory_order order) noexcept;
  // Reads the newest store and replaces it.
  void exchange(location& l, std::uint64_t value, knowledge& by, std::memory_order order) noexcept;

  void fence(knowledge& by, std::memory_order order) noexcept;
  void light_fence(knowledge& by) noexcept;
  // A fence on every thread: it meets each of them between two of its compiler barriers.
  void heavy_fence(knowledge& by, const std::vector<knowledge*>& all) noexcept;
  // Stores reach everybody in the end: a thread that polls sees the newest of all.
  void catch_up(knowledge& k) noexcept;

  std::size_t locations() const noexcept { return made_; }

 private:
  void append(location& l, std::uint64_t value, const knowledge& by, bool release, bool hand_on);

  std::vector<std::unique_ptr<location>> all_;
  std::size_t made_ = 0;
  // Open addressing; an entry of an earlier execution is free.
  struct entry {
    const void* address = nullptr;
    location* is = nullptr;  // null: its life has ended
    std::uint64_t execution = 0;
  };
  entry& entry_of(const void* address) noexcept;
  std::vector<entry> by_address_ = std::vector<entry>(4 * max_locations);
  std::uint64_t execution_ = 1;
  view total_order_;  // what the last seq_cst access or fence of each location has shown
  view heavy_;        // what the heavy fences have shown
  // Carried views live as long as the execution.
  std::vector<std::unique_ptr<std::uint16_t[]>> blocks_;
  std::size_t block_ = 0, used_ = 0;
  std::uint16_t* room_for(unsigned n);
};

inline bool acquires(std::memory_order o) noexcept {
  return o == std::memory_order_acquire || o == std::memory_order_acq_rel || o == std::memory_order_seq_cst ||
         o == std::memory_order_consume;
}
inline bool releases(std::memory_order o) noexcept {
  return o == std::memory_order_release || o == std::memory_order_acq_rel || o == std::memory_order_seq_cst;
}

}  // namespace model
