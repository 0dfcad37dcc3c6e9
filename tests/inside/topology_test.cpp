// Proves sizing, placement and victim order on simulated machines, from a lone PU to 5000 cores.
// What needs this machine's kernel (masks, binding, refusals) is in topology_binding_test.cpp.
#include "platform/topology.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "inside/topology_says.hpp"

namespace {

using coppice::pinning;
using coppice::platform::distance;
using coppice::platform::max_workers;
using coppice::platform::place;
using coppice::platform::topology;
using coppice::platform::topology_request;

// 128 cores in 16 L3 caches; core c has the PUs 2c and 2c+1.
constexpr auto two_packages = "pack:2 [numa] l3:8 core:8 pu:2";
// The same cores as eight NUMA nodes, each with two L3 caches.
constexpr auto four_nodes_per_package = "pack:2 group:4 [numa] l3:2 core:8 pu:2";

topology_request simulated(std::string description) {
  topology_request request;
  request.synthetic = std::move(description);
  return request;
}

topology make(std::string description, unsigned workers, pinning pin = pinning::core) {
  auto request = simulated(std::move(description));
  request.workers = workers;
  request.pin = pin;
  return topology(request);
}

topology make_with_quota(std::string description, unsigned workers, double quota) {
  auto request = simulated(std::move(description));
  request.workers = workers;
  request.quota = quota;
  return topology(request);
}

topology make_with_mask(std::string description, std::string mask, pinning pin = pinning::core) {
  auto request = simulated(std::move(description));
  request.mask = std::move(mask);
  request.pin = pin;
  return topology(request);
}

std::vector<std::string> pus(const topology& t) {
  std::vector<std::string> all;
  for (unsigned worker = 0; worker < t.workers(); ++worker) all.push_back(t.place_of(worker).pus);
  return all;
}

// Victims of one distance; empty where there is no such group.
std::vector<unsigned> victims_at(const topology& t, unsigned worker, distance how_far) {
  for (const auto& group : t.victims(worker))
    if (group.how_far == how_far) return group.workers;
  return {};
}

std::vector<unsigned> range(unsigned first, unsigned last) {
  std::vector<unsigned> numbers(last - first);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::vector<unsigned> without(std::vector<unsigned> numbers, unsigned number) {
  std::erase(numbers, number);
  return numbers;
}

using list = std::vector<std::string>;

// ---- how many ---------------------------------------------------------------------------------

TEST(topology, GivesOneWorkerPerCoreOfTheMachine) {
  const topology t(simulated(two_packages));
  EXPECT_EQ(t.workers(), 128U);
  EXPECT_FALSE(t.oversubscribed());
}

TEST(topology, GivesOneWorkerPerCoreOfTheMask) {
  const auto t = make_with_mask(two_packages, "0-5,128,255");  // 3 whole cores, 2 halves
  EXPECT_EQ(pus(t), (list{"0-1", "2-3", "4-5", "128", "255"}));
  EXPECT_EQ(t.place_of(2).node, 0);
  EXPECT_EQ(t.place_of(3).node, 1);
  EXPECT_EQ(t.place_of(4).package, 1);
}

TEST(topology, GivesOneWorkerPerPuWhenAskedFor) {
  const auto t = make(two_packages, 0, pinning::pu);
  EXPECT_EQ(t.workers(), 256U);
  EXPECT_EQ(t.place_of(255).pus, "255");
  EXPECT_EQ(t.place_of(255).core, 127);
}

TEST(topology, TakesPusWhereThereAreNoCores) {
  const topology t(simulated("pu:3"));
  EXPECT_EQ(pus(t), (list{"0", "1", "2"}));
  EXPECT_TRUE(says(t, "no cores known"));
}

TEST(topology, RunsOneWorkerOnALonePu) {
  const topology t(simulated("pu:1"));
  EXPECT_EQ(t.workers(), 1U);
  EXPECT_EQ(t.place_of(0).pus, "0");
  EXPECT_TRUE(t.victims(0).empty());
}

TEST(topology, RoundsTheQuotaUpAndNeverBelowOneWorker) {
  EXPECT_EQ(make_with_quota(two_packages, 0, 0.0).workers(), 1U);
  EXPECT_EQ(make_with_quota(two_packages, 0, 0.01).workers(), 1U);
  EXPECT_EQ(make_with_quota(two_packages, 0, 1.0).workers(), 1U);
  EXPECT_EQ(make_with_quota(two_packages, 0, 1.01).workers(), 2U);
  EXPECT_EQ(make_with_quota(two_packages, 0, 128.0).workers(), 128U);
}

TEST(topology, IsNotEnlargedByAQuotaAboveTheCores) {
  for (const double quota : {129.0, 1e18, std::numeric_limits<double>::infinity()})
    EXPECT_EQ(make_with_quota(two_packages, 0, quota).workers(), 128U) << quota;
}

TEST(topology, DoesNotApplyThisMachinesQuotaToASimulatedOne) {
  EXPECT_TRUE(says(topology(simulated(two_packages)), "quota: none"));
}

TEST(topology, AllowsMoreWorkersThanCoresAndSaysSo) {
  const auto t = make("core:2 pu:2", 3);
  EXPECT_EQ(t.workers(), 3U);
  EXPECT_TRUE(t.oversubscribed());
  EXPECT_EQ(t.why_not_pinned(), "3 workers are more than 2 cores");
  EXPECT_FALSE(make("core:2 pu:2", 2).oversubscribed());
  EXPECT_FALSE(make("core:2 pu:2", 3, pinning::pu).oversubscribed()) << "there are 4 PUs";
}

TEST(topology, CallsMoreWorkersThanTheQuotaFeedsOversubscribed) {
  EXPECT_TRUE(make_with_quota("core:8 pu:1", 3, 2.0).oversubscribed());
  EXPECT_FALSE(make_with_quota("core:8 pu:1", 3, 2.5).oversubscribed());
}

TEST(topology, RefusesMoreThanTheLimitAndNamesIt) {
  EXPECT_EQ(make("core:2 pu:1", max_workers).workers(), max_workers);
  try {
    make("core:2 pu:1", max_workers + 1);
    FAIL() << "accepted";
  } catch (const std::invalid_argument& refused) {
    EXPECT_NE(std::string(refused.what()).find("4096"), std::string::npos) << refused.what();
    EXPECT_NE(std::string(refused.what()).find("4097"), std::string::npos) << refused.what();
  }
}

TEST(topology, StopsAtTheLimitByItselfOnAMachineWithMoreCores) {
  const topology t(simulated("pack:50 core:100 pu:1"));
  EXPECT_EQ(t.workers(), max_workers);
  EXPECT_FALSE(t.oversubscribed());
}

TEST(topology, PlansAnotherNumberOfWorkersForTheSameMachine) {
  auto request = simulated(two_packages);
  request.pin = pinning::pu;
  request.quota = 300.0;
  const topology first(request);
  const auto fewer = first.with_workers(2);
  EXPECT_EQ(pus(fewer), (list{"0", "2"}));
  EXPECT_TRUE(first.with_workers(257).oversubscribed());
  EXPECT_EQ(fewer.with_workers(0).workers(), 256U);
  EXPECT_THROW(static_cast<void>(first.with_workers(max_workers + 1)), std::invalid_argument);
}

// ---- where ----------------------------------------------------------------------------------------

TEST(topology, BindsAWorkerToAllHyperthreadsOfItsCore) {
  const topology t(simulated(two_packages));
  const auto& last = t.place_of(127);
  EXPECT_EQ(last.pus, "254-255");
  EXPECT_EQ(last.core, 127);
  EXPECT_EQ(last.cache, 15);
  EXPECT_EQ(last.cache_level, 3);
  EXPECT_EQ(last.node, 1);
  EXPECT_EQ(last.package, 1);
}

TEST(topology, NumbersPusAsTheSystemDoes) {
  const topology t(simulated("pack:1 core:2 pu:2(indexes=0,2,1,3)"));  // hyperthreads far apart
  EXPECT_EQ(pus(t), (list{"0,2", "1,3"}));
}

TEST(topology, KeepsTheSystemsNumbersOfNodeAndPackageUnderAMask) {
  const auto t = make_with_mask(two_packages, "254-255");
  EXPECT_EQ(t.place_of(0).node, 1);
  EXPECT_EQ(t.place_of(0).package, 1);
}

TEST(topology, TakesTheNearestOfSeveralMemories) {
  const topology t(simulated("[numa] pack:2 [numa] core:2 pu:1"));  // and one that all packages share
  EXPECT_NE(t.place_of(0).node, t.place_of(2).node);
  EXPECT_EQ(victims_at(t, 0, distance::remote), range(2, 4));
}

TEST(topology, BindsToTheNodeWithOneWorkerPerCoreOfIt) {
  const auto t = make(four_nodes_per_package, 0, pinning::numa);
  ASSERT_EQ(t.workers(), 128U);
  for (unsigned worker = 0; worker < 128; ++worker)
    ASSERT_EQ(t.place_of(worker).node, static_cast<int>(worker / 16)) << worker;
  EXPECT_EQ(t.place_of(17).pus, "32-63");
  EXPECT_EQ(t.place_of(17).cache, place::none) << "a node has two L3 caches";
}

TEST(topology, SpreadsFewerWorkersOverTheNodes) {
  const auto t = make(two_packages, 3, pinning::numa);
  EXPECT_EQ(pus(t), (list{"0-127", "0-127", "128-255"}));
}

TEST(topology, UsesEveryCoreBeforeASecondHyperthread) {
  EXPECT_EQ(pus(make("core:2 pu:2", 2, pinning::pu)), (list{"0", "2"}));
  EXPECT_EQ(pus(make("core:2 pu:2", 3, pinning::pu)), (list{"0", "1", "2"}));
}

TEST(topology, KeepsFewerWorkersCloseTogether) {
  EXPECT_EQ(pus(make(two_packages, 3)), (list{"0-1", "2-3", "4-5"}));
}

TEST(topology, GivesNoPlacesWhereWorkersMove) {
  for (const auto& t : {make(two_packages, 4, pinning::none), make(two_packages, 129),
                        make_with_quota(two_packages, 0, 127.5)}) {
    EXPECT_EQ(t.place_of(0).pus, "0-255");
    EXPECT_EQ(t.place_of(0).core, place::none);
    EXPECT_FALSE(t.pinned());
    EXPECT_TRUE(says(t, "anywhere in the mask"));
  }
}

TEST(topology, DoesNotPinBelowTheCoresEvenIfTheWorkersWouldFit) {
  EXPECT_EQ(make_with_quota("core:2 pu:1", 0, 1.99).why_not_pinned(),
            "the quota of 1.99 CPUs is below the 2 cores of the mask");
  EXPECT_EQ(make_with_quota("core:2 pu:1", 0, 1.99).workers(), 2U);
  EXPECT_EQ(make_with_quota("core:2 pu:1", 0, 2.0).why_not_pinned(),
            "the topology is simulated, so there is nothing to bind to");
}

// ---- from whom --------------------------------------------------------------------------------------

TEST(topology, OrdersVictimsByCacheThenPackageThenTheRest) {
  const topology t(simulated(two_packages));
  for (const unsigned worker : {0U, 7U, 63U, 64U, 100U, 127U}) {
    const unsigned cache = worker / 8 * 8;
    const unsigned package = worker / 64 * 64;
    const auto groups = t.victims(worker);
    ASSERT_EQ(groups.size(), 3U);
    EXPECT_EQ(groups[0].how_far, distance::cache);
    EXPECT_EQ(groups[0].workers, without(range(cache, cache + 8), worker));
    EXPECT_EQ(groups[1].how_far, distance::node);
    EXPECT_EQ(groups[1].workers.size(), 56U);
    EXPECT_EQ(groups[2].how_far, distance::remote);
    EXPECT_EQ(groups[2].workers, package == 0 ? range(64, 128) : range(0, 64));
  }
}

TEST(topology, NamesEachOtherWorkerExactlyOnceAsAVictim) {
  for (const auto& t :
       {make(two_packages, 0, pinning::pu), make(four_nodes_per_package, 0),
        make(four_nodes_per_package, 5, pinning::numa), make("pu:3", 0), make("core:2 pu:1", 64)}) {
    for (unsigned worker = 0; worker < t.workers(); ++worker) {
      std::vector<unsigned> all;
      for (const auto& group : t.victims(worker)) {
        EXPECT_FALSE(group.workers.empty());
        all.insert(all.end(), group.workers.begin(), group.workers.end());
      }
      std::sort(all.begin(), all.end());
      ASSERT_EQ(all, without(range(0, t.workers()), worker)) << t.describe();
    }
  }
}

TEST(topology, CountsTheOtherNodesOfAPackageAsNear) {
  const topology t(simulated(four_nodes_per_package));
  EXPECT_EQ(victims_at(t, 0, distance::cache), range(1, 8));
  EXPECT_EQ(victims_at(t, 0, distance::node), range(8, 64));
  EXPECT_EQ(victims_at(t, 0, distance::remote), range(64, 128));
}

TEST(topology, TakesASharedL2ForNearWhereThereIsNoL3) {
  const topology t(simulated("pack:1 l2:2 core:2 pu:1"));
  EXPECT_EQ(victims_at(t, 0, distance::cache), (std::vector<unsigned>{1}));
  EXPECT_EQ(victims_at(t, 0, distance::node), (std::vector<unsigned>{2, 3}));
}

TEST(topology, TakesTheHyperthreadsOfACoreForNearWithoutKnowingACache) {
  const auto t = make("core:2 pu:2", 0, pinning::pu);
  EXPECT_EQ(victims_at(t, 2, distance::cache), (std::vector<unsigned>{3}));
  EXPECT_EQ(victims_at(t, 2, distance::node), (std::vector<unsigned>{0, 1}));
}

TEST(topology, TakesWorkersWithoutPlacesForAsFarAsTheMaskIsWide) {
  EXPECT_EQ(victims_at(make(two_packages, 4, pinning::none), 0, distance::remote), range(1, 4));
  EXPECT_EQ(victims_at(make("pack:1 l3:2 core:2 pu:1", 9), 0, distance::node), range(1, 9));
  EXPECT_EQ(victims_at(make("pack:1 l3:1 core:2 pu:1", 9), 0, distance::cache), range(1, 9));
}

// ---- hybrid -------------------------------------------------------------------------------------------

std::string object(const std::string& type, const std::string& set, const std::string& children,
                   const std::string& more = {}) {
  static int serial = 0;
  return "<object type=\"" + type + "\" cpuset=\"" + set + "\" complete_cpuset=\"" + set +
         "\" nodeset=\"0x1\" complete_nodeset=\"0x1\" gp_index=\"" + std::to_string(++serial) + "\"" +
         (more.empty() ? "" : " " + more) + ">\n" + children + "</object>\n";
}

std::string numbered(const std::string& type, int number, const std::string& set,
                     const std::string& children = {}) {
  return object(type, set, children, "os_index=\"" + std::to_string(number) + "\"");
}

std::string cache(int level, const std::string& set, const std::string& children) {
  return object(
      "L" + std::to_string(level) + "Cache", set, children,
      "cache_size=\"1048576\" cache_linesize=\"64\" cache_associativity=\"0\" cache_type=\"0\" depth=\"" +
          std::to_string(level) + "\"");
}

// Two slow cores with one PU each share an L2 (PUs 0, 1); two fast ones with two PUs each an L3 (2-5).
std::string hybrid_machine() {
  const auto slow = cache(2, "0x3",
                          numbered("Core", 0, "0x1", numbered("PU", 0, "0x1")) +
                              numbered("Core", 1, "0x2", numbered("PU", 1, "0x2")));
  const auto fast =
      cache(3, "0x3c",
            numbered("Core", 2, "0xc", numbered("PU", 2, "0x4") + numbered("PU", 3, "0x8")) +
                numbered("Core", 3, "0x30", numbered("PU", 4, "0x10") + numbered("PU", 5, "0x20")));
  const auto package = numbered("Package", 0, "0x3f", numbered("NUMANode", 0, "0x3f") + slow + fast);
  const auto machine =
      object("Machine", "0x3f", package, "os_index=\"0\" allowed_cpuset=\"0x3f\" allowed_nodeset=\"0x1\"");
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
         "<topology version=\"2.0\">\n" +
         machine +
         "<cpukind cpuset=\"0x3\" forced_efficiency=\"0\"/>\n<cpukind cpuset=\"0x3c\" "
         "forced_efficiency=\"1\"/>\n"
         "</topology>\n";
}

TEST(topology, GivesOneWorkerPerCoreOfAHybridMachine) {
  const topology t(simulated(hybrid_machine()));
  EXPECT_EQ(pus(t), (list{"0", "1", "2-3", "4-5"}));
  EXPECT_TRUE(says(t, "4 cores, 6 PUs, 2 kinds of cores")) << t.describe();
  EXPECT_EQ(victims_at(t, 0, distance::cache), (std::vector<unsigned>{1}));
  EXPECT_EQ(victims_at(t, 2, distance::cache), (std::vector<unsigned>{3}));
}

TEST(topology, PrefersTheFasterCoresWhenThereAreFewerWorkers) {
  EXPECT_EQ(pus(make(hybrid_machine(), 2)), (list{"2-3", "4-5"}));
  EXPECT_EQ(pus(make(hybrid_machine(), 3)), (list{"0", "2-3", "4-5"}));
  EXPECT_EQ(pus(make(hybrid_machine(), 4, pinning::pu)), (list{"0", "1", "2", "4"}))
      << "a slow core before the second hyperthread of a fast one";
}

// ---- bad input, and what people read ------------------------------------------------------------------

TEST(topology, RefusesADescriptionThatHwlocCannotRead) {
  for (const auto* text : {"garbage", "core:0", "core:2 pu:", "<not-xml", "<topology/>", " "})
    EXPECT_THROW(topology(simulated(text)), std::invalid_argument) << text;
}

TEST(topology, RefusesAMaskThatLeavesNothing) {
  for (const auto* mask : {"4", "abc", "0-x", "0 1", "-", "1-0", "all"})
    EXPECT_THROW(make_with_mask("core:4 pu:1", mask), std::invalid_argument) << mask;
  EXPECT_EQ(make_with_mask("core:4 pu:1", "3-9").workers(), 1U);
}

TEST(topology, CountsOnlyWhatTheMaskLeaves) {
  EXPECT_TRUE(
      says(make_with_mask(two_packages, "130-133"), "machine: 1 package, 1 NUMA node, 2 cores, 4 PUs"));
}

TEST(topology, DescribesTheMachineAndEachPlaceForPeople) {
  EXPECT_EQ(make("pack:2 [numa] l3:1 core:1 pu:2", 0).describe(),
            "machine: 2 packages, 2 NUMA nodes, 2 cores, 4 PUs (simulated: pack:2 [numa] l3:1 core:1 pu:2)\n"
            "mask: PUs 0-3\n"
            "quota: none\n"
            "workers: 2, one per core of the mask\n"
            "pinning: not pinned, the topology is simulated, so there is nothing to bind to\n"
            "worker 0: PUs 0-1, core 0, L3 0, NUMA node 0, package 0\n"
            "worker 1: PUs 2-3, core 1, L3 1, NUMA node 1, package 1\n");
}

TEST(topology, DescribesWhyThereAreSoManyWorkers) {
  EXPECT_TRUE(
      says(make_with_quota("core:4 pu:1", 0, 1.5), "quota: 1.5 CPUs\nworkers: 2, the quota rounded up\n"));
  EXPECT_TRUE(says(make("core:4 pu:1", 2), "workers: 2, as asked for\n"));
  EXPECT_TRUE(says(make("core:4 pu:1", 5), "workers: 5, as asked for; more than can run at once"));
  EXPECT_TRUE(says(make("core:4 pu:2", 0, pinning::pu), "workers: 8, one per PU of the mask\n"));
  EXPECT_TRUE(says(make("pack:50 core:100 pu:1", 0), "workers: 4096, the most there can be\n"));
  EXPECT_TRUE(says(make("core:4 pu:1", 0, pinning::none), "not pinned, pinning none was asked for\n"));
}

TEST(topology, BindsNothingOnASimulatedMachineAndSaysWhy) {
  auto t = make(two_packages, 0);
  std::string why;
  EXPECT_FALSE(t.bind_this_thread(0, &why));
  EXPECT_EQ(why, "the topology is simulated, so there is nothing to bind to");
  EXPECT_FALSE(t.bind_this_thread(0, nullptr));
}

}  // namespace
