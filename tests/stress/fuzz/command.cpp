#include "command.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "support/command_line.hpp"

namespace fuzz {

std::optional<int> parse(int argc, char** argv, fuzzer_name name, const std::string& description,
                         command& c) {
  unsigned seconds = 0;
  unsigned limit = 60;
  std::optional<std::uint64_t> programs;
  const std::string many = name.many;
  support::command_line line(description, name.program);
  line.add_option("--seed", c.given.seed,
                  "Seed of the first of the " + many + "; each further one has the next number");
  line.add_option("--" + many, programs,
                  "Number of " + many + "; 0: no limit; default: 1000, or no limit with --seconds");
  line.add_option("--seconds", seconds, "Ends after so many seconds; 0: no limit");
  line.add_option("--workers", c.given.workers, "Workers; 0: each one chooses among 1, 2, 3, 8, 64");
  line.add_option("--repeat", c.given.repeat, "Runs of each");
  line.add_option("--alarm", limit,
                  "Seconds that one run may take before it counts as hanging: its seed is printed, the "
                  "process aborts; 0: no limit");
  line.add_flag("--print", c.print, "Prints the first of the " + many + " and runs nothing");
  if (const std::optional<int> status = line.parse(argc, argv)) return status;

  if (seconds != 0) {
    c.given.until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    c.given.programs = 0;
  }
  if (programs) c.given.programs = *programs;
  if (c.print) return std::nullopt;
  // hwloc without its plugins loads 10 ms sooner: some programs make schedulers of their own.
  setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 0);
  arm(name, limit, c.given.workers);
  return std::nullopt;
}

}  // namespace fuzz
