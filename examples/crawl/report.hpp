// What a crawl prints: a line while it runs, and its result, for people or as JSON.
#pragma once

#include <chrono>
#include <coppice/coppice.hpp>
#include <string>

#include "crawl/crawler.hpp"
#include "support/terminal_line.hpp"

namespace crawl {

struct run_facts {
  double seconds = 0;
  bool interrupted = false;
  const coppice::job_report* job = nullptr;
};

// How far a crawl has come. One thread.
class progress_line {
 public:
  using clock = std::chrono::steady_clock;
  progress_line() : next_(clock::now()), last_(next_) {}
  clock::time_point next() const { return next_; }
  void show(const counters& now);

 private:
  support::terminal_line line_;
  clock::time_point next_, last_;
  std::uint64_t last_pages_ = 0;
};

void print_text(const crawler& c, const run_facts& run);
void print_json(const crawler& c, const run_facts& run, bool check);
// Broken links only.
void print_check(const crawler& c, const run_facts& run);

}  // namespace crawl
