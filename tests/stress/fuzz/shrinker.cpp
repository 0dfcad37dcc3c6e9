#include "shrinker.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace fuzz {

namespace {

class shrinker {
 public:
  shrinker(program p, const fails& failing, std::size_t tries)
      : best_(std::move(p)), fails_(failing), left_(tries) {}

  program run() {
    for (bool smaller = true; smaller && left_ != 0;) {
      smaller = fewer_roots();
      smaller = simpler_surroundings() || smaller;
      for (std::size_t i = 0; i < number_of_nodes(best_) && left_ != 0; ++i)
        while (left_ != 0 && smaller_at(i)) smaller = true;
    }
    return std::move(best_);
  }

 private:
  bool keep_if_failing(program candidate) {
    if (left_ == 0 || !is_valid(candidate)) return false;
    --left_;
    if (!fails_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  template <class Change>
  bool changed(const Change& change) {
    program candidate = best_;
    if (!change(candidate)) return false;
    return keep_if_failing(std::move(candidate));
  }

  bool fewer_roots() {
    bool any = false;
    for (std::size_t i = 0; i < best_.roots.size();)
      if (best_.roots.size() > 1 && changed([&](program& p) {
            p.roots.erase(p.roots.begin() + static_cast<std::ptrdiff_t>(i));
            p.cancel_after.erase(p.cancel_after.begin() + static_cast<std::ptrdiff_t>(i));
            return true;
          }))
        any = true;
      else
        ++i;
    return any;
  }

  template <class T>
  bool set(T program::*member, const T& value) {
    return changed([&](program& p) { return std::exchange(p.*member, value) != value; });
  }

  bool simpler_surroundings() {
    bool any = false;
    for (const unsigned n : {1U, 2U, 3U, 8U})
      if (n < best_.workers && set(&program::workers, n)) any = true;
    any = set(&program::other_workers, 1U) || any;
    any = set(&program::injection_capacity, std::size_t{1024}) || any;
    any = set(&program::look_at_paths, false) || any;
    for (std::size_t i = 0; i < best_.cancel_after.size(); ++i)
      any = changed([&](program& p) { return std::exchange(p.cancel_after[i], never) != never; }) || any;
    return any;
  }

  static node* find(node& n, std::size_t& index) {
    if (index == 0) return &n;
    --index;
    for (node& c : n.children)
      if (node* const found = find(c, index)) return found;
    return nullptr;
  }
  static node* find(program& p, std::size_t index) {
    for (node& r : p.roots)
      if (node* const found = find(r, index)) return found;
    return nullptr;
  }

  // Changes node number `index`, in the order of for_each.
  template <class Change>
  bool changed_at(std::size_t index, const Change& change) {
    return changed([&](program& p) {
      node* const n = find(p, index);
      return n != nullptr && change(*n);
    });
  }

  static node simple_leaf(const node& n) {
    node leaf;
    leaf.id = n.id;
    return leaf;
  }

  bool smaller_at(std::size_t i) {
    node* const at = find(best_, i);
    if (at == nullptr) return false;
    const node n = *at;
    const bool is_root =
        std::any_of(best_.roots.begin(), best_.roots.end(), [&](const node& r) { return r.id == n.id; });
    const bool is_plain_leaf = n.what == kind::leaf && n.amount == 0;
    if (!is_root && !is_plain_leaf && changed_at(i, [&](node& x) {
          x = simple_leaf(x);
          return true;
        }))
      return true;
    for (std::size_t k = 0; !is_root && k < n.children.size(); ++k)
      if (changed_at(i, [&](node& x) {
            x = node(x.children[k]);
            return true;
          }))
        return true;
    // Children go in halves first: a wide node shrinks in few steps.
    for (std::size_t part = n.children.size(); part != 0; part /= 2)
      for (std::size_t from = 0; from + part <= n.children.size(); from += part)
        if (changed_at(i, [&](node& x) {
              const auto first = x.children.begin() + static_cast<std::ptrdiff_t>(from);
              x.children.erase(first, first + static_cast<std::ptrdiff_t>(part));
              return true;
            }))
          return true;
    if (n.amount > 1 && changed_at(i, [](node& x) {
          x.amount = 1;
          return true;
        }))
      return true;
    if (n.amount > 3 && changed_at(i, [](node& x) {
          x.amount /= 2;
          return true;
        }))
      return true;
    if (n.amount != 0 && changed_at(i, [](node& x) {
          x.amount = 0;
          return true;
        }))
      return true;
    if (n.named && changed_at(i, [](node& x) {
          x.named = false;
          return true;
        }))
      return true;
    return n.what == kind::job && simpler_job(i, n.job);
  }

  bool simpler_job(std::size_t i, const job_settings& j) {
    const auto with = [&](bool differs, auto change) {
      return differs && changed_at(i, [&](node& x) {
               change(x.job);
               return true;
             });
    };
    return with(j.crosses, [](job_settings& s) { s.crosses = false; }) ||
           with(j.shield, [](job_settings& s) { s.shield = false; }) ||
           with(j.deadline != limit::none, [](job_settings& s) { s.deadline = limit::none; }) ||
           with(j.keep_errors != 64, [](job_settings& s) { s.keep_errors = 64; }) ||
           with(!j.collect_all, [](job_settings& s) { s.collect_all = true; }) ||
           with(j.end == ending::get, [](job_settings& s) { s.end = ending::wait; });
  }

  program best_;
  const fails& fails_;
  std::size_t left_;
};

}  // namespace

program shrink(program p, const fails& failing, std::size_t tries) {
  return shrinker(std::move(p), failing, tries).run();
}

}  // namespace fuzz
