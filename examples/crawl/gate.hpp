// Who may be fetched now: pages wait in a queue for each host, and pass when the host has a place free, its
// time has come, and the whole crawl has a place. So nobody holds a thread while a page waits for its turn.
// One thread at a time, or under a lock; reads no clock, the caller says what time it is.
//
//   gate g({.total = 64, .per_host = 8, .interval = 100ms});
//   g.add(page);
//   for (page* p : g.start(now)) spawn([p] { fetch(p); ... g.finished(*p->at); });
//   if (auto when = g.next()) ...   // nothing else will make start() give more before that
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crawl/robots.hpp"

namespace crawl {

struct page;

struct host {
  std::string origin;
  std::optional<robots> rules;  // until they are there one page passes at a time: it gets them
  unsigned robots_tries = 0;
  std::string unreachable;  // why nothing is asked for any more: no rules, or it wants a pause too long
  // The gate's.
  std::deque<page*> waiting;
  std::size_t active = 0;
  std::chrono::steady_clock::time_point not_before{};
  bool listed = false;  // in the gate's list of hosts that may go on
};

class gate {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  struct limits {
    std::size_t total = 64, per_host = 8;
    std::chrono::nanoseconds interval{
        0};                            // between two starts at one host; its crawl-delay if that is longer
    std::uint64_t pages = UINT64_MAX;  // that are started at all; tries after the first do not count
  };

  explicit gate(limits l) : limits_(l), pages_left_(l.pages) {}

  void add(page& p);
  // For another try.
  void add_again(page& p, time_point not_before);
  // Nothing starts at this host before that.
  void pause(host& h, time_point until);
  // The host's rules are there: from now on it has all its places.
  void opened(host& h);
  // A page of this host is not being fetched any more.
  void finished(host& h);
  // One less is to be started: it was in an earlier run.
  void spend() { pages_left_ -= std::min<std::uint64_t>(1, pages_left_); }
  // One that was started does not count, as it was not fetched.
  void refund();

  // Those that may be fetched now; they count as active until finished().
  std::vector<page*> start(time_point now);
  // When start() has more to give although nothing finishes meanwhile.
  std::optional<time_point> next() const;

  std::size_t active() const { return active_; }
  std::size_t waiting() const { return waiting_; }

 private:
  bool has_place(const host& h) const { return h.active < (h.rules ? limits_.per_host : 1); }
  bool may_start(const page& p) const;
  void list(host& h);
  void release_due(time_point now);

  const limits limits_;
  std::uint64_t pages_left_;
  std::size_t active_ = 0, waiting_ = 0;
  std::deque<host*> ready_;     // with pages that wait and places that are free, in turns
  std::vector<host*> starved_;  // that had a page to start when no more were to be started
  std::multimap<time_point, host*> paused_;
  std::multimap<time_point, page*> again_;
};

}  // namespace crawl
