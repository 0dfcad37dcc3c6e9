#include "crawl/links.hpp"

#include <libxml/HTMLparser.h>
#include <libxml/encoding.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_set>

#include "support/ascii.hpp"

namespace crawl {
namespace {

// Where links stand. "srcset" is a list, "refresh" is in the content of a <meta>.
struct place {
  const char* element;
  const char* attribute;
};
constexpr std::array places{place{"a", "href"},        place{"area", "href"},  place{"link", "href"},
                            place{"img", "src"},       place{"img", "srcset"}, place{"source", "src"},
                            place{"source", "srcset"}, place{"script", "src"}, place{"iframe", "src"},
                            place{"frame", "src"},     place{"embed", "src"},  place{"video", "src"},
                            place{"video", "poster"},  place{"audio", "src"},  place{"track", "src"}};
constexpr std::size_t max_title = 300;

struct reader {
  html page;
  bool in_title = false, had_title = false;
  std::exception_ptr failure;  // no exception passes through libxml2, which is C
};

template <class F>
void guarded(void* data, F f) noexcept {
  auto& r = *static_cast<reader*>(data);
  if (r.failure) return;
  try {
    f(r);
  } catch (...) {
    r.failure = std::current_exception();
  }
}

const xmlChar* xml(const char* text) { return reinterpret_cast<const xmlChar*>(text); }

const char* attribute(const xmlChar** attributes, const char* name) {
  for (; attributes != nullptr && attributes[0] != nullptr; attributes += 2)
    if (xmlStrcasecmp(attributes[0], xml(name)) == 0)
      return attributes[1] == nullptr ? "" : reinterpret_cast<const char*>(attributes[1]);
  return nullptr;
}

bool same(const char* a, const char* b) { return xmlStrcasecmp(xml(a), xml(b)) == 0; }

// Whether one of the words of `list` is `word`.
bool has_word(std::string_view list, std::string_view word) {
  const std::string lowered = support::lower(list);
  for (std::size_t at = lowered.find(word); at != std::string::npos; at = lowered.find(word, at + 1)) {
    const auto apart = [&](std::size_t i) { return std::strchr(" ,\t\n\r\f", lowered[i]) != nullptr; };
    const std::size_t end = at + word.size();
    if ((at == 0 || apart(at - 1)) && (end == lowered.size() || apart(end))) return true;
  }
  return false;
}

// "5; url='next.html'"
std::string refresh_target(std::string_view content) {
  const auto begin = content.find_first_of(";,");
  if (begin == std::string_view::npos) return {};
  content.remove_prefix(begin + 1);
  const auto key = content.find_first_not_of(" \t\n\r\f");
  if (key == std::string_view::npos) return {};
  content.remove_prefix(key);
  if (content.size() >= 3 && xmlStrncasecmp(xml(content.data()), xml("url"), 3) == 0) {
    const auto equals = content.find_first_not_of(" \t\n\r\f", 3);
    if (equals != std::string_view::npos && content[equals] == '=') {
      content.remove_prefix(equals + 1);
      const auto value = content.find_first_not_of(" \t\n\r\f");
      if (value == std::string_view::npos) return {};
      content.remove_prefix(value);
    }
  }
  if (!content.empty() && (content[0] == '"' || content[0] == '\'')) {
    const char quote = content[0];
    content.remove_prefix(1);
    content = content.substr(0, content.find(quote));
  }
  return std::string(content);
}

void read_meta(html& page, const xmlChar** attributes) {
  const char* const content = attribute(attributes, "content");
  if (content == nullptr) return;
  const char* const name = attribute(attributes, "name");
  if (name != nullptr && same(name, "robots") && (has_word(content, "nofollow") || has_word(content, "none")))
    page.nofollow = true;
  const char* const equivalent = attribute(attributes, "http-equiv");
  if (equivalent != nullptr && same(equivalent, "refresh"))
    if (std::string target = refresh_target(content); !target.empty())
      page.links.push_back({std::move(target), "meta"});
}

// Relations whose target is no document but a host to be ready for.
bool is_hint(const xmlChar** attributes) {
  const char* const relation = attribute(attributes, "rel");
  return relation != nullptr && (has_word(relation, "preconnect") || has_word(relation, "dns-prefetch"));
}

void read_element(reader& r, const char* name, const xmlChar** attributes) {
  if (same(name, "title") && !r.had_title) {
    r.in_title = true;
  } else if (same(name, "base")) {
    const char* const href = attribute(attributes, "href");
    if (href != nullptr && r.page.base.empty()) r.page.base = href;  // the first one counts
  } else if (same(name, "meta")) {
    read_meta(r.page, attributes);
  } else if (!same(name, "link") || !is_hint(attributes)) {
    for (const place& p : places) {
      if (!same(name, p.element)) continue;
      const char* const value = attribute(attributes, p.attribute);
      if (value == nullptr) continue;
      if (std::strcmp(p.attribute, "srcset") != 0) {
        r.page.links.push_back({value, p.element});
        continue;
      }
      for (std::string& u : srcset_urls(value)) r.page.links.push_back({std::move(u), p.element});
    }
  }
}

void start_element(void* data, const xmlChar* name, const xmlChar** attributes) {
  guarded(data, [&](reader& r) { read_element(r, reinterpret_cast<const char*>(name), attributes); });
}

void end_element(void* data, const xmlChar* name) {
  auto& r = *static_cast<reader*>(data);
  if (!r.in_title || !same(reinterpret_cast<const char*>(name), "title")) return;
  r.in_title = false;
  r.had_title = true;
}

void read_title(reader& r, const xmlChar* text, int length) {
  if (!r.in_title) return;
  for (int i = 0; i < length && r.page.title.size() < 2 * max_title; ++i) {
    const char c = static_cast<char>(text[i]);
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space)
      r.page.title += c;
    else if (!r.page.title.empty() && r.page.title.back() != ' ')
      r.page.title += ' ';
  }
}

void characters(void* data, const xmlChar* text, int length) {
  guarded(data, [&](reader& r) { read_title(r, text, length); });
}

void tidy_title(std::string& title) {
  if (title.size() > max_title) {
    std::size_t end = max_title;
    while (end > 0 && (static_cast<unsigned char>(title[end]) & 0xc0U) == 0x80)
      --end;  // not within a character
    title.resize(end);
  }
  while (!title.empty() && title.back() == ' ') title.pop_back();
}

struct frees_context {
  void operator()(htmlParserCtxt* c) const noexcept { htmlFreeParserCtxt(c); }
};

}  // namespace

namespace {

// libxml2 takes a zero byte for the end; HTML does not know it.
std::string without_zeros(std::string_view text) {
  std::string kept;
  std::copy_if(text.begin(), text.end(), std::back_inserter(kept), [](char c) { return c != '\0'; });
  return kept;
}

bool has_wide_characters(std::string_view text, const std::string& charset) {
  return charset.starts_with("utf-16") || charset.starts_with("utf-32") || text.starts_with("\xff\xfe") ||
         text.starts_with("\xfe\xff");
}

}  // namespace

html read_html(std::string_view text, const std::string& charset) {
  static std::once_flag once;
  std::call_once(once, xmlInitParser);
  std::string copy;
  if (text.find('\0') != std::string_view::npos && !has_wide_characters(text, charset))
    text = copy = without_zeros(text);
  reader r;
  if (text.empty()) return r.page;
  const std::unique_ptr<htmlParserCtxt, frees_context> context(
      htmlCreateMemoryParserCtxt(text.data(), static_cast<int>(text.size())));
  if (context == nullptr) throw std::bad_alloc();
  htmlCtxtUseOptions(context.get(),
                     HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET);
  // Events instead of a tree: a page may be nested deeper than a tree is allowed to be.
  htmlSAXHandler events{};
  events.startElement = start_element;
  events.endElement = end_element;
  events.characters = characters;
  events.cdataBlock = characters;
  *context->sax = events;
  context->userData = &r;
  if (!charset.empty()) {
    // One that nobody knows is as good as none.
    if (xmlCharEncodingHandler* const known = xmlFindCharEncodingHandler(charset.c_str()))
      xmlSwitchToEncoding(context.get(), known);
  }
  htmlParseDocument(context.get());
  if (r.failure) std::rethrow_exception(r.failure);
  tidy_title(r.page.title);
  return std::move(r.page);
}

std::vector<std::string> srcset_urls(std::string_view value) {
  constexpr std::string_view spaces = " \t\n\r\f";
  std::vector<std::string> urls;
  for (;;) {
    const auto begin = value.find_first_not_of(" \t\n\r\f,");
    if (begin == std::string_view::npos) return urls;
    value.remove_prefix(begin);
    const auto end = std::min(value.find_first_of(spaces), value.size());
    std::string_view candidate = value.substr(0, end);
    value.remove_prefix(end);
    // A comma belongs to a URL, but for those at its end.
    const bool described = !candidate.ends_with(',');
    while (candidate.ends_with(',')) candidate.remove_suffix(1);
    if (!candidate.empty()) urls.emplace_back(candidate);
    if (!described) continue;
    int depth = 0;  // a descriptor may have parentheses, and commas in them
    std::size_t i = 0;
    for (; i < value.size() && (depth > 0 || value[i] != ','); ++i)
      depth += value[i] == '(' ? 1 : value[i] == ')' ? -1 : 0;
    value.remove_prefix(i);
  }
}

std::vector<found_link> links_of(const html& page, const url& at) {
  url base = at;
  if (!page.base.empty())
    if (parsed_url p = resolve(at, page.base); p.status == url_status::good) base = std::move(p.value);
  std::vector<found_link> found;
  std::unordered_set<std::string> seen{at.text};
  for (const link& l : page.links) {
    parsed_url p = resolve(base, l.reference);
    if (p.status == url_status::foreign) continue;
    const bool good = p.status == url_status::good;
    if (!seen.insert(good ? p.value.text : "\n" + l.reference).second) continue;
    found.push_back({p.status, std::move(p.value), good ? "" : l.reference, l.kind});
  }
  return found;
}

}  // namespace crawl
