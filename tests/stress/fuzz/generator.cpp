// From a seed to a program. The choices are made here, one after the other, so that a seed gives the same
// program on every machine: std::mt19937_64 and no distribution of the library.
#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "program.hpp"
#include "support/random.hpp"

namespace fuzz {

namespace {

enum class law : std::uint8_t { constant, geometric, skewed, wide };

class generator {
 public:
  generator(std::uint64_t seed, const shape& s) : random_(support::mixed(seed, 0xf022)), shape_(s) {
    program_.seed = seed;
  }

  program make() {
    constexpr std::array<unsigned, 5> crews{1, 2, 3, 8, 64};
    program_.workers = shape_.workers != 0 ? shape_.workers : crews.at(below(crews.size()));
    program_.other_workers = 1 + below(3);
    constexpr std::array<unsigned, 4> spares{0, 1, 3, 256};
    program_.spares = spares.at(below(spares.size()));
    program_.injection_capacity = chance(3) ? 1 : 1024;
    program_.look_at_paths = chance(4);
    law_ = static_cast<law>(below(4));
    fails_in_ = chance(3) ? 0 : 2 + below(12);  // one node in so many throws or fails
    const std::uint32_t roots = chance(3) ? 1 + below(4) : 1;
    for (std::uint32_t i = 0; i < roots; ++i) {
      scope s;
      node root = empty(kind::job);
      root.job = settings(s, true);
      root.children.push_back(grow(shape_.nodes / roots, s));
      program_.roots.push_back(std::move(root));
      program_.cancel_after.push_back(!shape_.exact && chance(5) ? below(shape_.nodes) : never);
    }
    settle_policies();
    return std::move(program_);
  }

 private:
  // What is in reach, as in is_valid().
  struct scope {
    std::vector<std::uint32_t> kept = {}, groups = {};
    bool detached = false, crosses = true;
    unsigned jobs = 0, depth = 0;
  };

  std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(random_() % n); }
  bool chance(std::uint64_t one_in) { return random_() % one_in == 0; }

  node empty(kind what) {
    node n;
    n.what = what;
    n.id = next_++;
    n.named = chance(6);
    return n;
  }

  job_settings settings(const scope& s, bool root) {
    constexpr std::array<std::size_t, 6> keeps{64, 64, 1000, 3, 1, 0};
    job_settings j;
    j.collect_all = shape_.exact || chance(2);
    j.keep_errors = keeps.at(below(keeps.size()));
    j.deadline = chance(12) ? limit::far : chance(24) ? limit::passed : limit::none;
    if (!shape_.exact && chance(10)) j.deadline = limit::soon;
    if (root) {
      j.end = chance(2) ? ending::get : ending::wait;
      return j;
    }
    j.shield = chance(4);

    switch (below(shape_.exact ? 5 : 6)) {
      case 0:
        j.end = ending::wait;
        break;
      case 1:
      case 2:
        j.end = s.detached ? ending::wait : ending::keep;
        break;
      case 3:
        j.end = ending::detach;
        break;
      case 4:
        j.end = ending::get;
        break;
      default:
        j.end = ending::drop;
        break;
    }
    j.crosses = s.crosses && j.end != ending::keep && j.end != ending::detach && chance(3);
    return j;
  }

  // One that has no children.
  node end(scope& s) {
    if (fails_in_ != 0 && chance(fails_in_)) {
      if (chance(3)) return empty(kind::fail);
      node n = empty(kind::raise);
      return n;
    }
    if (!s.kept.empty() && chance(3)) {
      const std::size_t which = below(s.kept.size());
      node n = empty(!shape_.exact && chance(4) ? kind::cancel_kept : kind::await);
      n.target = s.kept[which];
      n.amount = below(2);
      if (n.what == kind::await) taken_.push_back(n.target);
      return n;
    }
    if (!shape_.exact && chance(40)) return empty(kind::cancel_own);
    if (chance(12)) {
      node n = empty(chance(2) ? kind::loop : kind::reduce);
      n.amount = chance(4) ? below(3000) : below(40);
      if (fails_in_ != 0 && n.amount != 0 && chance(2)) n.target = below(n.amount);
      return n;
    }
    node n = empty(kind::leaf);
    n.amount = chance(20) ? below(20000) : chance(4) ? below(500) : 0;
    return n;
  }

  std::vector<std::uint32_t> shares(std::uint32_t budget, std::size_t count) {
    std::vector<std::uint32_t> out(count, 0);
    for (std::size_t i = 0; i < count; ++i) {
      switch (law_) {
        case law::constant:
          out[i] = budget / static_cast<std::uint32_t>(count);
          break;
        case law::geometric:
          out[i] = budget >> std::min<std::size_t>(i + 1, 31);
          break;
        case law::skewed:
        case law::wide:
          out[i] = 0;
          break;
      }
    }
    if (law_ == law::skewed)
      out[below(count)] = budget - std::min<std::uint32_t>(budget, static_cast<std::uint32_t>(count));
    if (law_ == law::wide) out[below(count)] = budget / 3;
    return out;
  }

  void fill(node& n, std::uint32_t budget, std::size_t count, scope s) {
    for (const std::uint32_t share : shares(budget, count)) {
      s.kept.erase(std::remove_if(s.kept.begin(), s.kept.end(),
                                  [&](std::uint32_t k) {
                                    return std::find(taken_.begin(), taken_.end(), k) != taken_.end();
                                  }),
                   s.kept.end());
      n.children.push_back(grow(share, s));
    }
  }

  std::size_t fan(std::uint32_t budget) {
    if (law_ == law::wide) return 1 + below(std::min<std::uint32_t>(budget, 40) + 1);
    return 1 + below(4);
  }

  node grow(std::uint32_t budget, scope s) {
    ++s.depth;
    if (budget < 2 || s.depth > 200) return end(s);
    --budget;
    switch (below(16)) {
      case 0:
      case 1:
      case 2: {
        node n = empty(kind::join);
        fill(n, budget, 2 + below(2), s);
        return n;
      }
      case 3:
      case 4:
      case 5: {
        node n = empty(kind::group);
        s.groups.push_back(n.id);
        fill(n, budget, fan(budget), s);
        return n;
      }
      case 6:
      case 7: {
        node n = empty(kind::spawn);
        s.groups.clear();
        fill(n, budget, fan(budget), s);
        return n;
      }
      case 8: {
        if (s.groups.empty()) break;
        node n = empty(kind::spawn_into);
        const std::size_t which = below(s.groups.size());
        n.target = s.groups[which];
        s.groups.resize(which + 1);
        fill(n, budget, fan(budget), s);
        return n;
      }
      case 9: {
        node n = empty(chance(2) ? kind::loop : kind::reduce);
        fill(n, budget, fan(budget), s);
        return n;
      }
      case 10:
      case 11: {
        node n = empty(kind::attempt);
        n.amount = !shape_.exact && chance(4) ? 1 : 0;
        n.children.push_back(grow(budget, s));
        return n;
      }
      case 12: {
        if (s.jobs == 4) break;
        return grow_job(budget, s);
      }
      case 13: {
        if (shape_.exact) break;
        node n = empty(kind::left_group);
        n.amount = fails_in_ != 0 && chance(3) ? 1 : 0;
        fill(n, budget, fan(budget), s);
        return n;
      }
      case 14: {
        node n = empty(kind::standing);
        n.amount = below(4);
        fill(n, budget, 1 + below(3), s);
        return n;
      }
      default:
        break;
    }
    node n = empty(kind::sequence);
    fill(n, budget, 2 + below(3), s);
    return n;
  }

  node grow_job(std::uint32_t budget, scope s) {
    node n = empty(kind::job);
    ++s.jobs;
    n.job = settings(s, false);
    scope body = s;
    body.groups.clear();
    const bool keeps = n.job.end == ending::keep;
    if (n.job.end == ending::detach) body.detached = true;
    if (n.job.end == ending::detach || keeps) body.crosses = false;
    if (n.job.end == ending::detach || n.job.crosses) body.kept.clear();
    n.children.push_back(grow(keeps ? budget / 2 : budget, body));
    if (keeps) {
      scope meanwhile = s;
      std::erase_if(meanwhile.kept, [&](std::uint32_t k) {
        return std::find(taken_.begin(), taken_.end(), k) != taken_.end();
      });
      meanwhile.kept.push_back(n.id);
      n.children.push_back(grow(budget / 2, meanwhile));
    }
    return n;
  }

  // An exact program may stop at errors in jobs that have none.
  void settle_policies() {
    if (!shape_.exact || !chance(2)) return;
    const auto try_all = [&](auto& self, node& n) -> void {
      if (n.what == kind::job) {
        n.job.collect_all = false;
        if (!is_exact(program_)) n.job.collect_all = true;
      }
      for (node& c : n.children) self(self, c);
    };
    for (node& n : program_.roots) try_all(try_all, n);
  }

  std::mt19937_64 random_;
  const shape shape_;
  program program_;
  law law_ = law::constant;
  std::uint32_t fails_in_ = 0;
  std::uint32_t next_ = 0;
  std::vector<std::uint32_t> taken_;  // kept jobs that somebody waits for
};

}  // namespace

program make_program(std::uint64_t seed, const shape& s) { return generator(seed, s).make(); }

program make_program(std::uint64_t seed, unsigned workers) {
  const std::uint64_t dice = support::mixed(seed, 0x5a);
  shape s;
  s.nodes = dice % 16 == 0 ? 1000 : dice % 4 == 0 ? 200 : 40;
  s.exact = (dice >> 8) % 2 == 0;
  s.workers = workers;
  return make_program(seed, s);
}

}  // namespace fuzz
