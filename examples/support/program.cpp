#include "support/program.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>

namespace support {

void add_workers_option(CLI::App& app, unsigned& workers) {
  // 4096 is the limit of the library: past it the command line is wrong, not the run.
  app.add_option("--workers", workers, "Number of workers; 0: one for each core")->check(CLI::Range(0, 4096));
}

void add_run_options(CLI::App& app, run_options& options) {
  add_workers_option(app, options.workers);
  app.add_flag("--serial", options.serial, "Run as a plain serial program, without a scheduler");
  app.add_flag("--json", options.json, "Print the result as JSON");
}

int run_program(CLI::App& app, int argc, const char* const* argv, const std::function<int()>& body) {
  const auto complain = [&](const char* what) {
    // Not fmt::print, which throws where stderr cannot be written either.
    std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), what);
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
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
