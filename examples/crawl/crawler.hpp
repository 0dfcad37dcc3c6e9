// A crawl as a tree of tasks: one for each page, which spawns tasks for what its end makes possible and is
// waited for by nobody but the job. What stands still, a request or a batch for the disk, does so in
// coppice::blocking; a page that waits for its turn waits in the gate and holds no thread.
//
//   crawl::crawler c(settings, nullptr);
//   auto job = scheduler.submit([&] { c.run(); }, {.errors = crawl::crawler::policy()});
//   job.wait();
//   for (const auto& f : c.failures()) ...
#pragma once

#include <condition_variable>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "crawl/fetch.hpp"
#include "crawl/gate.hpp"
#include "crawl/graph.hpp"
#include "crawl/links.hpp"
#include "crawl/retry.hpp"
#include "crawl/store.hpp"

namespace crawl {

struct settings {
  url start;
  unsigned depth = page::far - 1;
  unsigned max_redirects = 10;
  bool subdomains = false, ignore_robots = false;
  gate::limits limits;
  fetch_options fetch;
  retry_rules retry;
};

struct counters {
  std::uint64_t pages = 0;  // fetched, failed ones not counted
  std::uint64_t failed = 0, disallowed = 0, retries = 0;
  std::uint64_t links = 0, outside = 0;  // links of all pages; those that lead out of the site
  std::uint64_t bytes = 0;
  std::size_t active = 0, waiting = 0;
};

// A page that could not be had, and the chain of pages that led there. It leaves the page's task, so it is an
// error of the job.
class page_error : public std::runtime_error {
 public:
  page_error(std::string url, std::string reason, std::vector<std::string> referrers);
  const std::string& url() const { return url_; }

 private:
  std::string url_;
};

struct failure {
  std::string url, reason;
  std::vector<std::string> referrers;  // the page that links to it first, the start last
};

class crawler {
 public:
  // `out` may be null.
  crawler(settings s, store* out);

  // Takes over what an earlier crawl has written. Before run().
  void resume();
  // The root task. Returns at once; the job ends when the crawl does.
  void run();
  // Writes what is finished. False: that fails, and finish() throws why. Any thread.
  bool save();
  // Failed pages are collected; anything else that leaves a task stops the crawl.
  static coppice::error_policy policy();

  counters so_far() const;

  // The rest is for afterwards.
  // Completes the database. Throws what stopped the crawl, if anything but its end or a cancel did.
  void finish();
  std::uint64_t left() const;  // pages that are wanted and were not fetched
  // Where the redirects of the start end, if that is out of the site; else empty.
  std::string led_out() const;
  bool is_limited() const { return settings_.limits.pages != UINT64_MAX; }
  std::vector<failure> failures() const;  // by URL, those of an earlier run included
  std::map<std::string, std::pair<std::string, std::set<std::string>>> broken_links()
      const;  // target: why, pages

 private:
  class place;

  template <class F>
  void noting_what_stops(F body);
  void pump();
  void spawn_visits(const std::vector<page*>& started);
  void keep_time();
  void visit(page& p);
  bool open_host(page& p, place& here);
  void spare_host(const page& p, const response& r);
  response get_robots(const host& h);
  void settle(page& p, const response& r);
  void settle_disallowed(page& p);
  void read_redirect(page& p, const response& r, page_row& row);
  void read_html_page(page& p, const response& r, page_row& row);
  void fail(page& p, page_row& row, std::string reason, bool transient);
  void write(page_row row);
  void load(page_row&& row);
  void complete_database();
  std::vector<std::string> chain_of(const page& p) const;
  std::chrono::nanoseconds interval_of(const host& h) const;

  const settings settings_;
  const site site_;
  store* const out_;
  fetcher fetcher_;
  std::stop_token stop_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  graph graph_;
  gate gate_;
  counters counters_;
  bool time_is_kept_ = false;  // a task waits for the gate's next time
  // The first error that is no page's. The job's report need not have it: that keeps the errors that are
  // earliest by their paths, and each page that cannot be had is one.
  std::exception_ptr stopped_by_;
};

}  // namespace crawl
