// No memory in a stream: what was taken is read, each once, as its value or as an error; then comes the end.
#include <gtest/gtest.h>

#include <coppice/coppice.hpp>
#include <cstdint>
#include <new>
#include <ranges>
#include <string>
#include <utility>

#include "allocation_faults.hpp"

namespace {

using faults::complaint;
using faults::long_text;

template <class Stream>
complaint read_and_judge(Stream& stream) {
  std::uint64_t read = 0;
  std::uint64_t seen = 0;
  while (auto r = stream.next()) {
    if ((seen & (std::uint64_t{1} << r->index)) != 0) return "a result came twice";
    seen |= std::uint64_t{1} << r->index;
    ++read;
    if (r->ok() && r->value() != long_text) return "another value";
  }
  if (stream.next()) return "a result after the end";
  const coppice::job_report& report = stream.report();
  if (report.cancel && report.cancel->reason.starts_with("its pool, or the job"))
    return "nobody stopped those";
  if (report.spawned != read) return "not all that was taken was read";
  if (report.result == coppice::outcome::completed && read != 20) return "completed without all inputs";
  return faults::judged(report);
}

template <class Pool>
complaint stream_operation(Pool& pool, bool ordered) {
  auto stream = pool.map(std::views::iota(0, 20),
                         [](int i) {
                           if (i == 7) throw support::failure(long_text);
                           return std::string(long_text);
                         },
                         {.capacity = 4, .ordered = ordered, .name = long_text});
  return read_and_judge(stream);
}

template <class Pool>
complaint stage_operation(Pool& pool) {
  auto stream =
      pool.map(pool.map(std::views::iota(0, 20), [](int i) { return i; }, {.capacity = 3, .name = long_text}),
               [](int) { return std::string(long_text); }, {.capacity = 2});
  return read_and_judge(stream);
}

TEST(allocation, AStreamGivesEachInputOnce) {
  for (const bool ordered : {false, true})
    faults::survives_each_fault([ordered](coppice::scheduler& s) { return stream_operation(s, ordered); });
}

TEST(allocation, StagesGiveEachInputOnce) {
  faults::survives_each_fault([](coppice::scheduler& s) { return stage_operation(s); });
}

// A stage that cannot be made leaves its source as it was.
template <class Pool>
complaint refused_stage_operation(Pool& pool) {
  auto source =
      pool.map(std::views::iota(0, 20), [](int) { return std::string(long_text); }, {.capacity = 3});
  coppice::results<std::string> stage;
  try {
    stage = pool.map(std::move(source), [](std::string s) { return s; }, {.capacity = 2, .name = long_text});
  } catch (const std::bad_alloc&) {
    return read_and_judge(source);
  }
  return read_and_judge(stage);
}

TEST(allocation, C01AStageThatCannotBeMadeLeavesItsSourceUnchanged) {
  faults::survives_each_fault([](coppice::scheduler& s) { return refused_stage_operation(s); });
  faults::survives_each_fault(
      [](coppice::scheduler& s) { return s.submit([&s] { return refused_stage_operation(s); }).get(); });
}

TEST(allocation, AStreamThatIsDestroyedEarlyLeavesNothing) {
  faults::survives_each_fault([](coppice::scheduler& s) -> complaint {
    auto stream = s.map(std::views::iota(0), [](int) { return std::string(long_text); }, {.capacity = 4});
    stream.next();
    return nullptr;
  });
}

TEST(allocation, AStreamOnAFifoPoolGivesEachInputOnce) {
  for (const auto who : {faults::scope::this_thread, faults::scope::any_thread})
    for (const bool stages : {false, true})
      faults::with_each_fault(who, [stages](const auto& inject) {
        coppice::fifo_pool pool({.workers = 2});
        inject([&] { return stages ? stage_operation(pool) : stream_operation(pool, true); });
        EXPECT_EQ(pool.submit([] { return 1; }).get(), 1) << "the pool is not usable afterwards";
      });
}

}  // namespace
