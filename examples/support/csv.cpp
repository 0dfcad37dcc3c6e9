#include "support/csv.hpp"

#include <csv.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace support {

void csv_records::advance() {
  record_ = csv_record{};
  std::string line;
  bool open = false;  // inside of quotes: the line break belongs to the field
  do {
    if (!std::getline(*in_, line)) {
      if (in_->bad()) throw std::system_error(errno, std::generic_category(), "reading the CSV file");
      over_ = !open;
      return;
    }
    ++lines_;
    if (record_.line == 0)
      record_.line = lines_;
    else
      record_.text += '\n';
    if (std::count(line.begin(), line.end(), '"') % 2 != 0) open = !open;
    record_.text += line;
  } while (open);
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
