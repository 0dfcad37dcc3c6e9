#include "crawl/graph.hpp"

#include <algorithm>
#include <utility>

namespace crawl {
namespace {

bool is_as_good(const page::way& a, const page::way& b) { return a.depth <= b.depth && a.hops <= b.hops; }

}  // namespace

page& graph::find(const url& u) {
  if (const auto known = pages_.find(u.text); known != pages_.end()) return *known->second;
  auto& h = hosts_[u.origin];
  if (h == nullptr) {
    h = std::make_unique<host>();
    h->origin = u.origin;
  }
  auto made = std::make_unique<page>(u.text, h.get());
  const std::string_view key = made->url;
  return *pages_.emplace(key, std::move(made)).first->second;
}

std::vector<page*> graph::take_wanted() { return std::exchange(wanted_, {}); }

// Every step finds a way that is better in something than each before, of a depth or a number of redirects,
// so it ends, also in cycles. A way of too many redirects is none, wherever else the page is found.
void graph::reach(page& start, page* from, unsigned depth, unsigned hops) {
  std::vector<step> open{{&start, from, depth, hops}};
  while (!open.empty()) {
    const step s = open.back();
    open.pop_back();
    page& p = *s.to;
    if (s.hops > max_hops_) continue;
    const page::way found{s.depth, s.hops};
    if (std::ranges::any_of(p.ways, [&](const page::way& w) { return is_as_good(w, found); })) continue;
    std::erase_if(p.ways, [&](const page::way& w) { return is_as_good(found, w); });
    p.ways.push_back(found);
    if (s.depth < p.depth) {
      p.referrer = s.from;
      p.depth = s.depth;
    }
    if (s.depth > max_depth_) continue;
    if (p.state == page_state::known) {
      p.state = page_state::wanted;
      wanted_.push_back(&p);
    }
    pass_on(p, found, open);
  }
}

void graph::pass_on(page& p, const page::way& by, std::vector<step>& open) const {
  // Backwards: the last one is taken first, and what stands first in a page is to be visited first.
  if (by.depth < page::far - 1)
    for (auto to = p.links.rbegin(); to != p.links.rend(); ++to) open.push_back({*to, &p, by.depth + 1, 0});
  if (p.redirect != nullptr) open.push_back({p.redirect, &p, by.depth, by.hops + 1});
}

void graph::add_links(page& from, std::vector<page*> to) {
  from.links = std::move(to);
  for (page* const p : from.links) reach(*p, &from, from.depth + 1, 0);
}

graph::redirected graph::add_redirect(page& from, page& to) {
  if (&end_of(to) == &from) {
    std::vector<std::string> loop{from.url};
    for (const page* p = &to; p != &from; p = p->redirect) loop.push_back(p->url);
    std::rotate(loop.begin(), std::min_element(loop.begin(), loop.end()), loop.end());
    return {redirection::loop, std::move(loop)};
  }
  from.redirect = &to;
  const bool is_too_long =
      std::ranges::all_of(from.ways, [&](const page::way& w) { return w.hops >= max_hops_; });
  if (is_too_long && to.state == page_state::known) return {redirection::too_long, {}};
  // A copy: what lies behind may lead back, by a way that is better.
  for (const page::way& w : std::vector(from.ways)) reach(to, &from, w.depth, w.hops + 1);
  return {redirection::followed, {}};
}

const page& graph::end_of(const page& p) {
  const page* end = &p;
  while (end->redirect != nullptr && end->state != page_state::failed) end = end->redirect;
  return *end;
}

std::vector<const page*> graph::referrers(const page& p, std::size_t limit, std::size_t& left_out) {
  std::vector<const page*> chain;
  left_out = 0;
  for (const page* r = p.referrer; r != nullptr; r = r->referrer) {
    if (chain.size() < limit)
      chain.push_back(r);
    else
      ++left_out;
  }
  return chain;
}

}  // namespace crawl
