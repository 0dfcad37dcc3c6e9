// Sizing and placement. Pinning is decoration nowhere: unpinned, the kernel was seen to leave two
// workers on one core for whole runs; but pinned below the quota, or two to a core, it only keeps
// the kernel from moving a throttled or waiting thread to where there is room.
#include "platform/topology_plan.hpp"

#include "platform/limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>

namespace coppice::inline v0::platform {
namespace {

// The parts of the machine that take one worker each.
const std::vector<place>& slots_for(const machine_facts& facts, pinning pin) {
  return pin == pinning::pu ? facts.pus : facts.cores;
}

std::string number_of_slots(std::size_t n, pinning pin) {
  const std::string what = pin == pinning::pu ? "PU" : "core";
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

// How many workers the quota can feed; a fraction of a CPU still feeds one.
std::size_t fed_by(std::optional<double> quota) {
  constexpr double no_bound = 1e9;
  const double cpus = std::min(quota.value_or(no_bound), no_bound);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(std::max(cpus, 0.0))));
}

void size(topology_plan& plan, unsigned asked, std::size_t slots, pinning pin, std::optional<double> quota) {
  if (asked > max_workers)
    throw std::invalid_argument("coppice: " + std::to_string(asked) +
                                " workers were asked for and the limit is " + std::to_string(max_workers) +
                                "; ask for fewer, or for 0 to get one per core");
  const auto fed = fed_by(quota);
  const auto useful = std::min(slots, fed);
  plan.workers = asked != 0 ? asked : static_cast<unsigned>(std::min<std::size_t>(useful, max_workers));
  plan.oversubscribed = plan.workers > useful;
  if (asked != 0)
    plan.why_so_many = "as asked for";
  else if (useful > max_workers)
    plan.why_so_many = "the most there can be";
  else if (fed < slots)
    plan.why_so_many = "the quota rounded up";
  else
    plan.why_so_many = pin == pinning::pu ? "one per PU of the mask" : "one per core of the mask";
}

std::string why_not_placed(const topology_plan& plan, std::size_t slots, pinning pin,
                           std::optional<double> quota) {
  if (pin == pinning::none) return "pinning none was asked for";
  if (plan.workers > slots)
    return std::to_string(plan.workers) + " workers are more than " + number_of_slots(slots, pin);
  if (quota && *quota < static_cast<double>(slots))
    return "the quota of " + quota_in_words(*quota) + " is below the " + number_of_slots(slots, pin) +
           " of the mask";
  return {};
}

int group_of(const place& slot, pinning pin) { return pin == pinning::numa ? slot.node : slot.core; }

// Which slots to use, in logical order. Fewer workers than slots: every core before a second
// hyperthread of one, NUMA nodes in turn, and of equal slots the faster ones.
std::vector<std::size_t> choose(const std::vector<place>& slots, unsigned workers, pinning pin) {
  std::map<int, unsigned> seen;
  std::vector<unsigned> turn;
  for (const auto& slot : slots) turn.push_back(seen[group_of(slot, pin)]++);

  std::vector<std::size_t> order(slots.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (turn[a] != turn[b]) return turn[a] < turn[b];
    if (slots[a].speed != slots[b].speed) return slots[a].speed > slots[b].speed;
    return a < b;
  });
  order.resize(workers);
  std::sort(order.begin(), order.end());
  return order;
}

const place& node_around(const machine_facts& facts, const place& core) {
  for (const auto& node : facts.nodes)
    if (node.node == core.node) return node;
  return facts.everywhere;
}

}  // namespace

topology_plan make_plan(const machine_facts& facts, unsigned workers, pinning pin,
                        std::optional<double> quota) {
  const auto& slots = slots_for(facts, pin);
  topology_plan plan;
  size(plan, workers, slots.size(), pin, quota);
  plan.why_not_pinned = why_not_placed(plan, slots.size(), pin, quota);
  if (!plan.why_not_pinned.empty()) return plan;

  // A simulated machine keeps its places: what is near and far there is what it is simulated for.
  plan.why_not_pinned = facts.why_unbindable;
  if (!facts.why_unbindable.empty() && !facts.simulated) return plan;
  for (const auto slot : choose(slots, plan.workers, pin))
    plan.places.push_back(pin == pinning::numa ? node_around(facts, slots[slot]) : slots[slot]);
  return plan;
}

std::string quota_in_words(double cpus) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), cpus, std::chars_format::general, 6).ptr;
  return std::string(text.data(), end) + (cpus == 1.0 ? " CPU" : " CPUs");
}

std::string pus_in_words(const std::string& pus) {
  return (pus.find_first_of(",-") == std::string::npos ? "PU " : "PUs ") + pus;
}

}  // namespace coppice::inline v0::platform
