#include "crawl/crawler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <coppice/blocking.hpp>
#include <ctime>
#include <functional>
#include <iterator>
#include <utility>

#include "crawl/status.hpp"

namespace crawl {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t shown_referrers = 8;
constexpr unsigned max_robots_redirects = 5;

std::string text_of(const std::string& url, const std::string& reason,
                    const std::vector<std::string>& referrers) {
  std::string text = url + ": " + reason;
  for (const std::string& r : referrers) text += "\n  linked from " + r;
  return text;
}

url url_of(const page& p) { return {p.url, p.at->origin, {}}; }

// From 0 to 1, the same in each run: pages that failed together come back apart.
double chance_of(const page& p) {
  return static_cast<double>((std::hash<std::string>()(p.url) + p.tries * 7919) % 1024) / 1023;
}

}  // namespace

page_error::page_error(std::string url, std::string reason, std::vector<std::string> referrers)
    : std::runtime_error(text_of(url, reason, referrers)), url_(std::move(url)) {}

// A page's place in the gate, from its start until it is given up.
class crawler::place {
 public:
  place(crawler& c, page& p) : crawler_(c), page_(p) {}
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  // Without a call of the others: the crawl is stopped, nobody is let in.
  ~place() {
    if (!held_) return;
    const std::lock_guard hold(crawler_.mutex_);
    crawler_.gate_.finished(*page_.at);
  }
  void leave() {
    {
      const std::lock_guard hold(crawler_.mutex_);
      release();
    }
    crawler_.pump();
  }
  // The page comes again; `pause`: so does every other page of its host.
  void leave_until(clock::time_point when, bool pause) {
    {
      const std::lock_guard hold(crawler_.mutex_);
      release();
      crawler_.gate_.add_again(page_, when);
      if (pause) crawler_.gate_.pause(*page_.at, when);
    }
    crawler_.pump();
  }

 private:
  void release() {
    held_ = false;
    crawler_.gate_.finished(*page_.at);
  }
  crawler& crawler_;
  page& page_;
  bool held_ = true;
};

crawler::crawler(settings s, store* out)
    : settings_(std::move(s)),
      site_(settings_.start, settings_.subdomains),
      out_(out),
      fetcher_(settings_.fetch),
      graph_(settings_.depth, settings_.max_redirects),
      gate_(settings_.limits) {}

coppice::error_policy crawler::policy() {
  return coppice::error_policy::when([](const coppice::task_error& e, const coppice::error_count&) {
    return e.type != "crawl::page_error";
  });
}

void crawler::run() {
  stop_ = coppice::this_task::stop_token();
  noting_what_stops([this] {
    {
      const std::lock_guard hold(mutex_);
      graph_.start_at(graph_.find(settings_.start));
      for (page* const p : graph_.take_wanted()) gate_.add(*p);
    }
    pump();
  });
}

// Around the body of each task.
template <class F>
void crawler::noting_what_stops(F body) {
  try {
    body();
  } catch (const page_error&) {
    throw;
  } catch (...) {
    const std::lock_guard hold(mutex_);
    if (!stopped_by_) stopped_by_ = std::current_exception();
    throw;
  }
}

bool crawler::save() {
  try {
    noting_what_stops([this] {
      if (out_ != nullptr) out_->flush();
    });
    return true;
  } catch (...) {
    return false;
  }
}

// ---- whose turn it is
// ----------------------------------------------------------------------------------------------

void crawler::pump() {
  std::vector<page*> started;
  bool keep = false;
  {
    const std::lock_guard hold(mutex_);
    started = gate_.start(clock::now());
    if (gate_.next()) {
      keep = !std::exchange(time_is_kept_, true);
      if (!keep) changed_.notify_all();  // it may be earlier than the one that is waited for
    }
  }
  spawn_visits(started);
  if (keep) coppice::spawn([this] { noting_what_stops([this] { keep_time(); }); }, "time");
}

// Refused only if the crawl is stopped: the page is still wanted, and left for a resume.
void crawler::spawn_visits(const std::vector<page*>& started) {
  for (page* const p : started) coppice::spawn([this, p] { noting_what_stops([this, p] { visit(*p); }); });
}

// One task waits for all hosts that pause and all pages that come again.
void crawler::keep_time() {
  for (;;) {
    std::vector<page*> started;
    std::optional<clock::time_point> next;
    {
      const std::lock_guard hold(mutex_);
      started = gate_.start(clock::now());
      next = gate_.next();
      if (!next || stop_.stop_requested()) time_is_kept_ = false;
    }
    spawn_visits(started);
    if (!next || stop_.stop_requested()) return;
    coppice::blocking([&] {
      std::unique_lock hold(mutex_);
      changed_.wait_until(hold, stop_, *next, [&] { return gate_.next() != next; });
    });
  }
}

// ---- one page
// ------------------------------------------------------------------------------------------------------

void crawler::visit(page& p) {
  place here(*this, p);
  if (!open_host(p, here)) return;
  const host& h = *p.at;
  response none;
  {
    const std::lock_guard hold(mutex_);
    none.reason = h.unreachable;
  }
  if (!none.reason.empty()) {
    here.leave();
    none.problem = trouble::dropped;
    return settle(p, none);
  }
  if (!settings_.ignore_robots && !h.rules->allows(url_of(p).path())) {
    here.leave();
    return settle_disallowed(p);
  }
  const response r = coppice::blocking([&] { return fetcher_.get(url_of(p), keep_body::html, stop_); });
  if (r.problem == trouble::stopped) return;  // still wanted
  ++p.tries;
  const auto wait = wait_before_retry(settings_.retry, r, p.tries, chance_of(p), std::time(nullptr));
  if (wait) {
    {
      const std::lock_guard hold(mutex_);
      ++counters_.retries;
    }
    return here.leave_until(clock::now() + *wait, is_overload(r));
  }
  if (is_overload(r)) spare_host(p, r);
  here.leave();
  settle(p, r);
}

// The page is given up, and yet the host asks for a pause: the other pages keep it, or are given up with it.
void crawler::spare_host(const page& p, const response& r) {
  const auto wait = wait_after(settings_.retry, r, p.tries, chance_of(p), std::time(nullptr));
  const std::lock_guard hold(mutex_);
  if (wait)
    gate_.pause(*p.at, clock::now() + *wait);
  else
    p.at->unreachable =
        fmt::format("not asked for after {} (Retry-After: {})", status_text(r.status), r.retry_after);
}

// Sees to it that the host's rules are there. False: the page comes again.
bool crawler::open_host(page& p, place& here) {
  host& h = *p.at;
  if (h.rules) return true;
  response r;
  if (settings_.ignore_robots)
    r.status = 404;
  else
    r = coppice::blocking([&] { return get_robots(h); });
  if (r.problem == trouble::stopped) return false;
  const auto wait = wait_before_retry(settings_.retry, r, ++h.robots_tries, chance_of(p), std::time(nullptr));
  if (wait) {
    here.leave_until(clock::now() + *wait, true);
    return false;
  }
  robots rules;
  std::string unreachable;
  if (r.problem == trouble::too_large || (r.problem == trouble::none && r.status >= 200 && r.status < 300))
    rules = robots(r.body, product_token(settings_.fetch.user_agent));
  else if (r.problem != trouble::none || r.status >= 500 || is_transient(r))
    unreachable =
        "robots.txt cannot be had: " + (r.problem == trouble::none ? status_text(r.status) : r.reason);
  // Else there is none: everything is allowed.
  std::chrono::nanoseconds interval;
  const bool is_reachable = unreachable.empty();
  {
    const std::lock_guard hold(mutex_);
    h.rules = std::move(rules);
    h.unreachable = std::move(unreachable);
    gate_.opened(h);
    interval = interval_of(h);
  }
  if (interval.count() != 0 && !settings_.ignore_robots && is_reachable) {
    here.leave_until(clock::now() + interval, true);
    return false;
  }
  pump();
  return true;
}

std::chrono::nanoseconds crawler::interval_of(const host& h) const {
  return std::max<std::chrono::nanoseconds>(settings_.limits.interval, h.rules->delay());
}

// Redirects out of the site are not followed, nor those to nowhere: there is no robots.txt then.
response crawler::get_robots(const host& h) {
  url at{h.origin + "/robots.txt", h.origin, {}};
  for (unsigned hops = 0;; ++hops) {
    response r = fetcher_.get(at, keep_body::robots, stop_);
    const bool redirect = r.problem == trouble::none && r.status >= 300 && r.status < 400;
    if (!redirect) return r;
    parsed_url next = resolve(at, r.location);
    if (r.location.empty() || hops == max_robots_redirects || next.status != url_status::good ||
        !site_.has(next.value)) {
      r.status = 404;
      return r;
    }
    at = std::move(next.value);
  }
}

void crawler::settle(page& p, const response& r) {
  page_row row;
  row.url = p.url;
  row.status = r.status;
  row.type = r.type;
  row.bytes = r.bytes;
  row.seconds = r.time.count();
  row.state = "done";
  const bool answered = r.problem == trouble::none;
  if (answered && r.status >= 300 && r.status < 400 && !r.location.empty())
    read_redirect(p, r, row);
  else if (answered && r.status >= 200 && r.status < 300)
    read_html_page(p, r, row);
  else
    fail(p, row, answered ? status_text(r.status) : r.reason, is_transient(r));
  pump();
  const bool failed = !row.error.empty();
  std::string reason = row.error;
  std::vector<std::string> referrers;
  {
    const std::lock_guard hold(mutex_);
    row.depth = p.written_depth = p.depth;
    p.written = true;
    if (p.referrer != nullptr) row.referrer = p.referrer->url;
    if (failed) referrers = chain_of(p);
    ++(failed ? counters_.failed : counters_.pages);
    counters_.bytes += row.bytes;
  }
  for (const std::string& url : referrers) row.referrers += url + "\n";
  write(std::move(row));
  if (failed) throw page_error(p.url, std::move(reason), std::move(referrers));
}

void crawler::settle_disallowed(page& p) {
  page_row row;
  row.url = p.url;
  row.state = "disallowed";
  {
    const std::lock_guard hold(mutex_);
    p.state = page_state::disallowed;
    row.depth = p.written_depth = p.depth;
    p.written = true;
    if (p.referrer != nullptr) row.referrer = p.referrer->url;
    ++counters_.disallowed;
    gate_.refund();
  }
  pump();
  write(std::move(row));
}

void crawler::fail(page& p, page_row& row, std::string reason, bool transient) {
  row.state = "failed";
  row.error = std::move(reason);
  row.transient = transient;
  const std::lock_guard hold(mutex_);
  p.state = page_state::failed;
  p.problem = row.error;
  p.transient = transient;
}

void crawler::read_redirect(page& p, const response& r, page_row& row) {
  const parsed_url target = resolve(url_of(p), r.location);
  if (target.status != url_status::good)
    return fail(p, row, fmt::format("redirect to {:?}, which is no web address", r.location), false);
  row.redirect = target.value.text;
  graph::redirected became{graph::redirection::followed, {}};
  {
    const std::lock_guard hold(mutex_);
    p.state = page_state::done;
    if (!site_.has(target.value)) {
      p.leads_out = target.value.text;
      return;
    }
    became = graph_.add_redirect(p, graph_.find(target.value));
    for (page* const wanted : graph_.take_wanted()) gate_.add(*wanted);
  }
  if (became.what == graph::redirection::loop)
    fail(p, row, fmt::format("redirect loop: {}", fmt::join(became.loop, " -> ")), false);
  else if (became.what == graph::redirection::too_long)
    fail(p, row, fmt::format("more than {} redirects in a row", settings_.max_redirects), false);
}

void crawler::read_html_page(page& p, const response& r, page_row& row) {
  std::vector<found_link> found;
  if (r.is_html()) {
    html content = read_html(r.body, r.charset);
    if (!content.nofollow || settings_.ignore_robots) found = links_of(content, url_of(p));
    row.title = std::move(content.title);
  }
  std::vector<bool> inside;
  inside.reserve(found.size());
  for (found_link& l : found) {
    const bool good = l.status == url_status::good;
    inside.push_back(good && site_.has(l.target));
    row.links.push_back({good ? l.target.text : l.text, l.kind,
                         !good           ? link_row::where::no_url
                         : inside.back() ? link_row::where::inside
                                         : link_row::where::outside});
  }
  const std::lock_guard hold(mutex_);
  p.state = page_state::done;
  counters_.links += found.size();
  std::vector<page*> links;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (inside[i])
      links.push_back(&graph_.find(found[i].target));
    else if (found[i].status == url_status::good)
      ++counters_.outside;
    else
      p.bad_links.push_back(std::move(found[i].text));
  }
  graph_.add_links(p, std::move(links));
  for (page* const wanted : graph_.take_wanted()) gate_.add(*wanted);
}

void crawler::write(page_row row) {
  if (out_ != nullptr && out_->add(std::move(row))) coppice::blocking([&] { out_->flush(); });
}

std::vector<std::string> crawler::chain_of(const page& p) const {
  std::size_t more = 0;
  std::vector<std::string> urls;
  for (const page* const r : graph::referrers(p, shown_referrers, more)) urls.push_back(r->url);
  if (more != 0) urls.push_back(fmt::format("... and {} pages before", more));
  return urls;
}

}  // namespace crawl
