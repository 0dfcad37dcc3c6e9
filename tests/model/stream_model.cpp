// Streams of results: who reads, who works, who stops. Whoever is not woken, and an input that nobody takes,
// is a deadlock.
#include "stream_scene.hpp"

namespace {

using coppice::detail::stream_stop;
using model::check;
using model::long_within;
using model::thread;
using stream_model::numbers;
using stream_model::pool;
using stream_model::stage;
using stream_model::stage_with_source;
using stream_model::started;

MODEL(EachInputOfAStreamIsReadOnce, (long_within(2))) {
  pool p(1);
  started s(p, 2, {.capacity = 2});
  s->read_to_the_end();
}

MODEL(TheEndIsForEver, (long_within(2))) {
  pool p(1);
  started s(p, 1, {.capacity = 2});
  while (s->read() != nullptr) {
  }
  check(s->ended(), "also while a step that was posted before begins");
}

MODEL(AWindowOfOnePassesFromReaderToStep, (long_within(2))) {
  pool p(1);
  started s(p, 2, {.capacity = 1});
  s->read_to_the_end();
}

MODEL(TwoStepsTakeEachInputOnce, (long_within(1))) {
  pool p(2);
  started s(p, 2, {.capacity = 2});
  s->read_to_the_end();
}

MODEL(OrderedResultsWakeTheReaderThatWaitsForTheirPlace, (long_within(1))) {
  pool p(2);
  started s(p, 2, {.capacity = 2, .ordered = true});
  s->read_to_the_end();
}

// A result does not wait for the source, nor for the step that made it.
MODEL(AResultIsReadWhileTheSourceWaits, (long_within(2))) {
  pool p(1);
  started s(p, 1, {.capacity = 2}, [](unsigned given, numbers& all) {
    if (given == 1) all.one.wait();
  });
  check(s->read() != nullptr, "the first is there");
  s->one.raise();
  check(s->read() == nullptr, "and it was the only one");
}

MODEL(AnOrderedResultIsReadWhileTheSourceWaits, (long_within(2))) {
  pool p(1);
  started s(p, 1, {.capacity = 2, .ordered = true}, [](unsigned given, numbers& all) {
    if (given == 1) all.one.wait();
  });
  check(s->read() != nullptr, "the first is there");
  s->one.raise();
  check(s->read() == nullptr, "and it was the only one");
}

MODEL(AnInputThatWaitsForTheNextIsNotAlone, (long_within(1))) {
  pool p(2);
  started s(p, 2, {.capacity = 2}, nullptr, [](unsigned value, numbers& all) {
    if (value == 0)
      all.one.wait();
    else
      all.one.raise();
  });
  s->read_to_the_end();
}

MODEL(OneAtATimeThoughTwoCouldWork, (long_within(1))) {
  pool p(2);
  started s(p, 2, {.capacity = 2, .concurrency = 1}, nullptr, [](unsigned value, numbers& all) {
    check(all.at_work == 0, "at most one works");  // plain: two at once are a race
    all.at_work = value + 1;
    all.at_work = 0;
  });
  s->read_to_the_end();
}

MODEL(ACancelLosesNoInputThatWasTaken, (long_within(1))) {
  pool p(1);
  started s(p, 2, {.capacity = 2});
  thread other([&] { s->cancel(stream_stop::cancelled, "outside", {}); });
  unsigned read = 0;
  while (s->read() != nullptr) ++read;
  other.join();
  const auto& report = s->report();
  check(report.spawned == read, "what was taken is read");
  check(report.succeeded + report.skipped + report.cancelled == read, "and counted");
}

MODEL(AReaderThatLeavesWaitsForTheSteps, (long_within(2))) {
  pool p(1);
  started s(p, 2, {.capacity = 1});
  s->read();
}

// Of a stage's two steps one finds nothing and waits to be told; before it is, the other takes what has come:
// that is two results at once, for the first is the last to be there. Its window is full then. The source
// gives no more until the second result has been an input.
MODEL(AStageThatWaitsToBeToldGoesOnWithWhatItTook, ({.preemptions = 1, .stale_total = 0, .detours = 0})) {
  pool p;
  started source(p, 4, {.capacity = 2, .ordered = true}, [](unsigned value, numbers& all) {
    if (value == 3) all.one.wait();
  });
  auto* const s = new stage(p, *source, 4, {.capacity = 2});
  s->in_input = [](unsigned value, stage& self) {
    if (value == 0) self.first();
    if (value == 2) self.from.one.raise();
  };
  stream_model::flag nothing_found, two_to_come;
  s->first = [&] {
    s->run_posted();
    nothing_found.raise();
    two_to_come.wait();
  };
  std::optional<thread> reader;
  source->first = [&] {
    s->start();
    reader.emplace([&] {
      s->run_posted();
      s->read_to_the_end();
      s->abandon();
      p.stop();
    });
    nothing_found.wait();
    source->run_posted();  // the third result is there, and the window full
    two_to_come.raise();
  };
  source->in_input = [](unsigned value, numbers& all) {
    if (value == 1) all.first();
  };
  source->run_posted();
  p.work();
  reader->join();
}

// Two inputs are ready for a stage with room for one. When its first result has been read, its next step is
// posted, and begins while the reader asks whether it may run one of the source: not while the second result
// is on its way, which comes from nowhere else.
MODEL(AStepThatBeginsIsOnItsWayToTheReader, (long_within(2))) {
  pool p;
  started source(p, 2, {.capacity = 2});
  while (p.run(*source)) {
  }
  auto* const s = new stage_with_source(p, *source, 2, {.capacity = 1});
  s->start();
  s->run_posted();
  s->give_back(s->next());
  thread worker([&] { s->run_posted(); });
  check(!s->rests_from(*source), "it is posted, or at work, or there is its result");
  worker.join();
  s->abandon();
}

}  // namespace
