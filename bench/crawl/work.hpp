// A crawl without the question of who fetches what when: the crawler's own requests, links and URLs, and a
// set of what was seen. A runtime says in a file of its own how its users would write the recursion.
#pragma once

#include <atomic>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "crawl/fetch.hpp"
#include "crawl/links.hpp"

namespace bench {

class crawl_work {
 public:
  explicit crawl_work(crawl::url start) : start_(std::move(start)), fetcher_({}), site_(start_, false) {
    seen_.insert(start_.text);
  }
  const crawl::url& start() const { return start_; }

  // Fetches a page; `standing` runs the request. Gives the pages of the site that nobody has seen before.
  template <class Standing>
  std::vector<crawl::url> visit(const crawl::url& at, Standing standing) {
    const crawl::response r = standing([&] { return fetcher_.get(at, crawl::keep_body::html, never_); });
    if (r.problem != crawl::trouble::none || r.status != 200)
      throw std::runtime_error(at.text + " cannot be had: " + r.reason);
    pages_.fetch_add(1, std::memory_order_relaxed);
    std::vector<crawl::found_link> links = crawl::links_of(crawl::read_html(r.body, r.charset), at);
    std::vector<crawl::url> unseen;
    const std::lock_guard hold(mutex_);
    for (crawl::found_link& l : links)
      if (l.status == crawl::url_status::good && site_.has(l.target) && seen_.insert(l.target.text).second)
        unseen.push_back(std::move(l.target));
    return unseen;
  }

  std::uint64_t pages() const { return pages_.load(std::memory_order_relaxed); }
  unsigned cores() const { return cores_; }

 private:
  // As coppice counts them; asked before the time is taken, on all runtimes.
  const unsigned cores_ = coppice::scheduler().workers();
  const crawl::url start_;
  crawl::fetcher fetcher_;
  const crawl::site site_;
  const std::stop_token never_;
  std::atomic<std::uint64_t> pages_ = 0;
  std::mutex mutex_;
  std::unordered_set<std::string> seen_;
};

// Each with at most so many requests at a time.
void crawl_serial(crawl_work& work, unsigned threads);
void crawl_coppice(crawl_work& work, unsigned threads);
void crawl_fifo(crawl_work& work, unsigned threads);
void crawl_onetbb(crawl_work& work, unsigned threads);

}  // namespace bench
