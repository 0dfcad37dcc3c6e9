// Crawls a web site: one task for each page, which spawns the pages that its links lead to. Shows recursive
// work that mostly waits (coppice::blocking), limits for each host without a thread that sleeps for them, and
// errors of a tree that stop nothing else.
//
//   $ crawl http://127.0.0.1:8080/index.html --out docs.sqlite
//   1063 pages, 7.1 MB, 24811 links, 97 of them out of the site (0.642 s)
//   1 error:
//     http://127.0.0.1:8080/dead.html: 404 Not Found
//       from http://127.0.0.1:8080/index.html
//
//   $ crawl http://127.0.0.1:8080/index.html --check
//   http://127.0.0.1:8080/dead.html: 404 Not Found
//     in http://127.0.0.1:8080/index.html
//   1 broken link in 1063 pages (0.631 s)
//
// The exit status is 1 if a page could not be had, 2 for a wrong command line, 130 after Ctrl-C.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <coppice/coppice.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "crawl/crawler.hpp"
#include "crawl/report.hpp"
#include "support/command_line.hpp"
#include "support/program.hpp"

namespace {

struct options {
  std::string start, out;
  unsigned concurrency = 64, per_host = 8, retries = 3, workers = 0;
  unsigned depth = crawl::page::far - 1;
  std::uint64_t max_pages = UINT64_MAX;
  double rate = 0, timeout = 30, backoff = 1, max_wait = 60, max_mb = 16;
  std::string user_agent = "coppice-crawl/" COPPICE_VERSION, ca_file;
  bool subdomains = false, ignore_robots = false, resume = false, check = false, json = false;
};

void add_options(support::command_line& line, options& o) {
  line.add_option("URL", o.start, "Where to start; http or https").required();
  line.add_option("--depth", o.depth, "How many links to follow in a row; default: as many as there are");
  line.add_option("--max-pages", o.max_pages, "How many pages to fetch; default: all").positive();
  line.add_option("--concurrency", o.concurrency, "Requests in flight").within(1U, 4000U).shows_default();
  line.add_option("--per-host", o.per_host, "Requests in flight at one host")
      .within(1U, 4000U)
      .shows_default();
  line.add_option("--rate", o.rate, "Requests per second at one host; 0: no limit but its Crawl-delay")
      .within(0.0, 1e6)
      .shows_default();
  line.add_option("--timeout", o.timeout, "Seconds for one request").within(0.001, 86400.0).shows_default();
  line.add_option("--retries", o.retries,
                  "Tries after the first, for 429, most of 5xx and dropped connections")
      .within(0U, 100U)
      .shows_default();
  line.add_option("--backoff", o.backoff, "Seconds before the first retry, doubled each time")
      .within(0.0, 3600.0)
      .shows_default();
  line.add_option("--max-wait", o.max_wait,
                  "Longest wait before a retry; a host that asks for more is given up")
      .within(0.0, 86400.0)
      .shows_default();
  line.add_option("--max-size", o.max_mb, "Largest page in MB, unpacked")
      .within(0.001, 2000.0)
      .shows_default();
  line.add_flag("--subdomains", o.subdomains, "Hosts below the start's belong to the site");
  line.add_flag("--ignore-robots", o.ignore_robots,
                "Neither ask for robots.txt nor obey nofollow; for sites of your own");
  line.add_option("--user-agent", o.user_agent, "How to introduce itself; robots.txt knows its first word")
      .shows_default();
  line.add_option("--ca", o.ca_file, "Accept certificates signed by those in this file (PEM)")
      .existing_file();
  line.add_option("--out", o.out, "SQLite file for pages, links and errors");
  line.add_flag("--resume", o.resume,
                "Go on with the crawl in --out; what failed for the moment is tried again")
      .needs("--out");
  line.add_flag("--check", o.check, "Print broken links only");
  line.add_flag("--json", o.json, "Print the result as JSON");
  line.add_option("--workers", o.workers, "Threads that compute; 0: one for each core").within(0, 4096);
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

// How many descriptors may be open: as many as can be had. The usual limit is low for the sake of select(),
// which nobody calls here.
std::size_t descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot read the limit of descriptors");
  return limit.rlim_cur;
}

// How many handles may be kept beside those of the requests in flight. A handle of libcurl has up to four
// descriptors; some are left for the database, the threads and whatever else.
std::size_t idle_handles(std::size_t descriptors, std::size_t in_flight) {
  constexpr std::size_t others = 64, each = 4;
  const std::size_t handles = (descriptors - std::min(descriptors, others)) / each;
  return std::min(crawl::fetch_options().max_idle, handles - std::min(handles, in_flight));
}

crawl::settings settings_of(const options& o) {
  crawl::settings s;
  crawl::parsed_url start = crawl::parse_url(o.start);
  if (start.status != crawl::url_status::good)
    throw std::runtime_error(fmt::format(
        "\"{}\" is not a URL that can be crawled (it has to begin with http:// or https://)", o.start));
  s.start = std::move(start.value);
  s.depth = o.depth;
  s.subdomains = o.subdomains;
  s.ignore_robots = o.ignore_robots;
  s.limits.total = o.concurrency;
  s.limits.per_host = std::min(o.per_host, o.concurrency);
  s.limits.pages = o.max_pages;
  if (o.rate > 0) s.limits.interval = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / o.rate));
  s.fetch = {milliseconds(o.timeout), static_cast<std::size_t>(o.max_mb * 1e6), o.user_agent, o.ca_file,
             idle_handles(descriptors(), o.concurrency)};
  s.retry = {o.retries, milliseconds(o.backoff), milliseconds(o.max_wait)};
  return s;
}

// Ctrl-C and SIGTERM: blocked in all threads, and taken by one, from here to the end. While a crawl runs the
// first one stops it; any other one ends the process.
class interrupts {
 public:
  interrupts() {
    sigemptyset(&wanted_);
    sigaddset(&wanted_, SIGINT);
    sigaddset(&wanted_, SIGTERM);
    sigaddset(&wanted_, SIGALRM);  // nobody is to be interrupted any more
    if (const int error = pthread_sigmask(SIG_BLOCK, &wanted_, nullptr); error != 0)
      throw std::system_error(error, std::generic_category(), "cannot block SIGINT");
    watcher_ = std::thread([this] { watch(); });
  }
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;
  ~interrupts() {
    pthread_kill(watcher_.native_handle(), SIGALRM);
    watcher_.join();
  }

  // A crawl, which the first signal stops as long as this lives.
  class crawling {
   public:
    crawling(interrupts& by, std::function<void()> stop) : by_(by) {
      const std::lock_guard hold(by_.mutex_);
      by_.stop_crawl_ = std::move(stop);
    }
    crawling(const crawling&) = delete;
    crawling& operator=(const crawling&) = delete;
    ~crawling() {
      const std::lock_guard hold(by_.mutex_);
      by_.stop_crawl_ = nullptr;
    }

   private:
    interrupts& by_;
  };
  // Whether one has stopped a crawl.
  bool came() const {
    const std::lock_guard hold(mutex_);
    return came_;
  }

 private:
  void watch() {
    for (int taken = 0;;) {
      if (sigwait(&wanted_, &taken) != 0) continue;
      if (taken == SIGALRM) return;
      const std::lock_guard hold(mutex_);
      if (!stop_crawl_) std::_Exit(130);
      came_ = true;
      std::exchange(stop_crawl_, nullptr)();
    }
  }

  sigset_t wanted_{};
  mutable std::mutex mutex_;  // guards what follows, but for the thread
  std::function<void()> stop_crawl_;
  bool came_ = false;
  std::thread watcher_;
};

// Null: nothing is to be stored. A crawl that is resumed has to be the one that is asked for.
std::unique_ptr<crawl::store> open_store(const options& o, const crawl::settings& s) {
  if (o.out.empty()) return nullptr;
  const std::string scope = s.subdomains ? "host and subdomains" : "host";
  if (!o.resume)
    return std::make_unique<crawl::store>(
        o.out, crawl::store::settings_map{{"start", s.start.text}, {"scope", scope}});
  auto out = std::make_unique<crawl::store>(o.out);
  const std::string start = out->setting("start").value_or(""),
                    old_scope = out->setting("scope").value_or("");
  if (start != s.start.text)
    throw std::runtime_error(fmt::format("that crawl began at {}, not at {}", start, s.start.text));
  if (scope != old_scope)
    throw std::runtime_error(fmt::format("that crawl was of the {}, not of the {}", old_scope, scope));
  return out;
}

int crawl_site(const options& o) {
  const crawl::settings s = settings_of(o);
  interrupts ctrl_c;  // before the threads, which inherit what is blocked
  const std::unique_ptr<crawl::store> out = open_store(o, s);
  crawl::crawler crawler(s, out.get());
  if (o.resume) crawler.resume();

  // One more than there are requests: a task waits for the clock.
  coppice::scheduler scheduler(
      {.workers = o.workers, .max_spare_workers = o.concurrency + 1, .name = "crawl"});
  crawl::run_facts run;
  const support::stopwatch watch;
  auto job = scheduler.submit([&] { crawler.run(); }, {.name = "crawl", .errors = crawl::crawler::policy()});
  {
    const interrupts::crawling here(ctrl_c, [&] { job.cancel("interrupted"); });
    crawl::progress_line line;
    while (!job.wait_until(line.next())) {
      line.show(crawler.so_far());
      if (!crawler.save()) job.cancel("given up");
    }
  }
  run.job = &job.wait();
  run.interrupted = ctrl_c.came();
  try {
    crawler.finish();
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("the crawl was given up: {}", e.what()));
  }
  run.seconds = watch.seconds();

  if (o.json)
    crawl::print_json(crawler, run, o.check);
  else if (o.check)
    crawl::print_check(crawler, run);
  else
    crawl::print_text(crawler, run);
  if (run.interrupted) return 130;
  return crawler.so_far().failed != 0 || (o.check && !crawler.broken_links().empty()) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // libcurl translates hosts of other alphabets from the locale's
  support::command_line line(
      "Crawls a web site, obeying its robots.txt; with --check, finds its broken links.", "crawl");
  options o;
  add_options(line, o);
  return support::run_program(line, argc, argv, [&] { return crawl_site(o); });
}
