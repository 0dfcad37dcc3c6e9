#include "support/program.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

namespace support {

command_line::option add_workers_option(command_line& line, unsigned& workers) {
  // 4096 is the limit of the library: past it the command line is wrong, not the run.
  return line.add_option("--workers", workers, "Number of workers; 0: one for each core").within(0, 4096);
}

void add_run_options(command_line& line, run_options& options) {
  add_workers_option(line, options.workers);
  line.add_flag("--serial", options.serial, "Run as a plain serial program, without a scheduler");
  line.add_flag("--json", options.json, "Print the result as JSON");
}

int run_program(command_line& line, int argc, const char* const* argv, const std::function<int()>& body) {
  const auto complain = [&](const char* what) {
    // Not fmt::print, which throws where stderr cannot be written either.
    std::fprintf(stderr, "%s: %s\n", line.name().c_str(), what);
  };
  if (const std::optional<int> status = line.parse(argc, argv)) return *status;
  try {
    const int status = body();
    // Buffered output that meets a full disk fails here or never.
    if (std::fflush(stdout) == 0) return status;
    complain(std::strerror(errno));
  } catch (const std::exception& e) {
    complain(e.what());
  }
  return 1;
}

std::string time_text(const run_options& options, double seconds, unsigned workers) {
  if (options.serial) return fmt::format("{:.3f} s, serial", seconds);
  return fmt::format("{:.3f} s, {} worker{}", seconds, workers, workers == 1 ? "" : "s");
}

void print(const run_options& options, const std::string& what, const measured<std::uint64_t>& m) {
  if (options.json) {
    const nlohmann::ordered_json json = {
        {"result", m.result}, {"seconds", m.seconds}, {"workers", m.workers}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{} = {} ({})\n", what, m.result, time_text(options, m.seconds, m.workers));
  }
}

}  // namespace support
