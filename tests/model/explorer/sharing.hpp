// Which objects more than one thread touches: the accesses at which it matters whose turn it is.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace model {

// Whose turn it is matters only at accesses to what another thread accesses too, one of them writing. This is
// learned while exploring: an object that proves to be shared makes the exploration begin anew.
class sharing {
 public:
  // An access by this thread. True: another thread may be in conflict with it.
  bool matters(std::uint64_t key, unsigned thread, bool writes) noexcept;
  // From now on every access matters: schedules are written down for this case, so that they can be read
  // without what was learned.
  void assume_all() noexcept { all_ = true; }
  bool take_news() noexcept;

 private:
  struct users {
    std::uint8_t readers = 0, writers = 0;
  };
  std::unordered_map<std::uint64_t, users> users_;
  bool news_ = false;
  bool all_ = false;
};

}  // namespace model
