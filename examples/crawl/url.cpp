#include "crawl/url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <new>

#include "support/ascii.hpp"
#include "support/text.hpp"

namespace crawl {
namespace {

struct frees_handle {
  void operator()(CURLU* u) const noexcept { curl_url_cleanup(u); }
};
using handle = std::unique_ptr<CURLU, frees_handle>;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

// As browsers do: spaces around a URL do not count, nor do line breaks and tabs within.
std::string without_spaces(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  std::string kept;
  for (const char c : text)
    if (c != '\n' && c != '\r' && c != '\t') kept += c;
  return kept;
}

// "mailto" of "mailto:somebody"; empty for a relative reference.
std::string scheme_of(std::string_view text) {
  std::string scheme;
  for (const char c : text) {
    if (c == ':') return scheme;
    const bool fits =
        is_letter(c) || (!scheme.empty() && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
    if (!fits) return {};
    scheme += support::lower(c);
  }
  return {};
}

// Where the path begins: a host may have any letters, which are not encoded but translated.
std::size_t end_of_authority(std::string_view text) {
  const auto slashes = text.find("//");
  if (slashes == std::string_view::npos) return 0;
  if (text.find_first_of("/?#") < slashes) return 0;
  return std::min(text.find_first_of("/?#", slashes + 2), text.size());
}

bool set(CURLU* u, CURLUPart part, const char* value) {
  const CURLUcode code = curl_url_set(u, part, value, 0);
  if (code == CURLUE_OUT_OF_MEMORY) throw std::bad_alloc();
  return code == CURLUE_OK;
}

bool get(CURLU* u, CURLUPart part, std::string& value, unsigned flags = 0) {
  char* text = nullptr;
  const CURLUcode code = curl_url_get(u, part, &text, flags);
  // A host that cannot be translated is said to be that, too.
  if (code == CURLUE_OUT_OF_MEMORY && flags != CURLU_PUNYCODE) throw std::bad_alloc();
  if (code != CURLUE_OK) return false;
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
  value = text;
  return true;
}

// Reads the parts back; false: there is no such URL. A host that cannot be translated stays as it is, as long
// as it is text: its encoded bytes, which libcurl decodes, need not be.
bool take_apart(CURLU* u, url& result) {
  std::string scheme, port, path, query;
  if (!get(u, CURLUPART_SCHEME, scheme) || !get(u, CURLUPART_PATH, path)) return false;
  if (!get(u, CURLUPART_HOST, result.host) || support::valid_utf8(result.host) != result.host) return false;
  get(u, CURLUPART_HOST, result.host, CURLU_PUNYCODE);
  result.host = support::lower(result.host);
  if (result.host.empty() || result.host.find_first_of(" \"<>%\\^`{|}") != std::string::npos) return false;
  result.origin = scheme + "://" + result.host;
  if (get(u, CURLUPART_PORT, port, CURLU_NO_DEFAULT_PORT)) result.origin += ":" + port;
  result.text = result.origin + normal_encoding(path.empty() ? "/" : path);
  if (get(u, CURLUPART_QUERY, query) && !query.empty())
    result.text.append(1, '?').append(normal_encoding(query));
  return true;
}

parsed_url parse(const url* base, std::string_view given) {
  const std::string text = without_spaces(given);
  const std::string scheme = scheme_of(text);
  if (!scheme.empty() && scheme != "http" && scheme != "https") return {url_status::foreign, {}};
  if (!scheme.empty() && text.compare(scheme.size(), 3, "://") != 0) return {url_status::malformed, {}};
  if (scheme.empty() && base == nullptr) return {url_status::malformed, {}};
  const auto fragment = text.find('#');
  const std::string_view whole = std::string_view(text).substr(0, fragment);
  if (whole.empty()) return {url_status::good, *base};  // the document itself

  const auto cut = end_of_authority(whole);
  const std::string encoded = std::string(whole.substr(0, cut)) + normal_encoding(whole.substr(cut));
  const handle u(curl_url());
  if (u == nullptr) throw std::bad_alloc();
  parsed_url result{url_status::malformed, {}};
  if (base != nullptr && !set(u.get(), CURLUPART_URL, base->text.c_str())) return result;
  if (!set(u.get(), CURLUPART_URL, encoded.c_str())) return result;
  if (take_apart(u.get(), result.value)) result.status = url_status::good;
  return result;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

void encode(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

}  // namespace

parsed_url parse_url(std::string_view text) { return parse(nullptr, text); }
parsed_url resolve(const url& base, std::string_view reference) { return parse(&base, reference); }

std::string normal_encoding(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      const char meant = static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      // Nothing behind a percent sign that encodes nothing: that would make an encoding of it. And no dot:
      // that would make dot segments of what was none.
      const bool behind_stray = out.ends_with('%') || (out.size() >= 2 && out[out.size() - 2] == '%');
      if (behind_stray)
        encode(out, meant);
      else if (is_letter(meant) || (meant >= '0' && meant <= '9') || meant == '-' || meant == '_' ||
               meant == '~')
        out += meant;
      else
        encode(out, meant);
      i += 2;
    } else if (const auto byte = static_cast<unsigned char>(c);
               byte <= ' ' || byte >= 0x7f || c == '"' || c == '<' || c == '>' || c == '`') {
      encode(out, c);
    } else {
      out += c;
    }
  }
  return out;
}

namespace {

std::string authority_of(const url& u) { return u.origin.substr(u.origin.find("//") + 2); }

}  // namespace

site::site(const url& start, bool subdomains)
    : authority_(authority_of(start)),
      suffix_(subdomains ? std::string(1, '.').append(start.host) : std::string()) {}

bool site::has(const url& u) const {
  return authority_of(u) == authority_ || (!suffix_.empty() && u.host.ends_with(suffix_));
}

}  // namespace crawl
