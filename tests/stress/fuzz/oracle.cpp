// The serial interpreter.
#include "oracle.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "values.hpp"

namespace fuzz {

namespace {

struct job_record {
  foreseen_job all;
};

struct task_record {
  std::string name;
  std::optional<foreseen_error> recorded = {};  // by this_task::fail
  std::vector<foreseen_error> secondary = {};
};

struct place {
  route path;
  task_record* task;
  job_record* job;
  std::uint32_t next = 0;
};

bool comes_first(const foreseen_error& a, const foreseen_error& b) {
  if (a.where != b.where) return is_earlier(a.where, b.where);
  if (a.secondary != b.secondary) return b.secondary;
  return a.when < b.when;
}

// Of more errors than are kept the first that is not secondary is kept in any case: then it is the last.
void keep_the_primary(std::vector<foreseen_error>& sorted, std::size_t kept) {
  const auto primary = std::find_if(sorted.begin(), sorted.end(), [](const auto& e) { return !e.secondary; });
  const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(std::min(kept, sorted.size()));
  if (kept != 0 && primary != sorted.end() && primary >= last) std::rotate(last - 1, primary, primary + 1);
}

route below(const route& r, std::uint32_t ordinal) {
  route longer = r;
  longer.push_back(ordinal);
  return longer;
}

class interpreter {
 public:
  explicit interpreter(const program& p) {
    const std::uint32_t n = end_of_ids(p);
    out_.executed.resize(n);
    out_.path.resize(n);
    out_.jobs.resize(n);
    groups_.resize(n);
    for (const node& root : p.roots) run_job(root);
  }
  future result() { return std::move(out_); }

 private:
  using sink = std::vector<foreseen_error>;

  foreseen_error error(std::uint32_t id, error_type type) {
    foreseen_error e;
    e.id = id;
    e.type = type;
    e.when = ++now_;
    return e;
  }

  static void leaves(foreseen_error& e, const place& p) {
    if (std::exchange(e.has_place, true)) return;
    e.where = p.path;
    e.name = p.task->name;
  }

  static void demote(std::vector<foreseen_error>&& errors, task_record& t) {
    for (foreseen_error& e : errors) {
      e.secondary = true;
      t.secondary.push_back(std::move(e));
    }
  }

  // Returns the value; a task that fails gives 0 and its errors to `to`.
  std::uint64_t run_task(const node& body, route path, job_record& job, sink& to, bool is_root = false) {
    task_record task{body.named && !is_root ? "node " + std::to_string(body.id) : ""};
    place here{std::move(path), &task, &job};
    ++job.all.spawned;
    std::uint64_t value = 0;
    std::optional<foreseen_error> thrown;
    try {
      value = execute(body, here);
    } catch (foreseen_error& e) {
      leaves(e, here);
      e.secondary = task.recorded.has_value();
      thrown = std::move(e);
    }
    if (!thrown && !task.recorded) {
      ++job.all.succeeded;
      return value;
    }
    ++job.all.failed;
    if (task.recorded) to.push_back(*task.recorded);
    if (thrown) to.push_back(*thrown);
    for (foreseen_error& e : task.secondary) {
      e.secondary = true;
      to.push_back(std::move(e));
    }
    return value;
  }

  const foreseen_job& run_job(const node& n) {
    job_record job;
    if (n.job.deadline == limit::passed) {
      job.all.spawned = job.all.skipped = 1;
      job.all.result = how::deadline_exceeded;
    } else {
      job.all.value = run_task(n.children[0], {}, job, job_errors(job), true);
      if (job.all.errors.size() > n.job.keep_errors)
        for (const foreseen_error& e : job.all.errors) out_.certain = out_.certain && is_shown_whole(e.where);
      std::sort(job.all.errors.begin(), job.all.errors.end(), comes_first);
      keep_the_primary(job.all.errors, n.job.keep_errors);
      if (!job.all.errors.empty()) job.all.result = how::failed;
    }
    return out_.jobs[n.id].emplace(std::move(job.all));
  }
  static sink& job_errors(job_record& j) { return j.all.errors; }

  // Every branch runs; the leftmost error goes on, the others stay with the task.
  void join(place& here, const std::vector<std::function<void(place&)>>& branches) {
    std::vector<foreseen_error> errors;
    for (std::uint32_t b = 0; b < branches.size(); ++b) {
      place branch{below(here.path, here.next + b), here.task, here.job};
      try {
        branches[b](branch);
      } catch (foreseen_error& e) {
        leaves(e, branch);
        errors.push_back(std::move(e));
      }
    }
    here.next += static_cast<std::uint32_t>(branches.size());
    go_on_with(0, std::move(errors), here);
  }

  static void go_on_with(std::size_t first, std::vector<foreseen_error>&& errors, place& here) {
    if (errors.empty()) return;
    foreseen_error thrown = std::move(errors[first]);
    errors.erase(errors.begin() + static_cast<std::ptrdiff_t>(first));
    demote(std::move(errors), *here.task);
    thrown.secondary = false;
    throw thrown;
  }

  std::uint64_t group(const node& n, place& here) {
    sink errors;
    groups_[n.id] = &errors;
    std::uint64_t v = start_value(n.id);
    for (const node& c : n.children)
      v = then(v, run_task(c, below(here.path, here.next++), *here.job, errors));
    if (errors.empty()) return v;
    for (const foreseen_error& e : errors)
      if (errors.size() > 1 && !is_shown_whole(e.where)) out_.certain = false;
    // What the leftmost failed child would have thrown: an error that a child has handled stays behind.
    std::size_t first = errors.size();
    for (std::size_t i = 0; i < errors.size(); ++i)
      if (!errors[i].secondary && (first == errors.size() || comes_first(errors[i], errors[first])))
        first = i;
    go_on_with(first, std::move(errors), here);
    return v;
  }

  // A loop's halves, down to leaves that one branch runs.
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

  std::uint64_t loop(const node& n, place& here) {
    const std::size_t count = n.children.empty() ? n.amount : n.children.size();
    std::vector<std::uint64_t> values(count);
    const bool reduces = n.what == kind::reduce;
    const std::size_t leaf = reduces ? count / 4096 + 1 : count == 0 ? 1 : (count - 1) / 1024 + 1;
    if (count != 0)
      halve(0, count, leaf, here, [&](std::size_t i, place& p) {
        if (i == n.target) throw error(n.id, error_type::node_error);
        values[i] = n.children.empty() ? support::mixed(n.id, i) : execute(n.children[i], p);
      });
    if (reduces) {
      affine all;
      for (const std::uint64_t v : values) all = all * affine::of(v);
      return all.value();
    }
    std::uint64_t v = start_value(n.id);
    for (const std::uint64_t x : values) v = then(v, x);
    return v;
  }

  std::uint64_t wait_for(const node& n, std::uint32_t id, bool get) {
    const foreseen_job& job = *out_.jobs[id];
    if (!get) return outcome_value(n.id, static_cast<int>(job.result));
    if (job.result == how::completed) return then(start_value(n.id), job.value);
    throw error(id, job.result == how::failed ? error_type::job_failed : error_type::job_past_deadline);
  }

  std::uint64_t fail(const node& n, place& here) {
    foreseen_error e = error(n.id, error_type::system_error);
    leaves(e, here);
    std::optional<foreseen_error>& recorded = here.task->recorded;
    if (recorded && !is_shown_whole(e.where)) out_.certain = false;
    if (recorded && comes_first(e, *recorded)) std::swap(e, *recorded);
    if (!recorded)
      recorded = std::move(e);
    else
      here.task->secondary.push_back(std::move(e));
    return start_value(n.id);
  }

  std::uint64_t leaf(const node& n) {
    std::uint64_t v = n.id;
    for (std::uint32_t i = 0; i < n.amount; ++i) v = support::mixed(v, i);
    return then(start_value(n.id), v);
  }

  std::uint64_t execute(const node& n, place& here) {
    out_.executed[n.id] = true;
    out_.path[n.id] = to_text(here.path);
    std::uint64_t v = start_value(n.id);
    switch (n.what) {
      case kind::leaf:
        return leaf(n);
      case kind::sequence:
      case kind::standing:
        for (const node& c : n.children) v = then(v, execute(c, here));
        return v;
      case kind::join: {
        std::vector<std::uint64_t> values(n.children.size());
        std::vector<std::function<void(place&)>> branches;
        for (std::size_t i = 0; i < n.children.size(); ++i)
          branches.emplace_back([&, i](place& p) { values[i] = execute(n.children[i], p); });
        join(here, branches);
        for (const std::uint64_t x : values) v = then(v, x);
        return v;
      }
      case kind::group:
        return group(n, here);
      case kind::spawn:
      case kind::left_group:
        for (const node& c : n.children)
          run_task(c, below(here.path, here.next++), *here.job, job_errors(*here.job));
        return v;
      case kind::spawn_into:
        for (const node& c : n.children)
          run_task(c, below(here.path, here.next++), *here.job, *groups_[n.target]);
        return v;
      case kind::loop:
      case kind::reduce:
        return loop(n, here);
      case kind::job:
        run_job(n);
        if (n.job.end == ending::get || n.job.end == ending::wait)
          return wait_for(n, n.id, n.job.end == ending::get);
        return n.job.end == ending::keep ? then(v, execute(n.children[1], here)) : v;
      case kind::await:
        return wait_for(n, n.target, n.amount != 0);
      case kind::attempt:
        try {
          return then(v, execute(n.children[0], here));
        } catch (const foreseen_error& e) {
          return caught_value(n.id, e.id);
        }
      case kind::raise:
        throw error(n.id, error_type::node_error);
      case kind::fail:
        return fail(n, here);
      case kind::cancel_kept:
      case kind::cancel_own:
        return v;
    }
    return v;
  }

  future out_;
  std::vector<sink*> groups_;
  std::uint64_t now_ = 0;
};

constexpr std::size_t shown_at_each_end = 32;

}  // namespace

std::string to_text(const route& r) {
  std::string text = "root";
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (!is_shown_whole(r) && i == shown_at_each_end) {
      const std::size_t left_out = r.size() - 2 * shown_at_each_end;
      text += "/(+" + std::to_string(left_out) + ')';
      i += left_out;
    }
    text += '/' + std::to_string(r[i]);
  }
  return text;
}

bool is_shown_whole(const route& r) { return r.size() <= 2 * shown_at_each_end; }

bool is_earlier(const route& a, const route& b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x != a.end() && y != b.end()) return *x < *y;
  return x != a.end();
}

future foresee(const program& p) { return interpreter(p).result(); }

}  // namespace fuzz
