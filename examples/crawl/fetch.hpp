// One request by libcurl: no redirect is followed, no cookie kept, nothing tried again; who calls decides.
// Any thread; a call stands still until the answer is there.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "crawl/url.hpp"

namespace crawl {

struct fetch_options {
  std::chrono::milliseconds timeout{30'000};  // for all of a request
  std::size_t max_bytes = 16U << 20;          // of a page that is kept, unpacked
  std::string user_agent;
  std::string ca_file;          // empty: the system's certificates
  std::size_t max_idle = 1024;  // handles that are kept for later requests, with their connections
};

enum class trouble {
  none,
  dropped,    // no connection, or it broke: may be better next time
  timed_out,  // the same
  too_large,
  refused,  // the certificate, a protocol error: will not change by itself
  stopped,  // by the stop token
};

struct response {
  trouble problem = trouble::none;
  std::string reason;  // of the problem, for people
  long status = 0;
  std::string type, charset;          // in lower case: "text/html", "utf-8"
  std::string location, retry_after;  // the headers
  std::string body;                   // if it was to be kept; its beginning, if it is too large
  std::uint64_t bytes = 0;            // of the body: unpacked if it was read, else as announced
  std::chrono::duration<double> time{};

  bool is_html() const { return type == "text/html" || type == "application/xhtml+xml"; }
};

enum class keep_body {
  html,    // a body of another kind is read only where that is cheap
  robots,  // of any kind, and of one that is too large as much as counts
};

class fetcher {
 public:
  explicit fetcher(fetch_options options);
  fetcher(const fetcher&) = delete;
  fetcher& operator=(const fetcher&) = delete;
  ~fetcher();

  // Throws std::bad_alloc, and std::runtime_error if libcurl cannot be set up. All else is in the response.
  response get(const url& what, keep_body keep, const std::stop_token& stop);

 private:
  struct frees_handle {
    void operator()(CURL* h) const noexcept { curl_easy_cleanup(h); }
  };
  using handle = std::unique_ptr<CURL, frees_handle>;
  struct idle_handle {
    std::string origin;
    handle h;
  };

  // A handle keeps its connections, so the one that last spoke with this host is the best.
  handle take(const std::string& origin);
  void give_back(std::string origin, handle h);
  handle make() const;

  const fetch_options options_;
  std::mutex mutex_;
  std::vector<idle_handle> idle_;  // the one that was used last at the end
};

}  // namespace crawl
