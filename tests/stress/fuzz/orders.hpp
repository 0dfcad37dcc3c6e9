// What a campaign is told, and how it goes through its programs.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace fuzz {

struct orders {
  std::uint64_t seed = 1;         ///< of the first program; the next one has the next number
  std::uint64_t programs = 1000;  ///< 0: no limit
  std::optional<std::chrono::steady_clock::time_point> until = {};
  unsigned workers = 0;  ///< 0: each program chooses
  unsigned repeat = 1;   ///< how often each program runs
};

/// Makes programs of seeds and runs each as often as it is ordered, until one fails or the orders are done.
/// How many went well.
template <class Make, class Once>
std::uint64_t carry_out(const orders& o, const Make& make, const Once& goes_well) {
  std::uint64_t done = 0;
  for (; o.programs == 0 || done < o.programs; ++done) {
    if (o.until && std::chrono::steady_clock::now() >= *o.until) break;
    const auto program = make(o.seed + done);
    for (unsigned k = 0; k < std::max(1U, o.repeat); ++k)
      if (!goes_well(program)) return done;
  }
  return done;
}

/// For who makes a failing program smaller. A failure may be rare: a smaller program is believed to be right
/// only after so many runs, or so much time; after a minute in all everything is.
class patience {
 public:
  template <class Once>
  bool fails(const Once& goes_well) const {
    const auto believed = std::min(end_, clock::now() + time_to_believe);
    for (int i = 0; i < runs_to_believe && clock::now() < believed; ++i)
      if (!goes_well()) return true;
    return false;
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr int runs_to_believe = 300;
  static constexpr std::chrono::milliseconds time_to_believe{1000};
  static constexpr std::chrono::seconds time_to_shrink{60};
  const clock::time_point end_ = clock::now() + time_to_shrink;
};

}  // namespace fuzz
