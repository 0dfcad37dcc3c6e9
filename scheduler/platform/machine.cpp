// Loads hwloc and copies what a scheduler needs into plain data. The flags are the point: with
// hwloc's defaults a process under `taskset -c 0` sees every core, and binding to one outside of
// its mask succeeds, so a library would escape the mask of its user.
#include "platform/machine.hpp"

#include "platform/fork.hpp"

#include <hwloc.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#ifdef __linux__
#include <sched.h>
#endif

namespace coppice::inline v0::platform {

namespace {

// hwloc has locks of its own, which a child would find held if its parent forked during a load on another
// thread.
constinit std::mutex loading;
const bool kept_free =
    (at_fork([] { loading.lock(); }, [] { loading.unlock(); }, [] { loading.unlock(); }), true);

}  // namespace

struct machine::loaded {
  hwloc_topology_t handle = nullptr;

  loaded() {
    const std::lock_guard hold(loading);
    if (hwloc_topology_init(&handle) != 0) throw std::bad_alloc();
  }
  loaded(const loaded&) = delete;
  loaded& operator=(const loaded&) = delete;
  ~loaded() {
    const std::lock_guard hold(loading);
    hwloc_topology_destroy(handle);
  }
};

namespace {

struct free_bitmap {
  void operator()(hwloc_bitmap_t bits) const noexcept { hwloc_bitmap_free(bits); }
};
using bitmap = std::unique_ptr<hwloc_bitmap_s, free_bitmap>;

bitmap make_bitmap() {
  bitmap bits(hwloc_bitmap_alloc());
  if (!bits) throw std::bad_alloc();
  return bits;
}

std::string to_list(hwloc_const_bitmap_t bits) {
  char* text = nullptr;
  if (hwloc_bitmap_list_asprintf(&text, bits) < 0) throw std::bad_alloc();
  std::string list(text);
  std::free(text);
  return list;
}

std::optional<bitmap> from_list(const std::string& list) {
  // hwloc's reader takes what strtoul takes and skips the rest; a typing error must not pass.
  if (list.find_first_not_of("0123456789,-") != std::string::npos) return std::nullopt;
  auto bits = make_bitmap();
  if (hwloc_bitmap_list_sscanf(bits.get(), list.c_str()) != 0) return std::nullopt;
  return bits;
}

std::string error_text(int error) { return std::generic_category().message(error); }

std::string count_of(std::size_t n, const char* one, const char* many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

std::invalid_argument unusable_mask(const std::string& mask) {
  return std::invalid_argument(
      "coppice: the mask \"" + mask +
      "\" names no PU of the machine; write PU numbers as taskset -c does, such as 0-3,8");
}

std::invalid_argument unusable_description(const std::string& text) {
  return std::invalid_argument("coppice: hwloc cannot read the topology \"" + text.substr(0, 120) +
                               "\"; give a synthetic description such as \"pack:2 [numa] l3:8 core:8 pu:2\", "
                               "an XML export of lstopo, or nothing for this machine");
}

// Of a call of hwloc that has failed. It must not look like a success where hwloc says nothing.
int why_it_failed() noexcept { return errno != 0 ? errno : EIO; }

// ---- loading ------------------------------------------------------------------------------------

// 0, or an errno.
int load_this_machine(hwloc_topology_t handle) {
  // IS_THISSYSTEM: the two others ask for it. DONT_CHANGE_BINDING: a load from inside a running
  // program must not move the calling thread about.
  constexpr unsigned long flags = HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM |
                                  HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING |
                                  HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING;
  errno = 0;
  if (hwloc_topology_set_flags(handle, flags) != 0 || hwloc_topology_load(handle) != 0)
    return why_it_failed();
  // The flag does nothing as soon as two threads have different masks, as the workers of another scheduler
  // do: what the process may use is what its threads may use together.
  const auto mask = make_bitmap();
  if (hwloc_get_cpubind(handle, mask.get(), HWLOC_CPUBIND_PROCESS) == 0 &&
      hwloc_bitmap_iszero(mask.get()) == 0)
    hwloc_topology_restrict(handle, mask.get(), 0);
  return hwloc_get_nbobjs_by_type(handle, HWLOC_OBJ_PU) > 0 ? 0 : ENODEV;
}

void load_description(hwloc_topology_t handle, const std::string& text) {
  // Without IS_THISSYSTEM: it would make binding to CPUs that do not exist look possible.
  const int set = text.starts_with('<')
                      ? hwloc_topology_set_xmlbuffer(handle, text.c_str(), static_cast<int>(text.size()) + 1)
                      : hwloc_topology_set_synthetic(handle, text.c_str());
  if (set != 0 || hwloc_topology_set_flags(handle, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING) != 0 ||
      hwloc_topology_load(handle) != 0 || hwloc_get_nbobjs_by_type(handle, HWLOC_OBJ_PU) <= 0)
    throw unusable_description(text);
}

void restrict_to(hwloc_topology_t handle, const std::string& mask) {
  const auto bits = from_list(mask);
  if (!bits || hwloc_topology_restrict(handle, bits->get(), 0) != 0) throw unusable_mask(mask);
}

// ---- reading ------------------------------------------------------------------------------------

hwloc_obj_t numa_node_at(hwloc_obj_t object) {
  // Memory hangs beside the tree; a memory-side cache stands between a node and its object. Of
  // several nodes with the same CPUs the first is the ordinary memory.
  auto memory = object->memory_first_child;
  while (memory != nullptr && memory->type != HWLOC_OBJ_NUMANODE) memory = memory->memory_first_child;
  return memory;
}

int number_of(hwloc_obj_t object) {
  return static_cast<int>(object->os_index == HWLOC_UNKNOWN_INDEX ? object->logical_index : object->os_index);
}

int speed_of(hwloc_topology_t handle, hwloc_const_cpuset_t set) {
  const int kind = hwloc_cpukinds_get_by_cpuset(handle, set, 0);
  int efficiency = 0;
  if (kind < 0 || hwloc_cpukinds_get_info(handle, static_cast<unsigned>(kind), nullptr, &efficiency, nullptr,
                                          nullptr, 0) != 0)
    return 0;
  return efficiency < 0 ? 0 : efficiency;
}

// `within` is the deepest object that contains `set`, so all others that do are its ancestors.
place place_of(hwloc_topology_t handle, hwloc_const_cpuset_t set, hwloc_obj_t within) {
  place found;
  found.pus = to_list(set);
  found.speed = speed_of(handle, set);
  for (auto object = within; object != nullptr; object = object->parent) {
    if (object->type == HWLOC_OBJ_L2CACHE || object->type == HWLOC_OBJ_L3CACHE) {
      found.cache = static_cast<int>(object->logical_index);
      found.cache_level = static_cast<int>(object->attr->cache.depth);
    }
    if (object->type == HWLOC_OBJ_PACKAGE) found.package = number_of(object);
    if (const auto node = numa_node_at(object); node != nullptr && found.node == place::none)
      found.node = number_of(node);
  }
  return found;
}

place place_of(hwloc_topology_t handle, hwloc_const_cpuset_t set) {
  return place_of(handle, set, hwloc_get_obj_covering_cpuset(handle, set));
}

void read_cores_and_pus(hwloc_topology_t handle, machine_facts& facts) {
  hwloc_obj_t last = nullptr;
  for (auto pu = hwloc_get_next_obj_by_type(handle, HWLOC_OBJ_PU, nullptr); pu != nullptr;
       pu = hwloc_get_next_obj_by_type(handle, HWLOC_OBJ_PU, pu)) {
    // Some virtual machines show no cores, and a crooked one may show some: a PU without stands for one.
    const auto core = hwloc_get_ancestor_obj_by_type(handle, HWLOC_OBJ_CORE, pu);
    const auto unit = core != nullptr ? core : pu;
    if (unit != last) {
      facts.cores.push_back(place_of(handle, unit->cpuset, unit));
      facts.cores.back().core = static_cast<int>(facts.cores.size()) - 1;
      last = unit;
    }
    facts.pus.push_back(place_of(handle, pu->cpuset, pu));
    facts.pus.back().core = facts.cores.back().core;
  }
}

void read_nodes(hwloc_topology_t handle, machine_facts& facts) {
  for (auto node = hwloc_get_next_obj_by_type(handle, HWLOC_OBJ_NUMANODE, nullptr); node != nullptr;
       node = hwloc_get_next_obj_by_type(handle, HWLOC_OBJ_NUMANODE, node)) {
    for (const auto& core : facts.cores) {
      if (core.node != number_of(node)) continue;
      facts.nodes.push_back(place_of(handle, node->cpuset));
      break;
    }
  }
}

// Counted over the cores: hwloc keeps packages and nodes that the mask leaves without a PU.
std::string counts(const machine_facts& facts, bool has_cores) {
  std::set<int> packages;
  for (const auto& core : facts.cores)
    if (core.package != place::none) packages.insert(core.package);
  std::string text;
  if (!packages.empty()) text += count_of(packages.size(), "package", "packages") + ", ";
  if (!facts.nodes.empty()) text += count_of(facts.nodes.size(), "NUMA node", "NUMA nodes") + ", ";
  text += has_cores ? count_of(facts.cores.size(), "core", "cores") : std::string("no cores known");
  return text + ", " + count_of(facts.pus.size(), "PU", "PUs");
}

std::string summarize(hwloc_topology_t handle, const machine_facts& facts, const std::string& description) {
  auto text = counts(facts, hwloc_get_nbobjs_by_type(handle, HWLOC_OBJ_CORE) != 0);
  if (const int kinds = hwloc_cpukinds_get_nr(handle, 0); kinds > 1)
    text += ", " + std::to_string(kinds) + " kinds of cores";
  if (const auto package = hwloc_get_next_obj_by_type(handle, HWLOC_OBJ_PACKAGE, nullptr); package != nullptr)
    if (const char* model = hwloc_obj_get_info_by_name(package, "CPUModel"); model != nullptr)
      text.append(", ").append(model);
  if (!description.empty())
    text += description.starts_with('<') ? " (simulated from XML)" : " (simulated: " + description + ")";
  return text;
}

std::string why_unbindable(hwloc_topology_t handle, bool simulated) {
  const auto support = hwloc_topology_get_support(handle);
  if (support->cpubind->set_thisthread_cpubind != 0) return {};
  if (simulated) return "the topology is simulated, so there is nothing to bind to";
  if (hwloc_topology_is_thissystem(handle) == 0)
    return "hwloc's environment variables describe another machine";
  return "this system offers no binding of threads";
}

// ---- without hwloc --------------------------------------------------------------------------------

bitmap cpus_of_the_affinity_mask() {
  auto bits = make_bitmap();
#ifdef __linux__
  // The kernel refuses a buffer smaller than its own mask, whose size it does not tell.
  for (int cpus = 1024; cpus <= (1 << 20); cpus *= 2) {
    const auto bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    std::vector<unsigned long> words(bytes / sizeof(unsigned long));
    if (sched_getaffinity(0, bytes, reinterpret_cast<cpu_set_t*>(words.data())) != 0) continue;
    for (unsigned word = 0; word < words.size(); ++word)
      hwloc_bitmap_set_ith_ulong(bits.get(), word, words[word]);
    break;
  }
#endif
  if (hwloc_bitmap_iszero(bits.get())) {
    const unsigned guess = std::thread::hardware_concurrency();
    hwloc_bitmap_set_range(bits.get(), 0, guess == 0 ? 0 : static_cast<int>(guess) - 1);
  }
  return bits;
}

machine_facts facts_without_hwloc(const std::string& mask, int error) {
  auto bits = cpus_of_the_affinity_mask();
  if (!mask.empty()) {
    const auto wanted = from_list(mask);
    if (!wanted) throw unusable_mask(mask);
    hwloc_bitmap_and(bits.get(), bits.get(), wanted->get());
    if (hwloc_bitmap_iszero(bits.get())) throw unusable_mask(mask);
  }
  machine_facts facts;
  for (int cpu = hwloc_bitmap_first(bits.get()); cpu >= 0; cpu = hwloc_bitmap_next(bits.get(), cpu)) {
    place one;
    one.pus = std::to_string(cpu);
    one.core = static_cast<int>(facts.pus.size());
    facts.pus.push_back(std::move(one));
  }
  facts.cores = facts.pus;
  facts.everywhere.pus = to_list(bits.get());
  facts.summary = count_of(facts.pus.size(), "CPU", "CPUs") + " by the affinity mask, nothing else is known";
  facts.why_unbindable = "hwloc could not read this machine (" + error_text(error) + ")";
  return facts;
}

}  // namespace

machine::machine(const machine_source& source) {
  auto fresh = std::make_unique<loaded>();
  const auto handle = fresh->handle;
  const bool simulated = !source.description.empty();
  int error = 0;
  {
    const std::lock_guard hold(loading);
    if (simulated)
      load_description(handle, source.description);
    else
      error = load_this_machine(handle);
  }
  if (error != 0) {
    facts_ = facts_without_hwloc(source.mask, error);
    return;
  }
  if (!source.mask.empty()) restrict_to(handle, source.mask);

  facts_.simulated = simulated;
  read_cores_and_pus(handle, facts_);
  read_nodes(handle, facts_);
  facts_.everywhere = place_of(handle, hwloc_topology_get_topology_cpuset(handle));
  facts_.summary = summarize(handle, facts_, source.description);
  facts_.why_unbindable = why_unbindable(handle, simulated);
  loaded_ = std::move(fresh);
}

machine::~machine() = default;

namespace {

// Strict first; where strictness itself is what cannot be had (EXDEV, ENOSYS), a loose binding still keeps
// the thread where it belongs most of the time. `bind` takes flags, and returns 0 if it has succeeded.
template <class Bind>
int bind_strictly_or_loosely(Bind bind) {
  const auto attempt = [&](int flags) {
    errno = 0;
    return bind(flags) == 0 ? 0 : why_it_failed();
  };
  const int error = attempt(HWLOC_CPUBIND_THREAD | HWLOC_CPUBIND_STRICT);
  if (error == EXDEV || error == ENOSYS) return attempt(HWLOC_CPUBIND_THREAD);
  return error;
}

}  // namespace

int machine::bind_this_thread(const std::string& pus) const {
  if (!loaded_) return ENOSYS;
  const auto bits = from_list(pus);
  if (!bits) return EINVAL;
  return bind_strictly_or_loosely(
      [&](int flags) { return hwloc_set_cpubind(loaded_->handle, bits->get(), flags); });
}

int machine::bind_thread(thread::native who, const std::string& pus) const {
  if (!loaded_) return ENOSYS;
  const auto bits = from_list(pus);
  if (!bits) return EINVAL;
  return bind_strictly_or_loosely(
      [&](int flags) { return hwloc_set_thread_cpubind(loaded_->handle, who, bits->get(), flags); });
}

int machine::unbind_thread(thread::native who) const {
  if (!loaded_) return ENOSYS;
  const auto handle = loaded_->handle;
  const auto everywhere = hwloc_topology_get_topology_cpuset(handle);
  const auto now = make_bitmap();
  if (hwloc_get_thread_cpubind(handle, who, now.get(), HWLOC_CPUBIND_THREAD) == 0 &&
      hwloc_bitmap_isincluded(everywhere, now.get()) != 0)
    return 0;
  return bind_strictly_or_loosely(
      [&](int flags) { return hwloc_set_thread_cpubind(handle, who, everywhere, flags); });
}

std::string refusal_in_words(int error) {
  switch (error) {
    case EPERM:
      return "EPERM: not permitted (a seccomp filter or the container's policy)";
    case ENOSYS:
      return "ENOSYS: not supported on this system";
    case EINVAL:
      return "EINVAL: none of these PUs may be used by this thread (cpuset, or a PU that does not exist)";
    case EXDEV:
      return "EXDEV: the system cannot enforce it";
    default:
      return "error " + std::to_string(error) + ": " + error_text(error);
  }
}

}  // namespace coppice::inline v0::platform
