#include "runner.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string_view>
#include <thread>

#include "support/ledger.hpp"
#include "support/tracked.hpp"
#include "values.hpp"

namespace fuzz {

coppice::scheduler& stage::scheduler(unsigned workers, std::size_t injection_capacity, unsigned spares) {
  auto& s = made_[{workers, injection_capacity, spares}];
  if (s == nullptr)
    s = std::make_unique<coppice::scheduler>(coppice::scheduler_options{
        .workers = workers, .injection_capacity = injection_capacity, .max_spare_workers = spares});
  return *s;
}

namespace {

using namespace std::chrono_literals;
using handle = coppice::job<std::uint64_t>;
namespace this_task = coppice::this_task;

class performance;
std::atomic<performance*> current{nullptr};

coppice::job_options options_of(const node& n) {
  coppice::job_options o;
  o.name = label(n.id);
  o.errors = n.job.collect_all ? coppice::error_policy::collect_all() : coppice::error_policy::fail_fast();
  o.keep_errors = n.job.keep_errors;
  o.shield = n.job.shield;
  const auto now = std::chrono::steady_clock::now();
  switch (n.job.deadline) {
    case limit::none:
      break;
    case limit::passed:
      o.deadline = now - 1s;
      break;
    case limit::soon:
      o.deadline = now + std::chrono::microseconds(support::mixed(n.id) % 200);
      break;
    case limit::far:
      o.deadline = now + 1h;
      break;
  }
  return o;
}

// One run of one program. What tasks write here is plain wherever a wait orders it, so that the thread
// sanitizer judges the library's ordering.
class performance {
 public:
  performance(const program& p, coppice::scheduler& home, coppice::scheduler& other)
      : program_(p),
        home_(home),
        other_(other),
        ledger_(end_of_ids(p)),
        closed_(end_of_ids(p)),
        on_other_(runs_on_other(p)) {
    const std::uint32_t n = end_of_ids(p);
    seen_.returned.resize(n);
    seen_.path.resize(n);
    seen_.jobs.resize(n);
    slots_.resize(n);
    groups_.resize(n);
    job_of_.resize(n);
    for (const node& root : p.roots) note_jobs(root, root.id);
    current.store(this);
    coppice::set_unobserved_error_handler(hear);
  }
  ~performance() {
    coppice::set_unobserved_error_handler(nullptr);
    current.store(nullptr);
  }
  performance(const performance&) = delete;
  performance& operator=(const performance&) = delete;

  void perform() {
    for (const node& n : program_.roots) slots_[n.id] = submit_from_outside(n);
    for (std::size_t i = 0; i < program_.roots.size(); ++i) cancel_from_outside(i);
    for (const node& n : program_.roots) {
      handle& root = slots_[n.id];
      if (n.job.end == ending::get) {
        try {
          seen_.jobs[n.id].value = root.get();
        } catch (const coppice::job_exception& e) {
          check_type(e);
        }
      }
      record(n.id, root.wait());
      settle(n.children[0]);
    }
    for (handle& h : slots_) h = handle();
  }

  // Detached jobs have nobody to wait for: their closures say when they are over.
  void await_detached() {
    while (support::tracked::live() != 0) std::this_thread::yield();
  }

  observation report() {
    seen_.entered.resize(seen_.path.size());
    for (std::size_t i = 0; i < seen_.entered.size(); ++i) seen_.entered[i] = ledger_.times(i);
    seen_.closures_left = static_cast<std::uint64_t>(support::tracked::live());
    return std::move(seen_);
  }

 private:
  // What is spawned or submitted. Small ones lie in the task's node, large ones on the heap.
  template <std::size_t Bytes>
  struct body {
    performance* at;
    const node* what;
    std::uint64_t* value;
    support::tracked counted{1};
    std::array<char, Bytes> room{};

    std::uint64_t operator()() const {
      const std::uint64_t v = at->execute(*what);
      if (value != nullptr) *value = v;
      at->seen_.returned[what->id] = 1;
      return v;
    }
  };

  // A branch of a join whose closure is small and trivial: it travels in registers.
  struct bare_branch {
    performance* at;
    const node* what;
    std::uint64_t operator()() const { return at->execute(*what); }
  };
  struct tracked_branch {
    performance* at;
    const node* what;
    support::tracked counted{1};
    std::uint64_t operator()() const { return at->execute(*what); }
  };

  void note_jobs(const node& n, std::uint32_t job) {
    if (n.id < job_of_.size()) job_of_[n.id] = job;
    for (std::size_t i = 0; i < n.children.size(); ++i)
      note_jobs(n.children[i], n.what == kind::job && i == 0 ? n.id : job);
  }

  void complain(std::string text) {
    const std::lock_guard hold(lock_);
    seen_.trouble.push_back(std::move(text));
  }

  static void hear(const coppice::job_report& report) {
    performance* const p = current.load();
    if (p == nullptr) return;
    const auto id = labelled(report.name);
    const std::lock_guard hold(p->lock_);
    if (id && *id < p->seen_.jobs.size()) p->seen_.jobs[*id].told.push_back(report);
  }

  void record(std::uint32_t id, const coppice::job_report& report) {
    seen_job& seen = seen_.jobs[id];
    if (seen.report && seen.report->spawned != report.spawned)
      complain(label(id) + ": a second wait gives another report");
    if (report.name != label(id)) complain(label(id) + ": the report is of the job \"" + report.name + '"');
    if (!seen.report) seen.report = report;
    closed_[id].store(true, std::memory_order_relaxed);
  }

  void check_type(const coppice::job_exception& e) {
    const auto wanted = e.report().result;
    const bool right = wanted == coppice::outcome::failed
                           ? dynamic_cast<const coppice::job_error*>(&e) != nullptr
                       : wanted == coppice::outcome::cancelled
                           ? dynamic_cast<const coppice::job_cancelled*>(&e) != nullptr
                           : dynamic_cast<const coppice::job_deadline_exceeded*>(&e) != nullptr;
    if (!right) complain("get of \"" + e.report().name + "\" throws another type than its outcome asks for");
  }

  handle submit_from_outside(const node& n) {
    const body<8> root{this, &n.children[0], nullptr};
    if (program_.seed % 3 == 0)
      for (int tries = 0; tries < 1000; ++tries) {
        auto answer = home_.try_submit(root, options_of(n));
        if (answer.status == coppice::admission::accepted) return std::move(answer.job);
        std::this_thread::yield();
      }
    return home_.submit(root, options_of(n));
  }

  void cancel_from_outside(std::size_t i) {
    const std::uint32_t after = program_.cancel_after[i];
    if (after == never) return;
    handle& root = slots_[program_.roots[i].id];
    while (entered_.load(std::memory_order_relaxed) < after && !root.done()) std::this_thread::yield();
    root.cancel("from outside");
  }

  // Waits for the kept jobs below n that nobody waits for. A handle belongs to one thread at a time: first
  // those that may be waiting for the job, then the job, then what its own tasks have submitted.
  void settle(const node& n) {
    if (n.what == kind::job && n.job.end == ending::detach) return;
    for (std::size_t i = n.children.size(); i > 1; --i) settle(n.children[i - 1]);
    if (n.what == kind::job && n.job.end == ending::keep && slots_[n.id].valid())
      record(n.id, slots_[n.id].wait());
    if (!n.children.empty()) settle(n.children[0]);
  }

  std::string_view name_of(const node& n, std::string& text) {
    if (n.named) text = label(n.id);
    return text;
  }

  template <class Spawn>
  void with_body(const node& child, std::uint64_t* value, const Spawn& spawn) {
    std::string text;
    const std::string_view name = name_of(child, text);
    if (child.id % 5 == 0)
      spawn(body<200>{this, &child, value}, name);
    else
      spawn(body<8>{this, &child, value}, name);
  }

  static std::uint64_t folded(const node& n, const std::vector<std::uint64_t>& values) {
    std::uint64_t v = start_value(n.id);
    for (const std::uint64_t x : values) v = then(v, x);
    return v;
  }

  template <class Branch>
  std::uint64_t join(const node& n) {
    const auto& c = n.children;
    std::uint64_t v = start_value(n.id);
    if (c.size() == 2) {
      const auto [a, b] = coppice::join(Branch{this, &c[0]}, Branch{this, &c[1]});
      return then(then(v, a), b);
    }
    const auto [a, b, d] = coppice::join(Branch{this, &c[0]}, Branch{this, &c[1]}, Branch{this, &c[2]});
    return then(then(then(v, a), b), d);
  }

  std::uint64_t group(const node& n) {
    std::vector<std::uint64_t> values(n.children.size());
    coppice::task_group group;
    groups_[n.id] = &group;
    for (std::size_t i = 0; i < n.children.size(); ++i)
      with_body(n.children[i], &values[i], [&](auto&& f, auto name) { group.spawn(std::move(f), name); });
    group.wait();
    return folded(n, values);
  }

  std::uint64_t left_group(const node& n) {
    coppice::task_group group;
    for (const node& c : n.children)
      with_body(c, nullptr, [&](auto&& f, auto name) { group.spawn(std::move(f), name); });
    if (n.amount != 0) throw node_error(n.id);
    return start_value(n.id);
  }

  std::uint64_t loop(const node& n) {
    std::vector<std::uint64_t> values(n.children.empty() ? n.amount : n.children.size());
    coppice::parallel_for(std::size_t{0}, values.size(), [&](std::size_t i) {
      if (i == n.target) throw node_error(n.id);
      values[i] = n.children.empty() ? support::mixed(n.id, i) : execute(n.children[i]);
    });
    return folded(n, values);
  }

  std::uint64_t reduce(const node& n) {
    const auto map = [&](int i) {
      const auto k = static_cast<std::size_t>(i);
      if (k == n.target) throw node_error(n.id);
      return affine::of(n.children.empty() ? support::mixed(n.id, k) : execute(n.children[k]));
    };
    const std::size_t count = n.children.empty() ? n.amount : n.children.size();
    return coppice::parallel_reduce(0, static_cast<int>(count), affine{}, map,
                                    [](affine a, affine b) { return a * b; })
        .value();
  }

  std::uint64_t wait_for(const node& n, std::uint32_t id, handle& job, bool get) {
    if (!get) {
      if (n.id % 3 == 0) job.wait_until(std::chrono::steady_clock::now());
      record(id, job.wait());
      return outcome_value(n.id, static_cast<int>(seen_.jobs[id].report->result));
    }
    if (n.id % 2 == 0) record(id, job.wait());
    try {
      const std::uint64_t v = job.get();
      seen_.jobs[id].value = v;
      record(id, job.wait());
      return then(start_value(n.id), v);
    } catch (const coppice::job_exception& e) {
      record(id, e.report());
      check_type(e);
      throw;
    }
  }

  std::uint64_t inner_job(const node& n) {
    coppice::scheduler& where = on_other_[n.id] ? other_ : home_;
    handle job = n.id % 5 == 0 ? where.submit(body<200>{this, &n.children[0], nullptr}, options_of(n))
                               : where.submit(body<8>{this, &n.children[0], nullptr}, options_of(n));
    switch (n.job.end) {
      case ending::get:
      case ending::wait:
        return wait_for(n, n.id, job, n.job.end == ending::get);
      case ending::drop:
        break;
      case ending::detach:
        job.detach();
        break;
      case ending::keep:
        slots_[n.id] = std::move(job);
        return then(start_value(n.id), execute(n.children[1]));
    }
    return start_value(n.id);
  }

  std::uint64_t attempt(const node& n) {
    try {
      return then(start_value(n.id), execute(n.children[0]));
    } catch (const std::exception& e) {
      return caught_value(n.id, labelled(e.what()).value_or(nothing));
    } catch (const coppice::cancelled&) {
      if (n.amount == 0) throw;
      return start_value(n.id);
    }
  }

  std::uint64_t leaf(const node& n) {
    std::vector<std::uint64_t> words(n.amount % 500);
    std::uint64_t v = n.id;
    for (std::uint32_t i = 0; i < n.amount; ++i) {
      v = support::mixed(v, i);
      if (!words.empty()) words[i % words.size()] = v;
    }
    if (n.amount % 2 == 1) this_task::throw_if_stopped();
    return then(start_value(n.id), v);
  }

  std::uint64_t execute(const node& n) {
    ledger_.enter(n.id);
    entered_.fetch_add(1, std::memory_order_relaxed);
    if (closed_[job_of_[n.id]].load(std::memory_order_relaxed))
      complain(label(n.id) + " begins after its job was over");
    if (program_.look_at_paths) seen_.path[n.id] = this_task::path();
    switch (n.what) {
      case kind::leaf:
        return leaf(n);
      case kind::sequence: {
        std::uint64_t v = start_value(n.id);
        for (const node& c : n.children) v = then(v, execute(c));
        return v;
      }
      case kind::standing:
        return coppice::blocking([&] {
          std::uint64_t v = start_value(n.id);
          for (const node& c : n.children) v = then(v, execute(c));
          for (std::uint32_t i = 0; i < n.amount; ++i) std::this_thread::yield();
          return v;
        });
      case kind::join:
        return n.id % 2 == 0 ? join<bare_branch>(n) : join<tracked_branch>(n);
      case kind::group:
        return group(n);
      case kind::left_group:
        return left_group(n);
      case kind::spawn:
        for (const node& c : n.children)
          with_body(c, nullptr, [](auto&& f, auto name) { coppice::spawn(std::move(f), name); });
        return start_value(n.id);
      case kind::spawn_into:
        for (const node& c : n.children)
          with_body(c, nullptr, [&](auto&& f, auto name) { groups_[n.target]->spawn(std::move(f), name); });
        return start_value(n.id);
      case kind::loop:
        return loop(n);
      case kind::reduce:
        return reduce(n);
      case kind::job:
        return inner_job(n);
      case kind::await:
        return wait_for(n, n.target, slots_[n.target], n.amount != 0);
      case kind::cancel_kept:
        slots_[n.target].cancel(label(n.id));
        return start_value(n.id);
      case kind::attempt:
        return attempt(n);
      case kind::raise:
        throw node_error(n.id);
      case kind::fail:
        this_task::fail(std::make_error_code(std::errc::io_error), label(n.id));
        return start_value(n.id);
      case kind::cancel_own:
        this_task::cancel_job(label(n.id));
        return start_value(n.id);
    }
    return 0;
  }

  const program& program_;
  coppice::scheduler& home_;
  coppice::scheduler& other_;
  support::ledger ledger_;
  std::vector<std::atomic<bool>> closed_;
  std::atomic<std::uint32_t> entered_{0};
  std::vector<handle> slots_;
  std::vector<coppice::task_group*> groups_;
  std::vector<std::uint32_t> job_of_;
  const std::vector<bool> on_other_;
  std::mutex lock_;
  observation seen_;
};

bool detaches(const program& p) {
  bool found = false;
  for_each(p, [&](const node& n) { found = found || (n.what == kind::job && n.job.end == ending::detach); });
  return found;
}

}  // namespace

observation run(const program& p, stage& on) {
  if (!detaches(p)) {
    performance all(p, on.scheduler(p.workers, p.injection_capacity, p.spares),
                    on.scheduler(p.other_workers, 1 + p.injection_capacity, p.spares));
    all.perform();
    return all.report();
  }
  coppice::scheduler home({.workers = p.workers,
                           .injection_capacity = p.injection_capacity,
                           .max_spare_workers = p.spares,
                           .name = "home"});
  coppice::scheduler other({.workers = p.other_workers, .max_spare_workers = p.spares, .name = "other"});
  performance all(p, home, other);
  all.perform();
  all.await_detached();
  home.stop();
  other.stop();
  return all.report();
}

}  // namespace fuzz
