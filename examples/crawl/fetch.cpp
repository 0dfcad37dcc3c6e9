#include "crawl/fetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "crawl/robots.hpp"
#include "support/ascii.hpp"

namespace crawl {
namespace {

using support::lower;
using support::trimmed;

// Reading so much of an unwanted body costs less than a new connection.
constexpr std::uint64_t cheap_bytes = 64 * 1024;

// What libcurl's callbacks know of a request. No exception passes through libcurl, which is C.
struct transfer {
  CURL* handle;
  response& answer;
  const fetch_options& options;
  const std::stop_token& stop;
  keep_body keep;
  bool begun = false, kept = false, enough = false;
  std::exception_ptr failure;
};

// "Text/HTML; charset=UTF-8"
void read_type(std::string_view header, response& answer) {
  const auto semicolon = header.find(';');
  answer.type = lower(trimmed(header.substr(0, semicolon)));
  if (semicolon == std::string_view::npos) return;
  const std::string rest = lower(header.substr(semicolon + 1));
  const auto key = rest.find("charset=");
  if (key == std::string::npos) return;
  std::string_view value = trimmed(std::string_view(rest).substr(key + 8));
  value = value.substr(0, value.find(';'));
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\''))
    value = value.substr(1, value.size() - 2);
  answer.charset = trimmed(value);
}

std::string header_of(CURL* h, const char* name) {
  curl_header* header = nullptr;
  if (curl_easy_header(h, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return {};
  return header->value;
}

void read_headers(transfer& t) {
  t.begun = true;
  curl_easy_getinfo(t.handle, CURLINFO_RESPONSE_CODE, &t.answer.status);
  read_type(header_of(t.handle, "Content-Type"), t.answer);
  t.answer.location = header_of(t.handle, "Location");
  t.answer.retry_after = header_of(t.handle, "Retry-After");
  const bool good = t.answer.status >= 200 && t.answer.status < 300;
  t.kept = good && (t.keep == keep_body::robots || t.answer.is_html());
}

std::optional<std::uint64_t> announced(CURL* h) {
  curl_off_t length = -1;
  curl_easy_getinfo(h, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length < 0) return std::nullopt;
  return static_cast<std::uint64_t>(length);
}

// False: no more is wanted.
bool read_body(transfer& t, std::string_view chunk) {
  if (!t.begun) read_headers(t);
  if (!t.kept) {
    const auto length = announced(t.handle);
    if (t.answer.bytes + chunk.size() > cheap_bytes || (length && *length > cheap_bytes)) {
      t.answer.bytes = length.value_or(t.answer.bytes + chunk.size());
      t.enough = true;
      return false;
    }
  } else {
    // One byte more than is read of rules tells whether they end there.
    const std::size_t most = t.keep == keep_body::robots ? robots::max_bytes + 1 : t.options.max_bytes;
    t.answer.body.append(chunk.substr(0, most - t.answer.body.size()));
    if (t.answer.bytes + chunk.size() > most) {
      t.answer.bytes = most;
      t.answer.problem = trouble::too_large;
      t.answer.reason = fmt::format("larger than {} bytes", most);
      return false;
    }
  }
  t.answer.bytes += chunk.size();
  return true;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) noexcept {
  auto& t = *static_cast<transfer*>(user);
  try {
    return read_body(t, {data, size}) ? size : 0;
  } catch (...) {
    t.failure = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  return static_cast<transfer*>(user)->stop.stop_requested() ? 1 : 0;
}

trouble kind_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return trouble::timed_out;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:  // in the handshake; a certificate has codes of its own
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
      return trouble::dropped;
    case CURLE_ABORTED_BY_CALLBACK:
      return trouble::stopped;
    default:
      return trouble::refused;
  }
}

std::string reason_of(CURLcode code, const char* detail) {
  std::string reason = *detail != '\0' ? detail : curl_easy_strerror(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    reason += " (a certificate of your own is accepted with --ca FILE)";
  return reason;
}

void initialise() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK)
    throw std::runtime_error(fmt::format("libcurl cannot start: {}", curl_easy_strerror(code)));
}

}  // namespace

fetcher::fetcher(fetch_options options) : options_(std::move(options)) { initialise(); }
fetcher::~fetcher() = default;

fetcher::handle fetcher::make() const {
  handle made(curl_easy_init());
  if (made == nullptr) throw std::bad_alloc();
  CURL* const h = made.get();
  const long timeout = std::max<long>(1, options_.timeout.count());
  CURLcode code = CURLE_OK;
  const auto set = [&](CURLoption option, auto value) {
    if (code == CURLE_OK) code = curl_easy_setopt(h, option, value);
  };
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));  // a handle has one request at a time
  set(CURLOPT_USERAGENT, options_.user_agent.c_str());
  set(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_TIMEOUT_MS, timeout);
  set(CURLOPT_CONNECTTIMEOUT_MS, std::min(timeout, 10'000L));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  if (code != CURLE_OK)
    throw std::runtime_error(fmt::format("libcurl refuses an option: {}", curl_easy_strerror(code)));
  return made;
}

fetcher::handle fetcher::take(const std::string& origin) {
  {
    const std::lock_guard hold(mutex_);
    const auto last =
        std::find_if(idle_.rbegin(), idle_.rend(), [&](const idle_handle& i) { return i.origin == origin; });
    if (last != idle_.rend()) {
      handle h = std::move(last->h);
      idle_.erase(std::next(last).base());
      return h;
    }
  }
  return make();
}

void fetcher::give_back(std::string origin, handle h) {
  handle surplus;
  const std::lock_guard hold(mutex_);
  idle_.push_back({std::move(origin), std::move(h)});
  if (idle_.size() <= options_.max_idle) return;
  surplus = std::move(idle_.front().h);
  idle_.erase(idle_.begin());
}

response fetcher::get(const url& what, keep_body keep, const std::stop_token& stop) {
  response answer;
  handle h = take(what.origin);
  transfer t{h.get(), answer, options_, stop, keep, false, false, false, {}};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(h.get(), CURLOPT_URL, what.text.c_str());
  curl_easy_setopt(h.get(), CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(h.get(), CURLOPT_XFERINFODATA, &t);
  curl_easy_setopt(h.get(), CURLOPT_ERRORBUFFER, detail);
  const CURLcode code = curl_easy_perform(h.get());
  curl_easy_setopt(h.get(), CURLOPT_ERRORBUFFER, nullptr);
  double seconds = 0;
  curl_easy_getinfo(h.get(), CURLINFO_TOTAL_TIME, &seconds);
  answer.time = std::chrono::duration<double>(seconds);
  if (t.failure) std::rethrow_exception(t.failure);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (!t.begun) read_headers(t);  // there was no body
  if (code != CURLE_OK && !t.enough && answer.problem == trouble::none) {
    answer.problem = kind_of(code);
    answer.reason = reason_of(code, detail);
  }
  give_back(what.origin, std::move(h));
  return answer;
}

}  // namespace crawl
