#include "explorer/sharing.hpp"

#include <bit>
#include <utility>

namespace model {

bool sharing::matters(std::uint64_t key, unsigned thread, bool writes) noexcept {
  if (all_) return true;
  users& u = users_[key];
  const auto bit = static_cast<std::uint8_t>(1U << thread);
  const users before = u;
  u.readers |= bit;
  if (writes) u.writers |= bit;
  const auto in_conflict = [](const users& w) {
    return w.writers != 0 && (std::has_single_bit(w.writers) ? (w.readers & ~w.writers) != 0 : true);
  };
  // A reader or a writer more changes which accesses of the others matter, once somebody writes.
  if (in_conflict(u) && (u.readers != before.readers || u.writers != before.writers)) news_ = true;
  return writes ? (u.readers & ~bit) != 0 : (u.writers & ~bit) != 0;
}

bool sharing::take_news() noexcept { return std::exchange(news_, false); }

}  // namespace model
