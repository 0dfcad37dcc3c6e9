#include "support/csv.hpp"

#include <csv.h>
#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace support {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

// Where in a record its text has come to, as far as quotes are concerned. A quote opens a field only where
// that begins: libcsv refuses any other one, and no line but the one that it stands in.
class quotes {
 public:
  void read(std::string_view line) {
    for (const char c : line) {
      if (in_ == part::quoted) {
        if (c == '"') in_ = part::closed;
      } else if (c == ',') {
        in_ = part::start;
      } else if (c == '"') {
        in_ = in_ == part::start || in_ == part::closed ? part::quoted : part::plain;
      } else if (in_ != part::start || (c != ' ' && c != '\t')) {
        in_ = part::plain;
      }
    }
  }
  // Whether a line break belongs to the field.
  bool open() const { return in_ == part::quoted; }

 private:
  enum class part {
    start,   // of a field
    quoted,  // within its quotes
    closed,  // after a quote that ends the field, or is the first of two
    plain,   // behind what opens nothing any more, until the next comma
  };
  part in_ = part::start;
};

}  // namespace

void csv_records::advance() {
  record_ = csv_record{};
  std::string line;
  quotes seen;
  do {
    if (!std::getline(*in_, line)) {
      if (in_->bad()) throw std::system_error(errno, std::generic_category(), "reading the CSV file");
      over_ = !seen.open();
      return;
    }
    if (++lines_ == 1 && line.starts_with(byte_order_mark)) line.erase(0, byte_order_mark.size());
    if (record_.line == 0)
      record_.line = lines_;
    else
      record_.text += '\n';
    seen.read(line);
    record_.text += line;
  } while (seen.open());
}

namespace {

struct parser {
  csv_parser state{};
  parser() {
    if (csv_init(&state, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
  }
  parser(const parser&) = delete;
  parser& operator=(const parser&) = delete;
  ~parser() { csv_free(&state); }
};

void field_ended(void* bytes, std::size_t size, void* fields) {
  static_cast<std::vector<std::string>*>(fields)->emplace_back(static_cast<const char*>(bytes), size);
}

}  // namespace

std::vector<std::string> csv_fields(const csv_record& record) {
  std::vector<std::string> fields;
  parser p;
  const bool parsed = csv_parse(&p.state, record.text.data(), record.text.size(), field_ended, nullptr,
                                &fields) == record.text.size() &&
                      csv_fini(&p.state, field_ended, nullptr, &fields) == 0;
  if (!parsed)
    throw std::runtime_error(
        fmt::format("line {}: no CSV: {}", record.line, csv_strerror(csv_error(&p.state))));
  return fields;
}

}  // namespace support
