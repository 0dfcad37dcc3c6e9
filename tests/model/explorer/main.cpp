// Explores the programs that are linked in, or repeats one schedule of one of them.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

#include "explorer/explore.hpp"
#include "explorer/program.hpp"
#include "support/command_line.hpp"

namespace {

struct settings {
  std::string only, schedule;
  std::optional<unsigned> bound;
  double seconds = 0;
  bool list = false, passing_only = false;
};

void show_failure(const char* name, const model::exploration& e, const model::limits& l, const char* self) {
  std::printf(
      "%s: %s\nits steps, the newest value of each access in brackets:\n%sagain: %s --only %s --bound %u "
      "--replay %s\n",
      name, e.failure.c_str(), e.trace.c_str(), self, name, l.preemptions, e.schedule.c_str());
}

// True: the program did what it must.
bool judge(const model::program& p, const settings& s, const char* self) {
  model::limits l = p.within;
  if (s.bound) l.preemptions = *s.bound;
  if (!s.schedule.empty()) {
    const model::exploration e = model::replay(p.run, l, s.schedule);
    if (e.failed)
      show_failure(p.name, e, l, self);
    else
      std::printf("%s: this schedule passes\n%s", p.name, e.trace.c_str());
    return !e.failed;
  }
  // What must fail is not judged by how far a slow machine comes.
  model::exploration e = model::explore(p.run, l, p.must_fail_with != nullptr ? 0 : s.seconds);
  const auto n = static_cast<unsigned long long>(e.interleavings);
  if (e.failed) {
    const model::exploration again = model::replay(p.run, l, e.schedule);
    if (p.must_fail_with != nullptr && e.failure.find(p.must_fail_with) != std::string::npos &&
        again.failed) {
      std::printf("%s: fails as it must at interleaving %llu, bound %u, %.2f s\n", p.name, n, l.preemptions,
                  e.seconds);
      return true;
    }
    if (!again.failed)
      std::printf("%s: the failing schedule %s passes when it is repeated\n", p.name, e.schedule.c_str());
    e.trace = again.trace;
    show_failure(p.name, e, l, self);
    return false;
  }
  if (p.must_fail_with != nullptr) {
    std::printf("%s: must fail with \"%s\", but passes %llu interleavings at bound %u\n", p.name,
                p.must_fail_with, n, l.preemptions);
    return false;
  }
  std::printf("%s: passes, bound %u, %llu interleavings, %s, longest %llu steps, %.2f s\n", p.name,
              l.preemptions, n, e.exhaustive ? "exhaustive" : "stopped by the time limit",
              static_cast<unsigned long long>(e.longest), e.seconds);
  return true;
}

int run(int argc, char** argv) {
  settings s;
  support::command_line line("Explores the interleavings of the model programs.", argv[0]);
  line.add_flag("--list", s.list, "Print the programs' names");
  line.add_option("--only", s.only, "Only this program");
  line.add_option("--bound", s.bound, "Preemptions, instead of each program's own bound");
  line.add_option("--seconds", s.seconds, "Stop each exploration after this time");
  line.add_option("--replay", s.schedule, "Run this one schedule and show its steps").needs("--only");
  line.add_flag("--passing-only", s.passing_only, "Leave out the programs that must fail");
  if (const std::optional<int> status = line.parse(argc, argv)) return *status;

  bool good = true, any = false;
  for (const model::program& p : model::programs()) {
    if (!s.only.empty() && s.only != p.name) continue;
    if (s.passing_only && p.must_fail_with != nullptr) continue;
    any = true;
    if (s.list) {
      std::printf("%s\n", p.name);
      continue;
    }
    good = judge(p, s, argv[0]) && good;
    std::fflush(stdout);
  }
  if (!any) {
    std::fprintf(stderr, "no program is called \"%s\" (see --list)\n", s.only.c_str());
    return EXIT_FAILURE;
  }
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return EXIT_FAILURE;
  }
}
