// Who waits for whom, across pools and schedulers: finds the wait that could never end, before it begins.
//
// A *party* is what waits or is awaited: a job, a worker of a FIFO pool, a task of one. A wait of one party
// for what another pool or scheduler does is registered here. What a party cannot go on without it says
// itself when it is asked: only a search asks, and only the one who begins to wait searches. Who waits for
// room in a queue begins again when somebody else has taken that.
//
// Stuck is what needs all of several parties of which one is stuck, or one of several that are all stuck; the
// largest set of parties of which that is true, as a circle is stuck by itself. A search looks twice. Each
// wait has a number, so a party that shows the same waits both times was in them all the while between, and
// what both looks find stuck was stuck at one moment.
//
// Who writes what. Everything under one lock, which is held around a fork, and under which parties ask for
// their own locks: nobody takes it while holding one of those. No user code runs under it.
#pragma once

#include <coppice/detail/atomic.hpp>
#include <coppice/detail/mutex.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace coppice {
inline namespace v0 {
namespace platform {

class party;

// What a party says of itself.
struct outlook {
  enum class needs { nothing, all, one };
  struct link {
    const party* who;
    std::uint64_t wait;  // its number, even if registered here; 0: no wait, it is so for good
    friend bool operator==(const link&, const link&) = default;
  };
  needs what = needs::nothing;
  std::vector<link> of;

  void add(const party& who, std::uint64_t wait = 0) { of.push_back({&who, wait}); }
  friend bool operator==(const outlook&, const outlook&) = default;
};

class wait_elsewhere;

class party {
 public:
  party() = default;
  virtual ~party() = default;
  party(const party&) = delete;
  party& operator=(const party&) = delete;

  // Throws std::bad_alloc.
  virtual outlook look() const = 0;
  // As in "... waits for ...".
  virtual std::string text() const = 0;

 protected:
  void add_waits_elsewhere(outlook& o) const;

 private:
  friend class wait_elsewhere;
  wait_elsewhere* first_ = nullptr;
};

// The lock that everything here is under.
detail::mutex& waits_lock() noexcept;

// Whether anybody waits elsewhere. A party that starts to wait in its own pool, and after that reads zero, is
// seen by whoever comes then.
bool anybody_waits_elsewhere() noexcept;

// Under the lock, by who has begun to wait: why that could never end, or "". Throws std::bad_alloc.
std::string why_endless(const party& waiting, const party& awaited);

// The party that a thread is: set by threads of FIFO pools; asked for by running_party().
extern constinit thread_local party* thread_party;
// The job whose task runs on this thread, or null. The job floor provides it.
party* running_job() noexcept;
inline party* running_party() noexcept { return thread_party != nullptr ? thread_party : running_job(); }

// One wait, on the stack of who waits; nothing if that is no party. Holding no lock of a party.
class wait_elsewhere {
 public:
  // Without memory for the search the wait may go on.
  wait_elsewhere(party* waiting, const party& awaited);
  ~wait_elsewhere();
  wait_elsewhere(const wait_elsewhere&) = delete;
  wait_elsewhere& operator=(const wait_elsewhere&) = delete;
  // Why it could never end, with the chain: then it is not registered. "": it may begin.
  const std::string& why_endless() const noexcept { return why_; }

 private:
  friend class party;
  void enter() noexcept;
  void leave() noexcept;

  party* waiting_;  // null: not registered
  const party& awaited_;
  std::string why_;
  std::uint64_t number_ = 0;
  wait_elsewhere* next_ = nullptr;
};

}  // namespace platform
}  // namespace v0
}  // namespace coppice
