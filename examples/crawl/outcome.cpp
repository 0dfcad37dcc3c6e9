// What a crawler takes over from an earlier run, and what it has to say afterwards.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "crawl/crawler.hpp"

namespace crawl {

void crawler::resume() {
  out_->load([this](page_row&& row) { load(std::move(row)); });
}

void crawler::load(page_row&& row) {
  const auto known = [this](const std::string& text) -> page* {
    const parsed_url u = parse_url(text);
    return u.status == url_status::good && site_.has(u.value) ? &graph_.find(u.value) : nullptr;
  };
  page* const p = known(row.url);
  if (p == nullptr) return;
  p->written = true;
  p->written_depth = row.depth;
  p->counted = true;
  if (row.state == "disallowed") {
    p->state = page_state::disallowed;
    ++counters_.disallowed;
    return;
  }
  const bool failed = row.state == "failed";
  p->state = failed ? page_state::failed : page_state::done;
  p->problem = std::move(row.error);
  if (!failed && !row.redirect.empty()) {
    p->redirect = known(row.redirect);
    if (p->redirect == nullptr) p->leads_out = std::move(row.redirect);
  }
  for (link_row& l : row.links) {
    ++counters_.links;
    if (l.to == link_row::where::inside) {
      if (page* const target = known(l.target)) p->links.push_back(target);
    } else if (l.to == link_row::where::outside) {
      ++counters_.outside;
    } else {
      p->bad_links.push_back(std::move(l.target));
    }
  }
  ++(failed ? counters_.failed : counters_.pages);
  counters_.bytes += row.bytes;
  gate_.spend();
}

void crawler::finish() {
  const std::lock_guard hold(mutex_);
  try {
    if (out_ != nullptr) complete_database();
  } catch (...) {
    if (!stopped_by_) stopped_by_ = std::current_exception();
  }
  if (stopped_by_) std::rethrow_exception(stopped_by_);
}

void crawler::complete_database() {
  out_->flush();
  for (const auto& [key, p] : graph_.pages())
    if (p->written && p->written_depth != p->depth && p->depth != page::far)
      out_->set_depth(p->url, p->depth, p->referrer == nullptr ? "" : p->referrer->url);
}

counters crawler::so_far() const {
  const std::lock_guard hold(mutex_);
  counters c = counters_;
  c.active = gate_.active();
  c.waiting = gate_.waiting();
  return c;
}

std::uint64_t crawler::left() const {
  const std::lock_guard hold(mutex_);
  return static_cast<std::uint64_t>(std::ranges::count_if(
      graph_.pages(), [](const auto& known) { return known.second->state == page_state::wanted; }));
}

std::string crawler::led_out() const {
  const std::lock_guard hold(mutex_);
  const auto start = graph_.pages().find(settings_.start.text);
  return start == graph_.pages().end() ? std::string() : graph::end_of(*start->second).leads_out;
}

std::vector<failure> crawler::failures() const {
  const std::lock_guard hold(mutex_);
  std::vector<failure> all;
  for (const auto& [key, p] : graph_.pages())
    if (p->state == page_state::failed) all.push_back({p->url, p->problem, chain_of(*p)});
  std::ranges::sort(all, {}, &failure::url);
  return all;
}

std::map<std::string, std::pair<std::string, std::set<std::string>>> crawler::broken_links() const {
  const std::lock_guard hold(mutex_);
  std::map<std::string, std::pair<std::string, std::set<std::string>>> broken;
  for (const auto& [key, p] : graph_.pages()) {
    for (const std::string& text : p->bad_links) {
      auto& [why, pages] = broken[text];
      why = "no URL";
      pages.insert(p->url);
    }
    for (const page* const to : p->links) {
      const page& end = graph::end_of(*to);
      if (end.state != page_state::failed) continue;
      auto& [why, pages] = broken[to->url];
      why = &end == to ? end.problem : fmt::format("redirect to {}: {}", end.url, end.problem);
      pages.insert(p->url);
    }
  }
  // A start that cannot be had is no link, and yet the first thing that is broken.
  const auto start = graph_.pages().find(settings_.start.text);
  if (start != graph_.pages().end())
    if (const page& end = graph::end_of(*start->second); end.state == page_state::failed)
      broken[settings_.start.text].first = end.problem;
  return broken;
}

}  // namespace crawl
