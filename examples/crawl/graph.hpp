// The pages that a crawl knows, each once, and how they are linked. A page's depth is the length of the
// shortest way from the start, whichever way was found first: a shorter way that is found later moves what
// lies behind it, so the same pages are visited on every schedule. One thread at a time, or under a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crawl/gate.hpp"
#include "crawl/url.hpp"

namespace crawl {

enum class page_state {
  known,   // nobody wants it: too deep, so far
  wanted,  // waits for its turn, or is being fetched
  done,
  failed,
  disallowed,  // by robots.txt
};

struct page {
  static constexpr unsigned far = std::numeric_limits<unsigned>::max();

  const std::string url;
  host* const at;
  page* referrer = nullptr;  // on the shortest way; null: the start
  page* redirect = nullptr;  // where it leads, if it is a redirect
  std::string leads_out;     // the same, if that is out of the site
  std::vector<page*> links;  // where it leads otherwise
  unsigned depth = far;
  // How it was reached: links from the start, and redirects in a row since the last of them. No way is better
  // in both than another one: a longer way may leave more redirects to go.
  struct way {
    unsigned depth, hops;
  };
  std::vector<way> ways;
  unsigned tries = 0;
  page_state state = page_state::known;
  bool counted = false;  // the gate has let it pass before
  bool written = false;  // it is in the database, with another depth perhaps
  unsigned written_depth = 0;
  bool transient = false;              // if failed: may be better the next time
  std::string problem;                 // if failed: why
  std::vector<std::string> bad_links;  // references in it that are no URLs

  page(std::string u, host* h) : url(std::move(u)), at(h) {}
};

class graph {
 public:
  graph(unsigned max_depth, unsigned max_hops) : max_depth_(max_depth), max_hops_(max_hops) {}

  // The page of this URL, which is known from then on.
  page& find(const url& u);
  // What is to be fetched now, in order; the caller passes it on.
  std::vector<page*> take_wanted();

  void start_at(page& p) { reach(p, nullptr, 0, 0); }
  void add_links(page& from, std::vector<page*> to);

  enum class redirection { followed, loop, too_long };
  struct redirected {
    redirection what;
    std::vector<std::string> loop;  // its URLs, beginning with the smallest
  };
  // A loop is left open at `from`, so that no chain of redirects is endless.
  redirected add_redirect(page& from, page& to);
  // Where the redirects of `p` end: at a page that is none, or at one that failed, which may keep a redirect:
  // a shorter way to it leads on.
  static const page& end_of(const page& p);

  // The pages from the one that led here up to the start, at most `limit`; more is in `left_out`.
  static std::vector<const page*> referrers(const page& p, std::size_t limit, std::size_t& left_out);

  const std::unordered_map<std::string_view, std::unique_ptr<page>>& pages() const { return pages_; }

 private:
  struct step {
    page* to;
    page* from;
    unsigned depth, hops;
  };
  void reach(page& p, page* from, unsigned depth, unsigned hops);
  void pass_on(page& p, const page::way& by, std::vector<step>& open) const;

  const unsigned max_depth_, max_hops_;
  std::unordered_map<std::string_view, std::unique_ptr<page>> pages_;  // keys are the pages' own URLs
  std::unordered_map<std::string, std::unique_ptr<host>> hosts_;
  std::vector<page*> wanted_;
};

}  // namespace crawl
