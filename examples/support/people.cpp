#include "support/people.hpp"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "support/ascii.hpp"

namespace support {
namespace {

[[noreturn]] void refuse(const csv_record& record, const std::string& why) {
  throw std::runtime_error(fmt::format("line {}: {}", record.line, why));
}

std::int64_t number(const csv_record& record, std::string_view what, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    refuse(record, fmt::format("{} \"{}\" is no number", what, text));
  return value;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether digits surround the point of "-1234.50". What comes before them is looked at by whoever reads the
// number.
bool has_two_decimals(std::string_view text) {
  if (text.size() < 4) return false;
  const std::string_view end = text.substr(text.size() - 4);
  return is_digit(end[0]) && end[1] == '.' && is_digit(end[2]) && is_digit(end[3]);
}

// "-1234.50" in cents: the number that its digits are without the point.
std::int64_t cents(const csv_record& record, std::string_view text) {
  std::string digits(text);
  if (has_two_decimals(text)) digits.erase(digits.size() - 3, 1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (!has_two_decimals(text) || error == std::errc::invalid_argument || end != digits.data() + digits.size())
    refuse(record, fmt::format("amount \"{}\" is no number with two decimals", text));
  if (error != std::errc()) refuse(record, fmt::format("amount \"{}\" is too large", text));
  return value;
}

// "1980-01-31", of a day that there is.
bool is_date(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 4 || i == 7 ? text[i] != '-' : !is_digit(text[i])) return false;
  const auto part = [text](std::size_t from, std::size_t size) {
    unsigned value = 0;
    std::from_chars(text.data() + from, text.data() + from + size, value);
    return value;
  };
  return std::chrono::year_month_day(std::chrono::year(static_cast<int>(part(0, 4))),
                                     std::chrono::month(part(5, 2)), std::chrono::day(part(8, 2)))
      .ok();
}

}  // namespace

person to_person(const csv_record& record) {
  const std::vector<std::string> fields = csv_fields(record);
  if (fields.size() != 6) refuse(record, fmt::format("{} fields, not 6", fields.size()));
  person p;
  p.line = record.line;
  p.id = number(record, "id", fields[0]);
  p.name = fields[1];
  p.email = lower(fields[2]);
  p.country = fields[3];
  p.cents = cents(record, fields[4]);
  p.born = fields[5];
  if (p.name.empty()) refuse(record, "the name is empty");
  const auto at = p.email.find('@');
  if (at == 0 || at == std::string::npos || p.email.find('.', at) == std::string::npos)
    refuse(record, fmt::format("\"{}\" is no e-mail address", fields[2]));
  if (p.country.size() != 2 || !is_letter(p.country[0]) || !is_letter(p.country[1]))
    refuse(record, fmt::format("country \"{}\" has not two letters", p.country));
  if (!is_date(p.born)) refuse(record, fmt::format("date \"{}\" is no day as YYYY-MM-DD", p.born));
  return p;
}

void generate_people(std::ostream& out, std::uint64_t count) {
  constexpr std::array names{"Ada Lovelace", "\"\"Grace\"\" Hopper", "Turing, Alan", "Edsger\nDijkstra",
                             "Barbara Liskov"};
  constexpr std::array countries{"DE", "GB", "NL", "US", "FR", "JP"};
  constexpr std::array bad{"{},\"No Address\",nobody,DE,10.00,1980-01-01\n",
                           "{},\"No Amount\",a@b.org,DE,ten,1980-01-01\n", "{},Too,Few\n",
                           "{},\"\"x,a@b.org,DE,10.00,1980-01-01\n"};
  for (std::uint64_t i = 1; i <= count; ++i) {
    if (i % 1000 == 0) {
      fmt::print(out, fmt::runtime(bad[i / 1000 % bad.size()]), i);
      continue;
    }
    fmt::print(out, "{},\"{}\",User{}@Example.org,{},{}.{:02},{}-{:02}-{:02}\n", i, names[i % names.size()],
               i, countries[i % countries.size()], i % 9973, i % 100, 1930 + i % 80, 1 + i % 12, 1 + i % 28);
  }
}

people_table::people_table(const std::string& path) : path_(path) {
  try {
    check(sqlite3_open(path.c_str(), &db_), "opening");
    sqlite3_busy_timeout(db_, 5000);  // somebody may be writing it
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = NORMAL");
    run("CREATE TABLE IF NOT EXISTS people (line INTEGER PRIMARY KEY, id INTEGER, name TEXT, email TEXT,"
        " country TEXT, cents INTEGER, born TEXT)");
    check(sqlite3_prepare_v2(db_, "INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?)", -1, &insert_, nullptr),
          "preparing the insert into");
  } catch (...) {
    sqlite3_close(db_);
    throw;
  }
}

people_table::~people_table() {
  sqlite3_finalize(insert_);
  sqlite3_close(db_);
}

void people_table::check(int status, const char* doing) const {
  if (status == SQLITE_OK || status == SQLITE_ROW || status == SQLITE_DONE) return;
  throw std::runtime_error(fmt::format("{} {}: {}", doing, path_, sqlite3_errmsg(db_)));
}

void people_table::run(const char* sql) {
  check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), "changing");
}

std::unordered_set<std::uint64_t> people_table::lines() {
  std::unordered_set<std::uint64_t> all;
  sqlite3_stmt* select = nullptr;
  check(sqlite3_prepare_v2(db_, "SELECT line FROM people", -1, &select, nullptr), "reading");
  while (sqlite3_step(select) == SQLITE_ROW)
    all.insert(static_cast<std::uint64_t>(sqlite3_column_int64(select, 0)));
  check(sqlite3_finalize(select), "reading");
  return all;
}

void people_table::each(const std::function<void(const person&)>& row) {
  sqlite3_stmt* select = nullptr;
  check(sqlite3_prepare_v2(db_, "SELECT * FROM people ORDER BY line", -1, &select, nullptr), "reading");
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> owner(select, &sqlite3_finalize);
  const auto text = [select](int column) -> std::string {
    const auto* const bytes = reinterpret_cast<const char*>(sqlite3_column_text(select, column));
    if (bytes == nullptr) return {};
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(select, column))};
  };
  int status = SQLITE_DONE;
  while ((status = sqlite3_step(select)) == SQLITE_ROW)
    row({static_cast<std::uint64_t>(sqlite3_column_int64(select, 0)), sqlite3_column_int64(select, 1),
         text(2), text(3), text(4), sqlite3_column_int64(select, 5), text(6)});
  check(status, "reading");
}

void people_table::insert(const person& p) {
  if (uncommitted_ == 0) run("BEGIN");
  const auto text = [this](int column, const std::string& value) {
    check(sqlite3_bind_text(insert_, column, value.data(), static_cast<int>(value.size()), SQLITE_STATIC),
          "filling");
  };
  check(sqlite3_bind_int64(insert_, 1, static_cast<std::int64_t>(p.line)), "filling");
  check(sqlite3_bind_int64(insert_, 2, p.id), "filling");
  text(3, p.name);
  text(4, p.email);
  text(5, p.country);
  check(sqlite3_bind_int64(insert_, 6, p.cents), "filling");
  text(7, p.born);
  check(sqlite3_step(insert_), "filling");
  check(sqlite3_reset(insert_), "filling");
  if (++uncommitted_ == batch) commit();
}

void people_table::commit() {
  if (uncommitted_ == 0) return;
  run("COMMIT");
  uncommitted_ = 0;
}

}  // namespace support
