// What must hold of a program that may have been cut short: the interpreter's numbering, walked again over
// the nodes that began.
#include <algorithm>
#include <functional>
#include <utility>

#include "oracle.hpp"

namespace fuzz {

namespace {

struct place {
  route path;
  std::string name;  // of the task
  std::uint32_t job;
  bool caught;  // something around it, in this job, catches errors
  std::uint32_t next = 0;
};

route below(const route& r, std::uint32_t ordinal) {
  route longer = r;
  longer.push_back(ordinal);
  return longer;
}

class walker {
 public:
  walker(const program& p, const std::vector<unsigned>& entered) : entered_(entered) {
    out_.path.resize(entered.size());
    out_.jobs.resize(entered.size());
    for (const node& root : p.roots) walk_job(root);
  }
  bounds result() { return std::move(out_); }

 private:
  counted_job& job_of(const place& p) { return *out_.jobs[p.job]; }

  void walk_job(const node& n) {
    out_.jobs[n.id].emplace();
    bool swallows = false;
    bool loops = false;
    look_for_swallowed_stops(n.children[0], swallows, loops);
    out_.jobs[n.id]->paths_are_certain = !(swallows && loops);
    walk_task(n.children[0], {}, n.id, false, true);
  }

  // A loop that finds the job cancelled before it forks takes no ordinals; code that swallows `cancelled` may
  // go on and fork once more before its worker hears of it.
  static void look_for_swallowed_stops(const node& n, bool& swallows, bool& loops) {
    swallows = swallows || (n.what == kind::attempt && n.amount != 0);
    loops = loops || n.what == kind::loop;
    for (std::size_t i = 0; i < n.children.size(); ++i)
      if (n.what != kind::job || i != 0) look_for_swallowed_stops(n.children[i], swallows, loops);
  }

  // A child is counted although it was refused.
  void walk_task(const node& body, route path, std::uint32_t job, bool caught, bool is_root = false) {
    counted_job& counted = *out_.jobs[job];
    ++counted.spawned;
    if (entered_[body.id] == 0) return;
    ++counted.started;
    counted.bodies.push_back(body.id);
    place here{std::move(path), body.named && !is_root ? "node " + std::to_string(body.id) : "", job, caught};
    walk(body, here);
  }

  void walk_children(const node& n, place& here) {
    for (const node& c : n.children) walk_task(c, below(here.path, here.next++), here.job, here.caught);
  }

  void join(place& here, const std::vector<std::function<void(place&)>>& branches) {
    for (std::uint32_t b = 0; b < branches.size(); ++b) {
      place branch{below(here.path, here.next + b), here.name, here.job, here.caught};
      branches[b](branch);
    }
    here.next += static_cast<std::uint32_t>(branches.size());
  }

  void halve(std::size_t begin, std::size_t end, std::size_t leaf, place& here,
             const std::function<void(std::size_t, place&)>& each) {
    if (end - begin <= leaf) {
      for (; begin != end; ++begin) each(begin, here);
      return;
    }
    const std::size_t middle = begin + (end - begin) / 2;
    join(here, {[&](place& p) { halve(begin, middle, leaf, p, each); },
                [&](place& p) { halve(middle, end, leaf, p, each); }});
  }

  void may_throw(std::uint32_t id, error_type type, const place& here, bool surely) {
    foreseen_error e;
    e.id = id;
    e.type = type;
    e.where = here.path;
    e.name = here.name;
    job_of(here).errors.push_back({std::move(e), here.caught || !surely});
  }

  void loop(const node& n, place& here) {
    const std::size_t count = n.children.empty() ? n.amount : n.children.size();
    if (count == 0) return;
    const std::size_t leaf = n.what == kind::reduce ? count / 4096 + 1 : (count - 1) / 1024 + 1;
    halve(0, count, leaf, here, [&](std::size_t i, place& p) {
      if (!n.children.empty())
        walk(n.children[i], p);
      else if (i == n.target)
        may_throw(n.id, error_type::node_error, p, false);
    });
  }

  void walk(const node& n, place& here) {
    if (entered_[n.id] == 0) return;
    out_.path[n.id] = to_text(here.path);
    switch (n.what) {
      case kind::sequence:
      case kind::standing:
        for (const node& c : n.children) walk(c, here);
        break;
      case kind::join: {
        std::vector<std::function<void(place&)>> branches;
        for (const node& c : n.children) branches.emplace_back([&](place& p) { walk(c, p); });
        join(here, branches);
        break;
      }
      case kind::group:
      case kind::left_group:
      case kind::spawn_into:
        walk_children(n, here);
        if (n.what == kind::left_group && n.amount != 0) may_throw(n.id, error_type::node_error, here, true);
        break;
      case kind::spawn: {
        // Nobody catches the error of a child that only the job waits for.
        const bool caught = std::exchange(here.caught, false);
        walk_children(n, here);
        here.caught = caught;
        break;
      }
      case kind::loop:
      case kind::reduce:
        loop(n, here);
        break;
      case kind::job:
        walk_job(n);
        if (n.job.end == ending::get) may_throw(n.id, error_type::job_failed, here, false);
        if (n.job.end == ending::keep) walk(n.children[1], here);
        break;
      case kind::await:
        if (n.amount != 0) may_throw(n.target, error_type::job_failed, here, false);
        break;
      case kind::attempt: {
        const bool caught = std::exchange(here.caught, true);
        walk(n.children[0], here);
        here.caught = caught;
        break;
      }
      case kind::raise:
        may_throw(n.id, error_type::node_error, here, true);
        break;
      case kind::fail:
        may_throw(n.id, error_type::system_error, here, true);
        break;
      case kind::leaf:
      case kind::cancel_kept:
      case kind::cancel_own:
        break;
    }
  }

  const std::vector<unsigned>& entered_;
  bounds out_;
};

}  // namespace

bounds bound(const program& p, const std::vector<unsigned>& entered) { return walker(p, entered).result(); }

}  // namespace fuzz
