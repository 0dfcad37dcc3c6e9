// Holds the machine, the plan made for it, and what the system refused since. The machine is shared
// between plans, because a resized scheduler is on the same machine and a load costs milliseconds.
#include "platform/topology.hpp"

#include "platform/cgroup.hpp"
#include "platform/environment.hpp"
#include "platform/topology_plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <new>
#include <utility>

namespace coppice::inline v0::platform {

struct topology::state {
  std::shared_ptr<const machine> here;
  pinning pin;
  std::optional<double> quota;
  topology_plan plan;

  // Written by workers as they start.
  mutable std::mutex mutex;
  std::vector<bool>
      refused;  // of each place: its worker's last binding was; so were those of spare ones there
  std::string first_refusal;

  state(std::shared_ptr<const machine> where, unsigned workers, pinning how, std::optional<double> limit)
      : here(std::move(where)),
        pin(how),
        quota(limit),
        plan(make_plan(here->facts(), workers, pin, quota)),
        refused(plan.places.size()) {}

  // Workers that stay in their places are not bound again.
  void take_over_refusals(const state& before) {
    const std::lock_guard lock(before.mutex);
    for (std::size_t i = 0; i < std::min(refused.size(), before.refused.size()); ++i)
      refused[i] = before.refused[i] && plan.places[i].pus == before.plan.places[i].pus;
    if (refusals() != 0) first_refusal = before.first_refusal;
  }

  std::size_t refusals() const {
    return static_cast<std::size_t>(std::count(refused.begin(), refused.end(), true));
  }
};

namespace {

std::optional<double> quota_for(const topology_request& request) {
  if (request.quota) return std::isfinite(*request.quota) ? request.quota : std::nullopt;
  if (!request.synthetic.empty()) return std::nullopt;
  return cpu_quota();
}

bool same(int a, int b) { return a == b && a != place::none; }

distance between(const place& a, const place& b) {
  if (same(a.core, b.core) || (same(a.cache, b.cache) && a.cache_level == b.cache_level))
    return distance::cache;
  if (same(a.node, b.node) || same(a.package, b.package)) return distance::node;
  return distance::remote;
}

std::string place_in_words(const place& where) {
  std::string text = pus_in_words(where.pus);
  const auto add = [&](const std::string& what, int index) {
    if (index == place::none) return;
    text.append(", ").append(what).append(" ").append(std::to_string(index));
  };
  add("core", where.core);
  add(std::string("L").append(std::to_string(where.cache_level)), where.cache);
  add("NUMA node", where.node);
  add("package", where.package);
  return text;
}

// Empty if the binding was done.
std::string refusal_of(int error, unsigned worker, const std::string& pus) {
  if (error == 0) return {};
  return "worker " + std::to_string(worker) + " to " + pus_in_words(pus) + ": " + refusal_in_words(error);
}

}  // namespace

std::string_view to_word(distance how_far) noexcept {
  constexpr std::array<std::string_view, distances> words{"cache", "node", "remote"};
  return words[static_cast<std::size_t>(how_far)];
}

topology::topology(const topology_request& request)
    : state_(std::make_unique<state>(
          std::make_shared<const machine>(machine_source{request.synthetic, request.mask}), request.workers,
          request.pin, quota_for(request))) {}

topology::topology(std::unique_ptr<state> made) noexcept : state_(std::move(made)) {}
topology::topology(topology&&) noexcept = default;
topology& topology::operator=(topology&&) noexcept = default;
topology::~topology() = default;

topology topology::with_workers(unsigned workers) const {
  auto made = std::make_unique<state>(state_->here, workers, state_->pin, state_->quota);
  made->take_over_refusals(*state_);
  return topology(std::move(made));
}

unsigned topology::workers() const noexcept { return state_->plan.workers; }

bool topology::oversubscribed() const noexcept { return state_->plan.oversubscribed; }

bool topology::pinned() const { return why_not_pinned().empty(); }

std::string topology::why_not_pinned() const {
  if (!state_->plan.why_not_pinned.empty()) return state_->plan.why_not_pinned;
  const std::lock_guard lock(state_->mutex);
  const std::size_t refused = state_->refusals();
  if (refused == 0) return {};
  return "the system refused " + std::to_string(refused) + " of " + std::to_string(workers()) +
         " bindings, " +
         (state_->first_refusal.empty() ? "without memory to keep the reason"
                                        : "first " + state_->first_refusal);
}

const place& topology::place_of(unsigned worker) const {
  const auto& places = state_->plan.places;
  return places.empty() ? state_->here->facts().everywhere : places[worker];
}

bool topology::has_places() const noexcept { return !state_->plan.places.empty(); }

bool topology::bind_this_thread(unsigned worker, std::string* why) noexcept {
  return bind(worker, this_thread(), why,
              [this](const std::string& pus) { return state_->here->bind_this_thread(pus); });
}

bool topology::bind_thread(unsigned worker, thread::native who, std::string* why) noexcept {
  return bind(worker, who, why, [&](const std::string& pus) { return state_->here->bind_thread(who, pus); });
}

void topology::unbind_thread(thread::native who) const noexcept {
  if (!state_->here->facts().why_unbindable.empty()) return;
  try {
    state_->here->unbind_thread(who);
  } catch (const std::bad_alloc&) {
    // It stays where it is.
  }
}

// A worker's thread has nobody above it to catch bad_alloc: without memory the thread stays unbound, and
// without memory for the words it says none.
template <class Bind>
bool topology::bind(unsigned worker, thread::native who, std::string* why, Bind how) noexcept {
  const std::string& planned = state_->plan.why_not_pinned;
  if (!planned.empty()) unbind_thread(who);
  std::string refusal;
  bool bound = false;
  try {
    const std::string& pus = place_of(worker).pus;
    refusal = planned.empty() ? refusal_of(how(pus), worker, pus) : planned;
    bound = refusal.empty();
    if (!bound && why != nullptr) *why = refusal;
  } catch (const std::bad_alloc&) {
    // Counted below.
  }
  if (planned.empty()) {
    const std::lock_guard lock(state_->mutex);
    if (!bound && state_->refusals() == 0) state_->first_refusal = std::move(refusal);
    state_->refused[worker] = !bound;
  }
  return bound;
}

std::vector<victim_group> topology::victims(unsigned worker) const {
  std::array<std::vector<unsigned>, distances> by_distance;
  for (unsigned other = 0; other < workers(); ++other)
    if (other != worker)
      by_distance[static_cast<std::size_t>(between(place_of(worker), place_of(other)))].push_back(other);

  std::vector<victim_group> groups;
  for (std::size_t i = 0; i < by_distance.size(); ++i)
    if (!by_distance[i].empty()) groups.push_back({static_cast<distance>(i), std::move(by_distance[i])});
  return groups;
}

std::string topology::describe() const {
  const auto& facts = state_->here->facts();
  const auto& plan = state_->plan;
  const auto unpinned = why_not_pinned();
  std::string text = "machine: " + facts.summary + "\nmask: " + pus_in_words(facts.everywhere.pus);
  text += "\nquota: " + (state_->quota ? quota_in_words(*state_->quota) : "none");
  text += "\nworkers: " + std::to_string(plan.workers) + ", " + plan.why_so_many;
  if (plan.oversubscribed) text += "; more than can run at once, so nobody spins";
  text += "\npinning: ";
  if (unpinned.empty())
    text.append(to_word(state_->pin)).append(", each worker is bound to its place\n");
  else
    text += "not pinned, " + unpinned + "\n";

  if (plan.places.empty()) return text + "places: anywhere in the mask\n";
  for (unsigned worker = 0; worker < plan.workers; ++worker)
    text += "worker " + std::to_string(worker) + ": " + place_in_words(place_of(worker)) + "\n";
  return text;
}

}  // namespace coppice::inline v0::platform
