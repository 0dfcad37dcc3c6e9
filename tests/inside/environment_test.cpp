// Proves what COPPICE_WORKERS and COPPICE_PIN may change, and that nonsense in them changes nothing
// but is told. All but two tests hand the texts in and leave the process's environment alone.
#include "platform/environment.hpp"

#include "platform/limits.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "support/process.hpp"
#include "support/scale.hpp"

namespace {

using coppice::pinning;
using coppice::platform::max_workers;
using coppice::platform::override_defaults;
using coppice::platform::override_from_environment;
using coppice::platform::parse_pinning;
using coppice::platform::parse_workers;
using coppice::platform::stall_from_environment;
using coppice::platform::to_word;

TEST(environment, ReadsANumberOfWorkersUpToTheLimit) {
  EXPECT_EQ(parse_workers("0"), 0U);
  EXPECT_EQ(parse_workers("1"), 1U);
  EXPECT_EQ(parse_workers("007"), 7U);
  EXPECT_EQ(parse_workers(std::to_string(max_workers)), max_workers);
  EXPECT_EQ(parse_workers(std::to_string(max_workers + 1)), std::nullopt);
}

TEST(environment, TakesNothingButDecimalDigitsForANumber) {
  for (const auto* text : {"", " ", "4 ", " 4", "-1", "+4", "4.0", "0x4", "1e2", "four", "4,5", "4294967297",
                           "99999999999999999999999999"})
    EXPECT_EQ(parse_workers(text), std::nullopt) << '"' << text << '"';
}

TEST(environment, ReadsEachPinningByTheWordThatItIsShownAs) {
  for (const auto pin : {pinning::core, pinning::pu, pinning::numa, pinning::none})
    EXPECT_EQ(parse_pinning(to_word(pin)), pin) << to_word(pin);
  EXPECT_EQ(parse_pinning("numa"), pinning::numa);
}

TEST(environment, TakesNothingButTheFourWordsForAPinning) {
  for (const auto* text : {"", "Core", "core ", "cores", "1", "unknown"})
    EXPECT_EQ(parse_pinning(text), std::nullopt) << '"' << text << '"';
}

TEST(environment, ReplacesTheDefaults) {
  const auto result = override_defaults(0, pinning::core, "3", "none");
  EXPECT_EQ(result.workers, 3U);
  EXPECT_EQ(result.pin, pinning::none);
  EXPECT_TRUE(result.warnings.empty());
}

TEST(environment, LeavesAloneWhatTheProgramHasChosen) {
  const auto result = override_defaults(2, pinning::pu, "3", "none");
  EXPECT_EQ(result.workers, 2U);
  EXPECT_EQ(result.pin, pinning::pu);
}

TEST(environment, DoesNotJudgeAValueThatItDoesNotUse) {
  EXPECT_TRUE(override_defaults(2, pinning::pu, "garbage", "garbage").warnings.empty());
}

TEST(environment, TakesUnsetAndEmptyForNothingSaid) {
  for (const char* text : {static_cast<const char*>(nullptr), ""}) {
    const auto result = override_defaults(0, pinning::core, text, text);
    EXPECT_EQ(result.workers, 0U);
    EXPECT_EQ(result.pin, pinning::core);
    EXPECT_TRUE(result.warnings.empty());
  }
}

TEST(environment, IgnoresAMalformedValueWithOneLineThatNamesIt) {
  const auto result = override_defaults(0, pinning::core, "4x", "socket");
  EXPECT_EQ(result.workers, 0U);
  EXPECT_EQ(result.pin, pinning::core);
  ASSERT_EQ(result.warnings.size(), 2U);
  EXPECT_EQ(result.warnings[0],
            "coppice: ignored COPPICE_WORKERS=\"4x\": expected a number from 0 (all) to 4096");
  EXPECT_EQ(result.warnings[1], "coppice: ignored COPPICE_PIN=\"socket\": expected core, pu, numa or none");
}

TEST(environment, KeepsTheOneValueThatMakesSense) {
  const auto result = override_defaults(0, pinning::core, "many", "pu");
  EXPECT_EQ(result.workers, 0U);
  EXPECT_EQ(result.pin, pinning::pu);
  EXPECT_EQ(result.warnings.size(), 1U);
}

TEST(environment, KeepsTheWarningShortAndOnOneLine) {
  const std::string text = "1\n\x1b[31m\xff" + std::string(100'000, '9');
  const auto result = override_defaults(0, pinning::core, text.c_str(), nullptr);
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_LT(result.warnings[0].size(), 200U);
  EXPECT_TRUE(std::all_of(result.warnings[0].begin(), result.warnings[0].end(), [](char c) {
    return c >= ' ' && c <= '~';
  })) << result.warnings[0];
}

class environment_of_the_process : public testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }

 private:
  static void clear() {
    unsetenv("COPPICE_WORKERS");
    unsetenv("COPPICE_PIN");
  }
};

TEST_F(environment_of_the_process, IsHeard) {
  EXPECT_EQ(override_from_environment(0, pinning::core).workers, 0U);
  setenv("COPPICE_WORKERS", "5", 1);
  setenv("COPPICE_PIN", "numa", 1);
  const auto result = override_from_environment(0, pinning::core);
  EXPECT_EQ(result.workers, 5U);
  EXPECT_EQ(result.pin, pinning::numa);
}

TEST_F(environment_of_the_process, IsWarnedAboutOnStderrOnce) {
  static int repetition = 0;  // of the whole test, by --gtest_repeat: once per process is meant
  const std::string text = "a-few-" + std::to_string(++repetition);
  setenv("COPPICE_WORKERS", text.c_str(), 1);
  testing::internal::CaptureStderr();
  override_from_environment(0, pinning::core);
  override_from_environment(0, pinning::core);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "coppice: ignored COPPICE_WORKERS=\"" + text + "\": expected a number from 0 (all) to 4096\n");
}

// The watchdog adds it to the time of the day.
TEST(environment, TakesMoreThanADayOfStandingStillForADay) {
  using namespace std::chrono_literals;
  EXPECT_EQ(stall_from_environment(std::chrono::milliseconds::max()), 24h);
  EXPECT_EQ(stall_from_environment(24h + 1ms), 24h);
  EXPECT_EQ(stall_from_environment(24h), 24h);
  EXPECT_EQ(stall_from_environment(1ms), 1ms);
}

// A child that found a lock held by a thread of its parent would hang: it is ended after a minute.
TEST_F(environment_of_the_process, IsReadInAChildThatWasForkedWhileAnotherThreadWasWarned) {
  if (support::sanitized) GTEST_SKIP() << "the sanitizers do not survive a fork beside running threads";
  testing::internal::CaptureStderr();
  setenv("COPPICE_WORKERS", "a child more", 1);
  std::atomic<bool> over{false};
  std::thread warned([&] {
    while (!over) override_from_environment(0, pinning::core);
  });
  for (int i = 0; i < 200 && !HasFailure(); ++i)
    EXPECT_TRUE(support::in_child_process([] {
      alarm(60);
      return override_from_environment(0, pinning::core).workers == 0;
    })) << "fork "
        << i;
  over = true;
  warned.join();
  testing::internal::GetCapturedStderr();
}

}  // namespace
